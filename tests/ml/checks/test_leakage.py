"""Leakage: cases of a reference planted in the audited cohort, by each sign and by none."""

from dataclasses import replace

import numpy as np
import pytest

from ml.assemble import _digest
from ml.checks.leakage import leakage
from ml.checks.registry import State
from ml.protocol import Protocol
from tests.ml.checks.images import answers, measured
from tests.ml.checks.test_duplicates import evidence, pictures

ASKED = Protocol.parse({"checks": ["leakage"], "draws": 200})
N = 24
HASHES = tuple((f"{at:064x}",) for at in range(N))


def audit(found):
    result = leakage(found, ASKED)
    values = {one.id: one for one in result.estimates}
    return result, values, {one.id.partition(".")[2]: one for one in result.findings}


def patients(names):
    return tuple("" if one is None else _digest(one) for one in names)


@pytest.fixture(scope="module")
def reference():
    found = evidence(pictures(10, seed=7), images=tuple((f"{at:064x}",) for at in range(900, 910)))
    return replace(found, case_ids=tuple(f"r{at}" for at in range(10)))


@pytest.fixture(scope="module")
def clean(reference):
    return replace(evidence(pictures(N), images=HASHES), reference=reference)


@pytest.fixture(scope="module")
def planted(reference):
    """c00 is the file of r0, c01 the pixels of r1, c02 nearly r2; all others are new."""
    theirs = pictures(10, seed=7)
    noise = np.random.default_rng(2).normal(0, 4, (64, 64))
    shown = pictures(N)
    shown[0], shown[1] = theirs[0], theirs[1]
    shown[2] = (theirs[2] + noise).clip(0, 255).astype(np.uint8)
    images = (reference.images[0], *HASHES[1:])
    return replace(evidence(shown, images=images), reference=reference)


def test_cohorts_that_share_nothing_pass(clean):
    result, values, findings = audit(clean)
    assert values["leaked"].value == 0
    assert findings["images"].state is State.PASS
    assert result.state is State.PASS
    assert "leaked:patient" not in values
    assert findings["patients"].state is State.NOT_ASSESSED
    assert "this cohort and the reference have no patient ids" in findings["patients"].claim


def test_each_sign_is_counted_once_and_the_surest_names_it(planted):
    result, values, findings = audit(planted)
    counts = {name: round(one.value * N) for name, one in values.items()}
    assert counts == {"leaked": 3, "leaked:bytes": 1, "leaked:pixels": 1, "leaked:near": 1}
    assert findings["images"].state is State.FAIL
    assert findings["images"].cases == ("c00", "c01", "c02")
    rows = {row[0]: row for row in result.series[0]["rows"]}
    assert [rows[one][1:3] for one in ("c00", "c01", "c02")] == [
        ["bytes", "r0"], ["pixels", "r1"], ["near", "r2"],
    ]  # fmt: skip
    assert rows["c03"][1] is None


def test_near_copies_alone_are_a_caution(planted):
    rows = np.arange(2, N)
    shown = replace(
        evidence(pictures(N)[2:], images=HASHES[2:]), reference=planted.reference
    )  # fmt: skip
    thumbnails = planted.described.thumbnails[rows]
    described = replace(shown.described, thumbnails=thumbnails)
    _, _, findings = audit(replace(shown, described=described))
    assert (findings["images"].state, findings["images"].cases) == (State.CAUTION, ("c00",))


def test_patients_of_both_cohorts_are_found_by_their_ids(clean, reference):
    own = patients(["a", "b", *[f"p{at}" for at in range(N - 3)], None])
    theirs = patients(["z", "b", "a", "a", *[f"q{at}" for at in range(6)]])
    found = replace(clean, patients=own, reference=replace(reference, patients=theirs))
    result, values, findings = audit(found)
    assert round(values["leaked:patient"].value * N) == 2
    assert (findings["patients"].state, findings["patients"].cases) == (
        State.CAUTION, ("c00", "c01"),
    )  # fmt: skip
    assert "2 patient ids of 2 cases" in findings["patients"].claim
    assert {row[0]: row[4] for row in result.series[0]["rows"]}["c00"] == "r2"
    apart = replace(reference, patients=patients([f"q{at}" for at in range(10)]))
    assert audit(replace(found, reference=apart))[2]["patients"].state is State.PASS
    half = audit(replace(found, reference=reference))[2]["patients"]
    assert half.claim.endswith("the reference has no patient ids.")


def test_the_auroc_without_the_leaked_cases_stands_beside_that_of_all(planted):
    rng = np.random.default_rng(0)
    score = rng.random(N)
    score[:3] = planted.present[:3]  # known by heart
    scored = replace(planted, prediction=answers(score))
    _, values, findings = audit(scored)
    assert values["auroc:all cases"].n == N
    assert values["auroc:not in the reference"].n == N - 3
    present, rest = planted.present == 1, slice(3, N)
    expected = np.mean(score[rest][present[rest]][:, None] > score[rest][~present[rest]])
    assert values["auroc:not in the reference"].value == pytest.approx(expected)
    assert values["auroc:all cases"].value > expected
    assert "Without the cases" in findings["auroc:not in the reference"].claim
    clean_scores = replace(scored, reference=replace(planted.reference, images=(), described=None))
    assert "auroc:all cases" not in audit(clean_scores)[1]


def test_files_alone_say_less_than_pixels(planted):
    blind = replace(planted, described=None)
    _, values, findings = audit(blind)
    assert round(values["leaked"].value * N) == 1
    assert "Only whole files" in findings["images"].why
    other = replace(blind, images=HASHES)
    assert audit(other)[2]["images"].state is State.INFO, "not a pass: pixels were not compared"


def test_cohorts_without_images_are_compared_by_patients_alone(clean, reference):
    bare = replace(
        clean, described=None, images=((),) * N, patients=patients(["a"] * N),
        reference=replace(reference, described=None, images=(), patients=patients(["a"] * 10)),
    )  # fmt: skip
    _, values, findings = audit(bare)
    assert values["leaked"].value == 1
    assert findings["images"].state is State.NOT_ASSESSED


def test_without_a_reference_it_says_that_nothing_is_known(clean):
    result = leakage(replace(clean, reference=None), ASKED)
    assert result.state is State.NOT_ASSESSED
    assert "whether these cases were trained on is not known" in result.reason


def test_a_case_that_cannot_be_measured_is_named(clean):
    shown = [None, *pictures(N)[1:]]
    lost = replace(clean, described=measured(clean.case_ids, shown))
    assert audit(lost)[2]["unread-images"].cases == ("c00",)
