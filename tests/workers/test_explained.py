"""What explaining passes left reaches the pages of single cases, the report and its paper."""

import io
from dataclasses import replace

import numpy as np
import pytest
from django.urls import reverse
from PIL import Image

from ml.zoo import weave
from ml.zoo.shades import cohort_folder
from portal.audits.planning import lock_protocol, start_audit, write_protocol
from portal.blobs import store
from portal.blobs.models import Blob
from portal.intake.models import UploadKind
from portal.reports.frozen import open_report
from portal.reports.models import Report
from tests.portal.people import signed_in, text
from tests.workers.test_run import read_in, run_all, team  # noqa: F401
from workers.explained import explained
from workers.statistics import load_evidence


@pytest.fixture
def report(team, read_in, tmp_path):  # noqa: F811
    model = read_in(UploadKind.MODEL, weave.model_folder(tmp_path / "m", skips=False)).model_version
    cohort = read_in(UploadKind.COHORT, cohort_folder(tmp_path / "c", n=12)).cohort_version
    body = {"checks": ["explanation-faithfulness"], "explanation_cases": 10, "draws": 200}
    rules = write_protocol(actor=team.owner, team=team, name="Maps", body=body)
    lock_protocol(actor=team.owner, protocol=rules)
    rules.refresh_from_db()
    audit = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=model, protocol=rules
    )
    run_all(audit)
    return Report.objects.get(audit=audit)


def test_maps_and_curves_are_frozen_as_the_passes_left_them(report):
    frozen, evidence = open_report(report), load_evidence(report.audit)
    maps, removed = evidence.attributions, evidence.perturbations
    kept = frozen.explained

    assert [one["name"] for one in kept["methods"]] == ["grad-cam"]
    assert kept["methods"][0]["layer"]
    assert kept["sides"] == list(maps.maps.shape[2:])
    assert sum("curves" in one for one in kept["cases"].values()) == 10
    for case_id, own in kept["cases"].items():
        at = evidence.case_ids.index(case_id)
        found = maps.maps[at, 0]
        drawn = own["maps"]["grad-cam"]
        assert (drawn["low"], drawn["high"]) == (float(found.min()), float(found.max()))
        pixels = np.asarray(Image.open(io.BytesIO(store.read_bytes(Blob.objects.get(
            pk=drawn["own"])))))  # fmt: skip
        scaled = np.rint(127 + 127 * found.astype(float) / max(np.abs(found).max(), 1e-30))
        assert np.array_equal(pixels, scaled)
        if "curves" in own:
            places = removed.version(baseline="blur", order="random lerf")
            steps = np.argsort([removed.keys["step"][one] for one in places])
            assert own["curves"]["blur"]["random lerf"] == pytest.approx(
                removed.score[at][places[steps]], abs=1e-6
            )
    assert {one["low"] for one in (own["maps"]["grad-cam"] for own in kept["cases"].values())}


def test_the_case_page_shows_map_curves_and_what_checks_say(report, client):
    person = signed_in(report.team.memberships.get(role="owner").user)
    frozen = open_report(report)
    case_id = next(one for one, own in frozen.explained["cases"].items() if "curves" in own)
    address = reverse("reports:case", args=[report.team.slug, report.pk, case_id])
    answer = person.get(address)
    page = text(answer)
    raw = answer.content.decode()

    assert "How this answer came about" in page
    assert "Grad-CAM of layer" in page
    assert f"{frozen.explained['sides'][0]} × {frozen.explained['sides'][1]} positions" in page
    assert 'type="range"' in raw
    assert raw.count('class="ch ch-removal-curves"') == 3
    assert "log-odds" in page
    for part in ("own", "overlay"):
        sha256 = frozen.maps_of(case_id)["grad-cam"][part]
        picture = person.get(reverse("reports:image", args=[report.team.slug, report.pk, sha256]))
        assert picture["Content-Type"] == "image/png"
        assert Image.open(io.BytesIO(picture.content)).format == "PNG"

    whole = text(person.get(reverse("reports:report", args=[report.team.slug, report.pk])))
    assert "Most faithful maps" in whole
    assert "Least faithful maps" in whole
    assert "drawn by the seed" in whole


def test_maps_of_volumes_and_structures_do_not_keep_an_audit_from_being_sealed(report):
    evidence = load_evidence(report.audit)
    maps = evidence.attributions
    deep = replace(maps, maps=np.repeat(maps.maps[:, :, None], 2, axis=2))
    marked = replace(maps, keys={"structure": (0,)})
    for odd in (deep, marked):
        assert (
            explained(report.audit, replace(evidence, attributions=odd, perturbations=None)) is None
        )
        kept = explained(report.audit, replace(evidence, attributions=odd))
        assert kept["methods"] == []
        assert not any("maps" in one for one in kept["cases"].values())
