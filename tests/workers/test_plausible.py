"""Where experts marked the finding, an audit through the portal says whether maps lie there."""

import pytest
from django.urls import reverse

from portal.audits.planning import lock_protocol, start_audit, write_protocol
from portal.intake.models import UploadKind
from portal.reports.frozen import open_report
from portal.reports.models import Report
from tests.ml.checks import quadrants
from tests.portal.people import signed_in, text
from tests.workers.test_run import read_in, run_all, team  # noqa: F401


@pytest.fixture
def report(team, read_in, tmp_path):  # noqa: F811
    """Of a network that reads another quadrant than the one that is marked."""
    model = read_in(UploadKind.MODEL, quadrants.model(tmp_path / "m")).model_version
    marked = quadrants.cohort(tmp_path / "c", where="lower right", readers=("anna", "ben"))
    cohort = read_in(UploadKind.COHORT, marked).cohort_version
    checks = ["explanation-faithfulness", "explanation-plausibility"]
    body = {"checks": checks, "explanation_cases": 12, "draws": 200}
    rules = write_protocol(actor=team.owner, team=team, name="Where", body=body)
    lock_protocol(actor=team.owner, protocol=rules)
    rules.refresh_from_db()
    audit = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=model, protocol=rules
    )
    run_all(audit)
    return Report.objects.get(audit=audit)


def test_a_faithful_map_away_from_the_mask_is_a_caution_with_its_cases(report):
    person = signed_in(report.team.memberships.get(role="owner").user)
    answer = person.get(reverse("reports:report", args=[report.team.slug, report.pk]))
    page, raw = text(answer), answer.content.decode()
    checks = open_report(report).checks
    (section,) = [one for one in checks if one["id"] == "explanation-plausibility"]
    measures = {one["id"]: one["value"] for one in section["measures"]}

    assert measures["relevance_mass"] < 0.01
    assert measures["quadrant:faithful only"] == 1
    assert measures["relevance_mass:two readers"] > 0.5
    assert "Look for a shortcut" in page
    assert raw.count('class="ch ch-map-scatter"') == 1
    assert "Faithful and plausible, case by case" in page
    assert "implausible" in page.lower(), "the gallery has a row by this rule"
    for case_id in next(one for one in section["findings"] if one["cases"])["cases"]:
        assert reverse("reports:case", args=[report.team.slug, report.pk, case_id]) in raw
