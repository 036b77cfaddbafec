"""Test-time augmentation: from copies that are there, on one set of cases, never mixed."""

from dataclasses import replace

import numpy as np
import pytest

from ml.checks.shift_consistency import shift_consistency
from ml.checks.shifted import SMALL
from ml.evidence.passes import CaseOutputs, Distortion
from ml.evidence.tables import Samples
from ml.moves import MIRRORS, MOVES
from ml.protocol import Protocol
from ml.stats.discrimination.auroc import auroc
from ml.stats.uncertainty.decomposition import entropy_parts

ID = "shift-consistency"
ASKED = Protocol.parse({"checks": [ID], "draws": 200, "limits": []})
N = 160


def values(result):
    return {one.id: one for one in result.estimates}


def findings(result):
    return {one.id.removeprefix(f"{ID}."): one for one in result.findings}


@pytest.fixture
def moved(make_evidence, rng):
    """Wrong answers waver under small moves, or (``waver`` off) right ones alike; scores alike."""

    def made(*, waver=True, moves=MOVES, large=0.0, present=True, **more):
        labels = rng.integers(0, 2, N)
        wrong = np.arange(N) % 5 == 0
        score = np.where(wrong, 1 - labels, labels) * 0.6 + 0.2
        steps = [(one, at) for one in moves for at in range(1, len(one.values) + 1)]
        shaken = wrong if waver else rng.permutation(wrong)
        columns = []
        for one, at in steps:
            small = one in MIRRORS or one.values[at - 1] <= SMALL.get(one.id, 0.0)
            away = np.where(shaken, 0.25, 0.01) if small else large
            columns.append(np.clip(score + away * rng.choice([-1, 1], N), 0.0, 1.0))
        scores = np.stack(columns, axis=1)
        both = np.stack([1 - scores, scores], axis=2)
        evidence = make_evidence(score, labels if present else None, **more)
        return replace(
            evidence,
            moves=CaseOutputs(
                {"move": tuple(m.id for m, _ in steps), "step": tuple(s for _, s in steps)},
                both, {}, None, both, scores,
                {m.id: Distortion(m.title, m.parameter, m.values, m.said) for m in moves},
            ),
        )  # fmt: skip

    return made


def drawn(score, apart, rng, *, kind="dropout", t=10):
    samples = np.clip(score + apart * rng.choice([-1, 1], (t, len(score))), 0, 1)
    both = np.stack([1 - samples, samples], axis=2)
    return Samples(kind, ("absent", "present"), both, samples)


def test_answers_that_waver_where_they_are_wrong_tell_it_and_those_that_do_not_do_not(moved):
    told = shift_consistency(moved(), ASKED)
    blind = shift_consistency(moved(waver=False), ASKED)

    found = values(told)
    assert found["auroc_failure:augmentation_spread"].value == 1.0
    assert found["auroc_failure:augmentation_spread"].low > 0.9
    assert found["auroc_failure:score"].value == pytest.approx(0.5, abs=0.01)
    assert values(blind)["auroc_failure:augmentation_spread"].value < 0.7
    claim = findings(told)["auroc_failure:augmentation"]
    assert claim.claim.startswith("Test-time augmentation (answers to the picture and its small")
    assert "9 moved copies of each. On the same cases: test-time augmentation, spread" in claim.why
    assert "its score alone 0.5" in claim.why
    assert "dropout" not in claim.why
    (forest,) = (one for one in told.series if "Wrong answers are told best" in one["title"])
    assert forest["rows"][0]["label"].startswith("test-time augmentation")


def test_it_is_of_the_image_and_its_small_moves_alone(moved):
    evidence = moved(large=0.4)
    result = shift_consistency(evidence, ASKED)

    keys = list(zip(evidence.moves.keys["move"], evidence.moves.keys["step"], strict=True))
    known = {one.id: one for one in MOVES}
    small = [at for at, (name, step) in enumerate(keys)
             if known[name].values[step - 1] <= SMALL[name]]  # fmt: skip
    assert len(small) == 9
    answers = np.concatenate([evidence.prediction.score[:, None],
                              evidence.moves.score[:, small]], axis=1).T  # fmt: skip
    parts = entropy_parts(np.stack([1 - answers, answers], axis=2), unit="bits")
    wrong = (evidence.prediction.score >= 0.5) != (evidence.present == 1)
    expected = auroc(parts.total, wrong.astype(int)).value
    assert values(result)["auroc_failure:augmentation"].value == pytest.approx(expected)
    mean = values(result)["mean_uncertainty:augmentation_spread"]
    assert mean.value == pytest.approx(parts.epistemic.mean())
    assert mean.unit == "bits"


def test_mirrors_that_are_legal_are_among_them(moved):
    plain = values(shift_consistency(moved(), ASKED))
    more = values(shift_consistency(moved(moves=(*MOVES, *MIRRORS)), ASKED))

    assert "9 moved copies" in plain["auroc_failure:augmentation"].convention
    assert "11 moved copies" in more["auroc_failure:augmentation"].convention


@pytest.mark.parametrize(("kind", "said"), [("dropout", "MC dropout"), ("members", "members")])
def test_beside_samples_the_kinds_are_named_apart_and_compared_on_one_set(moved, rng, kind, said):
    evidence = moved()
    wrong = (evidence.prediction.score >= 0.5) != (evidence.present == 1)
    samples = drawn(evidence.prediction.score, np.where(wrong, 0.01, 0.2), rng, kind=kind)
    samples.score[:, 3] = np.nan
    both = replace(evidence, samples=samples)

    found = values(shift_consistency(both, ASKED))
    alone = values(shift_consistency(evidence, ASKED))

    assert found["auroc_failure:epistemic"].value < 0.1, "samples part where it is right"
    assert found["auroc_failure:augmentation_spread"].value > 0.95, "and moves where it is wrong"
    assert said in found["auroc_failure:epistemic"].convention
    assert {
        found[f"auroc_failure:{kind}"].n for kind in ("augmentation", "epistemic", "score")
    } == {N - 1}
    assert alone["auroc_failure:augmentation"].n == N
    assert "auroc_failure:epistemic" not in alone


def test_without_labels_or_errors_it_is_undefined_and_says_why(moved):
    unlabelled = shift_consistency(moved(present=False), ASKED)

    found = values(unlabelled)["auroc_failure:augmentation"]
    assert found.value is None
    assert "no case has a label" in found.reason
    assert values(unlabelled)["mean_uncertainty:augmentation"].value > 0
    assert "auroc_failure:augmentation" not in findings(unlabelled)
    assert len(unlabelled.series) == 2


def test_a_case_of_which_a_small_move_failed_is_left_out(moved):
    evidence = moved()
    evidence.moves.score[4, 0] = np.nan
    evidence.moves.probabilities[4, 0] = np.nan

    found = values(shift_consistency(evidence, ASKED))

    assert found["auroc_failure:augmentation"].n == N - 1
