"""Masked gradients are told and the twin is not; counts, cases, limits and chart are right."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.assemble import evidence
from ml.checks.adversarial_lite import adversarial_lite
from ml.checks.attack_measures import eps_median
from ml.checks.registry import State
from ml.engine import predict
from ml.engine.attack import attack_job
from ml.engine.attack_form import ATTACK, attack_rows, eps_of
from ml.engine.predict import predict_job
from ml.estimate import Estimate
from ml.evidence.passes import CaseOutputs
from ml.evidence.store import table
from ml.evidence.tables import Prediction
from ml.limits import DEFAULT_LIMITS
from ml.protocol import DEFAULT_CHECKS, Protocol
from tests.ml.engine.attacked_networks import PARAMS, Steep, job_of, manifest_for, picture_files
from tests.ml.intake.build import QUIET

ID = "adversarial-lite"
EPS = eps_of(PARAMS)
QUICK = Protocol.parse({"draws": 200, "limits": [], "checks": [ID]})


def values(result):
    return {one.id: one for one in result.estimates}


def findings(result):
    return {one.id.removeprefix(f"{ID}."): one for one in result.findings}


# A planted pair: the same pictures, counted by gentle sigmoids or by saturated ones.


GENTLE, SATURATED = 6.0, 1e6


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = Path(tmp_path_factory.mktemp("planted"))
    # Their mean lies about one grey level below or above what turns the answer.
    paths = []
    for at, low in enumerate([110, 112] * 6):
        paths += picture_files(folder, 1, low=low, high=low + 34, seed=at)
    found = {}
    for steepness in (GENTLE, SATURATED):
        predict._kept.clear()
        job = job_of(Steep(steepness), manifest_for(), paths, folder)
        tables = [
            table((folder / run(job, folder, QUIET)["table"]).read_bytes())
            for run in (predict_job, attack_job)
        ]
        catalogue = {
            "classes": ["none", "spot"], "positive": ["spot"], "cluster_kind": "case",
            "covariates": [], "readings": [], "questions": {}, "readers": "identified",
            "task": "classification",
            "cases": [
                {"case_id": one["case_id"], "label": "none", "cluster": one["case_id"],
                 "covariates": {}, "images": []}
                for one in job["cases"]
            ],
        }  # fmt: skip
        found[steepness] = evidence(
            catalogue, outputs=tables[0], manifest=job["model"]["manifest"],
            passes={ATTACK: tables[1]},
        )  # fmt: skip
    predict._kept.clear()
    return found


def test_masked_gradients_are_told_and_the_twin_is_not(planted):
    masked = adversarial_lite(planted[SATURATED], QUICK)
    open_ = adversarial_lite(planted[GENTLE], QUICK)

    told = findings(masked)["gradient-masking"]
    assert told.state is State.INFO
    assert "the gradient is zero at every pixel" in told.claim
    assert "gradient masking" in told.why
    flat = values(masked)["zero_gradient"]
    assert flat.value == 1
    assert len(told.cases) == flat.extra["numerator"]
    assert "the attack is weak here" in masked.summary
    assert "see the finding" in masked.series[0]["subtitle"]

    assert "gradient-masking" not in findings(open_)
    assert values(open_)["zero_gradient"].value == 0
    assert "weak" not in open_.summary
    assert "weak" not in open_.series[0]["subtitle"]
    assert values(open_)["flip_rate:pgd, eps 4/255"].value > 0.5
    assert values(open_)["flip_rate:noise, eps 4/255"].value < 0.5


def test_both_states_are_information(planted):
    for one in planted.values():
        result = adversarial_lite(one, QUICK)
        assert result.state is State.INFO
        assert {found.state for found in result.findings} == {State.INFO}
    assert ID not in DEFAULT_CHECKS
    assert ID not in {limit.check for limit in DEFAULT_LIMITS}


# On made-up evidence.


@pytest.fixture
def given(make_evidence):
    """Evidence of cases whose answer "present" (0.9) turns from an eps on, or never (0)."""

    def made(turns, *, slope=None, ran=None, present=None, scores=None, **more):
        """turns: by method, (n,) the first eps at which each case turns."""
        n = len(next(iter(turns.values())))
        own = np.full(n, 0.9) if scores is None else np.asarray(scores, float)
        rows = []
        for method, eps in attack_rows(PARAMS):
            first = np.zeros(n) if method == "none" else np.asarray(turns[method], float)
            turned = (first > 0) & (float(eps) >= first)
            rows.append(np.where(np.isnan(first), np.nan, np.where(turned, 1 - own, own)))
        score = np.stack(rows, axis=1)
        keys = attack_rows(PARAMS)
        attacks = CaseOutputs(
            {"method": tuple(one for one, _ in keys), "eps": tuple(eps for _, eps in keys)},
            np.stack([1 - score, score], axis=2), {}, ran,
            np.stack([1 - score, score], axis=2), score,
            slope=np.ones(n) if slope is None else np.asarray(slope, float),
        )  # fmt: skip
        if ran is not None:
            score[~ran] = np.nan
        return replace(
            make_evidence(own, np.ones(n) if present is None else present, **more), attacks=attacks
        )

    return made


def turning(*shares, n=40):
    """(n,) the first eps at which each case turns: so many more at each eps, the rest never."""
    found = np.zeros(n)
    at = 0
    for eps, more in zip(EPS, shares, strict=True):
        found[at : at + more] = eps
        at += more
    return found


PLAIN = {"noise": turning(0, 0, 0, 0, 1), "fgsm": turning(1, 3, 6, 10, 5),
         "pgd": turning(2, 4, 28, 4, 2)}  # fmt: skip


def test_the_first_sentence_says_how_many_turn_on_purpose_and_by_chance(given):
    result = adversarial_lite(given(PLAIN), QUICK)

    assert result.summary == (
        "A change of at most 1 of 255 grey levels, made on purpose, turns 34 of 40 answers; "
        "random changes of that size turn 0."
    )
    head = findings(result)["flip_rate:pgd-eps-1"]
    assert head.claim == result.summary
    assert head.state is State.INFO
    assert head.cases == ("case-000", "case-001"), "those that turn at the smallest change"
    assert "2, 6, 34, 38, 40" in head.why
    assert "1, 4, 10, 20, 25" in head.why
    assert "Listed: 2 cases that turn at the smallest change." in head.why
    assert "Only who has the network" in head.why
    assert "gradient-masking" not in findings(result)
    assert not [one.id for one in result.findings if " " in one.id]


def test_shares_have_wilsons_intervals_and_the_median_its_ends(given):
    found = values(adversarial_lite(given(PLAIN), QUICK))

    share = found["flip_rate:pgd, eps 1/255"]
    assert (share.value, share.n) == (0.85, 40)
    assert (share.low, share.high) == pytest.approx((0.7093, 0.9294), abs=1e-4)
    assert found["flip_rate:noise, eps 4/255"].value == pytest.approx(1 / 40)
    assert found["flip_rate:fgsm, eps 2/255"].value == 0.5
    median = found["eps_median:pgd"]
    assert (median.low, median.value, median.high, median.unit) == (1.0, 1.0, 1.0, "of 255")
    slow = found["eps_median:fgsm"]  # 20 of 40 at 2, 25 of 40 at 4: [0.35, 0.65], [0.47, 0.76]
    assert (slow.low, slow.value, slow.high) == (2.0, 2.0, None)
    assert "above the largest" in slow.reason


def test_half_that_is_never_reached_is_undefined(given):
    never = adversarial_lite(given({**PLAIN, "pgd": turning(1, 0, 2, 3, 9),
                                    "fgsm": turning(0, 0, 0, 0, 2)}), QUICK)  # fmt: skip

    found = values(never)["eps_median:pgd"]
    assert found.value is None
    assert "at no change up to 4" in found.reason
    assert never.summary.startswith("A change of at most 4 of 255 grey levels, made on purpose, "
                                    "turns 15 of 40 answers; random")  # fmt: skip
    none = [Estimate("x", None, reason="No.")] * 2
    assert "no copy was answered" in eps_median("m", none, (1.0, 2.0)).reason


def test_patients_count_and_not_their_images(given):
    alone = values(adversarial_lite(given(PLAIN), QUICK))["flip_rate:pgd, eps 0.5/255"]
    turns = {name: np.sort(one)[::-1] for name, one in PLAIN.items()}
    pairs = given(turns, cluster=np.arange(40) // 4, cluster_kind="patient")
    several = values(adversarial_lite(pairs, QUICK))["flip_rate:fgsm, eps 1/255"]
    single = values(adversarial_lite(given(turns), QUICK))["flip_rate:fgsm, eps 1/255"]

    assert alone.extra["cluster_kind"] == "case"
    assert several.extra["n_clusters"] == 10
    assert several.high - several.low > 1.3 * (single.high - single.low)


def test_accuracy_is_of_labelled_cases_alone(given):
    present = np.array([1] * 20 + [0] * 10 + [-1] * 10)
    result = adversarial_lite(given(PLAIN, present=present), QUICK)
    found = values(result)

    assert (found["accuracy"].value, found["accuracy"].n) == (pytest.approx(2 / 3), 30)
    # Of 30 labelled ones all turn at 1 of 255: the wrong ones become right.
    assert found["accuracy:pgd, eps 1/255"].value == pytest.approx(1 / 3)
    told = findings(result)["accuracy:pgd-eps-1"]
    assert "answers 66.7 % rightly, and 33.3 % after" in told.claim
    assert len(told.cases) == 20
    without = adversarial_lite(given(PLAIN, present=np.full(40, -1)), QUICK)
    assert not [one for one in values(without) if one.startswith("accuracy")]


def test_several_steps_that_turn_fewer_than_one_are_a_weak_attack(given):
    turns = {**PLAIN, "pgd": turning(1, 2, 3, 0, 0)}
    result = adversarial_lite(given(turns), QUICK)

    told = findings(result)["gradient-masking"].claim
    assert "at 4 of 255 several steps turn 6 answers and a single one 25" in told
    assert "the attack is weak here" in result.summary
    # The stronger of both speaks first.
    assert "of at most 2 of 255 grey levels, made on purpose, turns 20 of 40" in result.summary


def test_chance_that_turns_as_many_is_a_weak_attack(given):
    turns = {"noise": turning(0, 0, 0, 0, 3), "fgsm": turning(0, 0, 0, 0, 3),
             "pgd": turning(0, 0, 0, 0, 3)}  # fmt: skip
    result = adversarial_lite(given(turns), QUICK)
    assert "random changes turn 3 answers and those on purpose 3" in result.summary
    still = {name: turning(0, 0, 0, 0, 0) for name in turns}
    assert "weak" not in adversarial_lite(given(still), QUICK).summary


def test_cases_without_a_gradient_are_counted_and_listed(given):
    slope = np.ones(40)
    slope[[3, 7]] = 0
    result = adversarial_lite(given(PLAIN, slope=slope), QUICK)

    assert findings(result)["gradient-masking"].cases == ("case-003", "case-007")
    assert "in 2 of 40 cases the gradient is zero" in result.summary
    assert values(result)["zero_gradient"].value == 0.05


def limited(measure, value, direction="max"):
    limit = {"check": ID, "measure": measure, "value": value, "direction": direction,
             "origin": "pre-registered"}  # fmt: skip
    return Protocol.parse({"draws": 200, "limits": [limit], "checks": [ID]})


def test_a_teams_limit_is_judged_but_not_held_by_a_weak_attack(given):
    held, slope = limited("flip_rate:pgd, eps 0.25/255", 0.3), np.ones(40)
    slope[0] = 0

    plain = adversarial_lite(given(PLAIN), held)
    weak = adversarial_lite(given(PLAIN, slope=slope), held)
    assert findings(plain)["flip_rate:pgd-eps-0.25"].state is State.PASS
    assert findings(weak)["flip_rate:pgd-eps-0.25"].state is State.CAUTION
    assert "not decided" in findings(weak)["flip_rate:pgd-eps-0.25"].why
    broken = adversarial_lite(given(PLAIN, slope=slope), limited("flip_rate:pgd, eps 2/255", 0.3))
    assert broken.state is State.FAIL
    noise = limited("flip_rate:noise, eps 4/255", 0.3)
    assert adversarial_lite(given(PLAIN, slope=slope), noise).state is State.PASS


def test_of_drawn_cases_alone_and_of_a_copy_that_failed(given):
    ran = np.arange(40) < 30
    turns = {name: one.copy() for name, one in PLAIN.items()}
    turns["pgd"][5] = np.nan
    evidence_ = given(turns, ran=ran, cluster=np.arange(40))
    result = adversarial_lite(evidence_, QUICK)

    assert values(result)["flip_rate:fgsm, eps 1/255"].n == 30
    assert values(result)["flip_rate:pgd, eps 1/255"].n == 29
    assert findings(result)["failed-copies"].cases == ("case-005",)
    assert "30 of 40 cases, drawn by the seed" in result.series[0]["subtitle"]
    failures = {"case-020": "no_image"}
    gone = replace(evidence_, attacks=replace(evidence_.attacks, failures=failures))
    gone.attacks.score[20] = np.nan
    told = findings(adversarial_lite(gone, QUICK))["failed-cases"]
    assert told.cases == ("case-020",)
    assert values(adversarial_lite(gone, QUICK))["flip_rate:fgsm, eps 1/255"].n == 29


def test_the_answer_is_that_at_the_operating_point(given):
    """From 0.05 upwards 0.1 is still "present": nothing has turned."""
    point = Protocol.parse({"operating_point": 0.05, "limits": [], "checks": [ID]})
    assert values(adversarial_lite(given(PLAIN), point))["flip_rate:pgd, eps 4/255"].value == 0
    unknown = Protocol.parse({"operating_point": "no such", "limits": [], "checks": [ID]})
    result = adversarial_lite(given(PLAIN), unknown)
    assert result.state is State.NOT_ASSESSED
    assert "no such" in result.reason


def test_of_several_classes_the_answer_is_the_class(given):
    """From one kind of finding to another: turned, though the finding stays."""
    found = given(PLAIN)
    classes, n = ("none", "a", "b"), 40
    shares = np.tile([0.1, 0.8, 0.1], (n, 16, 1))
    shares[:10, 1:] = [0.1, 0.1, 0.8]
    attacks = replace(
        found.attacks, outputs=shares, probabilities=shares, score=np.full((n, 16), 0.9)
    )
    prediction = Prediction(classes, ("a", "b"), "probabilities", shares[:, 0], np.full(n, 0.9))
    several = replace(
        found, attacks=attacks, prediction=prediction, classes=classes, positive=("a", "b"),
        label=("a",) * n,
    )  # fmt: skip
    result = values(adversarial_lite(several, QUICK))
    assert result["flip_rate:pgd, eps 0.25/255"].value == 0.25
    assert (result["accuracy"].value, result["accuracy:pgd, eps 1/255"].value) == (1.0, 0.75)


def test_the_chart_has_a_line_for_each_method(given):
    (series,) = adversarial_lite(given(PLAIN, present=np.full(40, 1)), QUICK).series

    assert series["kind"] == "attack-curves"
    assert series["title"] == "34 of 40 answers turn at 1 of 255"
    lines = {line["method"]: line for line in series["lines"]}
    assert list(lines) == ["noise", "fgsm", "pgd"]
    assert [point["turned"] for point in lines["pgd"]["points"]] == [2, 6, 34, 38, 40]
    assert [point["eps"] for point in lines["pgd"]["points"]] == EPS
    assert lines["pgd"]["points"][2]["accuracy"] == pytest.approx(6 / 40)
    assert (lines["noise"]["on_purpose"], lines["fgsm"]["on_purpose"]) == (False, True)


def test_without_cases_or_meaning_nothing_is_assessed(given, make_evidence):
    blind = adversarial_lite(make_evidence(np.array([0.1, 0.9]), np.array([0, 1])), QUICK)
    assert blind.state is State.NOT_ASSESSED
    assert "No image was changed on purpose" in blind.reason
    found = given(PLAIN)
    failures = dict.fromkeys(found.case_ids, "no_image")
    attacks = replace(found.attacks, score=np.full((40, 16), np.nan), failures=failures)
    gone = adversarial_lite(replace(found, attacks=attacks), QUICK)
    assert gone.state is State.NOT_ASSESSED
    assert gone.reason == "No case could be run."
    meaningless = replace(found.attacks, probabilities=None, score=None)
    assert "what the outputs" in adversarial_lite(replace(found, attacks=meaningless), QUICK).reason
