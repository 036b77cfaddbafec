import numpy as np
import pytest

from ml.checks.mrmc import mrmc
from ml.checks.registry import State
from ml.stats.mrmc.obuchowski_rockette import obuchowski_rockette
from ml.stats.mrmc.standalone import model_against_readers
from ml.stats.mrmc.study import MrmcStudy
from tests.ml.checks.mrmc.studies import ARMS, estimates, evidence_of, findings, same


def test_the_model_against_an_average_reader(alone, scores, quick):
    result = mrmc(evidence_of(alone, ("",), model=scores), quick)
    found = estimates(result)
    cube = np.concatenate([scores[None, None], alone.scores], axis=1)
    both = MrmcStudy(cube, alone.present, ("x",), ("model", *alone.readers), alone.cases)
    expected = model_against_readers(both, 0)
    same(found["auroc_difference:model-readers"], expected.difference, -1.0)
    assert found["auroc:model"].value == pytest.approx(expected.model)
    assert "the model fixed" in found["auroc_difference:model-readers"].convention
    assert "model minus readers" in found["auroc_difference:model-readers"].convention
    finding = findings(result)["mrmc.auroc_difference:model-readers"]
    assert finding.limit.value == -0.05
    assert finding.limit.origin == "platform-default"
    assert "allowed to be 0.050 behind" in finding.why
    assert "other readers and other cases" in finding.why
    assert result.estimates[0].id == "auroc_difference:model-readers"


@pytest.mark.parametrize(("turn", "state"), [(1.0, State.PASS), (-1.0, State.FAIL)])
def test_a_perfect_model_passes_and_a_reversed_one_fails(alone, quick, turn, state):
    model = np.where(alone.present, 0.5 + 0.4 * turn, 0.5 - 0.4 * turn)
    result = mrmc(evidence_of(alone, ("",), model=model), quick)
    assert result.state is state
    finding = findings(result)["mrmc.auroc_difference:model-readers"]
    assert ("behind: shown" in finding.why) == (turn > 0)
    assert finding.cases
    assert bool(finding.action) == (turn < 0)


def test_cases_the_model_failed_on_are_counted(alone, scores, quick):
    failed = scores.copy()
    failed[[0, 30]] = np.nan
    result = mrmc(evidence_of(alone, ("",), model=failed), quick)
    why = findings(result)["mrmc.auroc_difference:model-readers"].why
    assert "2 cases left out" in why
    assert "2 for want of a score of the model" in why
    assert estimates(result)["auroc_difference:model-readers"].n == 52
    assert estimates(result)["auroc:readers-beside-model"].n == 52


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (slice(20, 54), "only 4 cases with the finding and 30 without"),
        (slice(0, 28), "only 24 cases with the finding and 4 without"),
    ],
)
def test_a_model_without_common_cases_is_not_compared(alone, scores, quick, kept, said):
    failed = np.full(54, np.nan)
    failed[kept] = scores[kept]
    result = mrmc(evidence_of(alone, ("",), model=failed), quick)
    assert findings(result)["mrmc.model"].state is State.NOT_ASSESSED
    assert said in findings(result)["mrmc.model"].claim
    assert estimates(result)["auroc:readers"].value is not None


def test_a_model_beside_two_arms_has_no_default_limit(study, scores, quick):
    result = mrmc(evidence_of(study, model=scores), quick)
    for arm in ARMS:
        finding = findings(result)[f"mrmc.auroc_difference:model-readers:{arm}"]
        assert finding.limit is None
        assert f"in the arm {arm}" in finding.claim


def test_readers_alone(alone, quick):
    result = mrmc(evidence_of(alone, ("",)), quick)
    same_mean = obuchowski_rockette(alone).means[0]
    found = estimates(result)["auroc:readers"]
    assert (found.value, found.low) == pytest.approx((same_mean.value, same_mean.low))
    assert "Readers reach a mean AUROC" in result.summary
    assert result.state is State.INFO
    assert not any("difference" in measure for measure in estimates(result))
