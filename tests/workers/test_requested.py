"""What a protocol asks for by fields of its own: planned in the portal, run, given to checks."""

import numpy as np
import pytest

from portal.audits.further import Beside, Foreign
from portal.audits.planning import lock_protocol, start_audit, write_protocol
from portal.intake.models import UploadKind
from tests.ml.intake.build import cohort_folder
from tests.ml.intake.exported import doubtful_folder
from tests.workers.test_foreign import in_this_process  # noqa: F401
from tests.workers.test_run import document_of, read_in, run_all, team  # noqa: F401
from workers.statistics import load_evidence

BODY = {
    "checks": ["stress", "ood-detection"], "limits": [], "draws": 200, "stress_cases": 10,
    "stress_samples": 4, "corruptions": ["gamma"], "gradient_scores": True,
}  # fmt: skip


@pytest.fixture
def audit(team, read_in, tmp_path):  # noqa: F811
    sizes = {"own": 14, "ct": 6, "dev": 8}
    cohorts = {
        name: read_in(
            UploadKind.COHORT, cohort_folder(tmp_path / name, n=n, title=name)
        ).cohort_version
        for name, n in sizes.items()
    }
    model = read_in(UploadKind.MODEL, doubtful_folder(tmp_path / "model")).model_version
    protocol = write_protocol(actor=team.owner, team=team, name="P", body=BODY)
    lock_protocol(actor=team.owner, protocol=protocol)
    protocol.refresh_from_db()
    return start_audit(
        actor=team.owner, team=team, cohort_version=cohorts["own"], model_version=model,
        protocol=protocol, beside=Beside((Foreign(cohorts["ct"], "far"),), cohorts["dev"]),
    )  # fmt: skip


def test_several_answers_and_scores_by_gradients_reach_the_checks(audit):
    planned = {(one.name, one.further and one.further.name) for one in audit.passes.all()}
    assert ("corrupt-samples", None) in planned
    assert {one for one in planned if one[0] == "gradient-scores"} == {
        ("gradient-scores", None), ("gradient-scores", "ct"),
    }  # fmt: skip

    run_all(audit)

    found = load_evidence(audit)
    assert found.corrupted_samples.score.shape == (10, 6, 4), "of fourteen, ten are drawn"
    assert np.isfinite(found.corrupted_samples.score).all()
    assert (found.corrupted_samples.place >= 0).sum() == 10
    assert found.corrupted_samples.kind == "dropout"
    assert np.isfinite(found.gradient_scores["odin"]).all()
    assert np.isfinite(found.foreign["ct"].gradient_scores["odin"]).all()
    assert found.reference.gradient_scores is None
    by_check = {
        one["id"]: {measure["id"] for measure in one["measures"]}
        for one in document_of(audit)["checks"]
    }
    assert {"epistemic_rise", "total_rise:gamma"} <= by_check["stress"]
    # The pictures are the audited cohort's own, so none of them is looked at as foreign.
    assert "ood-detection" in by_check
