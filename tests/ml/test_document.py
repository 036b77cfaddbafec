import json
from dataclasses import replace

import numpy as np
import pytest

from ml.checks import all_checks
from ml.checks.registry import Check, CheckResult, Finding, State
from ml.document import build_audit, headline, verdict
from ml.estimate import Estimate
from ml.evidence.tables import Evidence, Prediction
from ml.judged import judged_limits
from ml.limits import Limit
from ml.protocol import Protocol

MODEL = {"name": "VGG16 brain tumour", "version": "0.1.1", "sha256": "64b5"}
COHORT = {"title": "Br35H", "sha256": "37c5", "n_cases": 2, "n_patients": 2}
LIMIT = Limit("x", "auroc", 0.8, "min", "pre-registered", "Plan.")


def check(check_id="x"):
    return Check(check_id, check_id.title(), "Is it?", (), lambda evidence, protocol: None)


def result(*states, reason=None):
    findings = tuple(
        Finding(
            f"x.{at}", state, f"Claim {at}.", limit=replace(LIMIT, measure=f"m{at}"), cases=("a",)
        )
        for at, state in enumerate(states)
    )
    state = states[0] if states else State.NOT_ASSESSED
    return CheckResult(
        state, "Is it?", f"Claim {0}.", reason, (Estimate("auroc", 0.7, 0.6, 0.8, n=9),), findings
    )


def audit(*results, model=MODEL):
    return build_audit(
        model, COHORT, Protocol.default(), {"version": "0.1.0"},
        [(check(), one, 0.123456) for one in results],
    )  # fmt: skip


def test_holds_what_the_interface_names():
    document = audit(result(State.FAIL))
    (section,) = document["checks"]

    assert document.keys() == {
        "schema", "verdict", "model", "cohort", "protocol", "engine", "checks",
    }  # fmt: skip
    assert document["protocol"]["sha256"] == Protocol.default().sha256
    assert document["engine"]["seeds"] == {"protocol": 20261123}
    assert {"id", "state", "question", "reason", "seconds", "measures", "findings", "series"} <= (
        section.keys()
    )
    assert {"id", "convention", "value", "low", "high", "level", "n", "n_events", "method",
            "reason"} <= section["measures"][0].keys()  # fmt: skip
    assert section["findings"][0]["limit"]["origin"] == "pre-registered"
    assert section["findings"][0]["cases"] == ["a"]
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_refuses_what_json_cannot_say():
    with pytest.raises(ValueError, match=r"audit\.cohort"):
        build_audit(MODEL, {"n_cases": float("nan")}, Protocol.default(), {}, [])


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], State.NOT_ASSESSED),
        ([State.INFO, State.NOT_ASSESSED], State.NOT_ASSESSED),
        ([State.PASS, State.NOT_ASSESSED], State.PASS),
        ([State.PASS, State.CAUTION], State.CAUTION),
        ([State.NOT_ASSESSED, State.FAIL, State.PASS], State.FAIL),
    ],
)
def test_verdict_is_the_worst_of_what_was_judged(states, expected):
    assert verdict(states) is expected


@pytest.mark.parametrize(
    ("states", "sentence"),
    [
        ([State.FAIL, State.PASS], "VGG16 brain tumour 0.1.1 fails 1 of 2 limits assessed."),
        (
            [State.FAIL, State.CAUTION, State.PASS],
            "VGG16 brain tumour 0.1.1 fails 1 of 3 limits assessed; 1 is not decided.",
        ),
        (
            [State.CAUTION, State.PASS],
            "VGG16 brain tumour 0.1.1 passes 1 of 2 limits assessed; 1 is not decided.",
        ),
        (
            [State.CAUTION],
            "VGG16 brain tumour 0.1.1 neither passes nor fails the one limit assessed.",
        ),
        (
            [State.CAUTION, State.CAUTION, State.NOT_ASSESSED],
            (
                "VGG16 brain tumour 0.1.1 neither passes nor fails any of 2 limits assessed; "
                "1 more was not assessed."
            ),
        ),
        ([State.PASS, State.PASS], "VGG16 brain tumour 0.1.1 passes all 2 limits assessed."),
        (
            [State.PASS, State.NOT_ASSESSED],
            "VGG16 brain tumour 0.1.1 passes the one limit assessed; 1 more was not assessed.",
        ),
    ],
)
def test_verdict_in_words(states, sentence):
    assert headline(audit(result(*states)))["verdict_sentence"] == sentence


def test_readings_speak_of_themselves():
    sentence = headline(audit(result(State.FAIL), model=None))["verdict_sentence"]

    assert sentence == "The readings fail the one limit assessed."


def test_nothing_measured_is_no_pass():
    words = headline(audit(result(reason="This cohort has no readings.")))

    assert "no verdict: nothing could be measured" in words["verdict_sentence"]
    assert words["not_assessed"] == [
        {"id": "x", "title": "X", "reason": "This cohort has no readings."}
    ]


def test_lead_tells_the_worst_first_and_at_most_three():
    words = headline(
        audit(result(State.PASS, State.FAIL, State.INFO, State.CAUTION, State.NOT_ASSESSED))
    )

    assert words["lead"] == ["Claim 1.", "Claim 3.", "Claim 0."]
    assert [gap["id"] for gap in words["not_assessed"]] == ["x.4"]


def test_single_claim_is_followed_by_what_it_rests_on():
    one = result(State.FAIL)
    explained = replace(one, findings=(replace(one.findings[0], why="They differ on 3 cases."),))

    assert headline(audit(explained))["lead"] == ["Claim 0.", "They differ on 3 cases."]


def test_caution_without_a_straddled_limit_is_explained():
    judged = result(State.PASS)
    beside = CheckResult(
        State.CAUTION, "Is it?", "Some failed.", None, (),
        (Finding("x.failed-cases", State.CAUTION, "Some failed."),),
    )  # fmt: skip
    sentence = headline(audit(judged, beside))["verdict_sentence"]

    assert sentence.endswith("passes the one limit assessed; other findings limit what it can be "
                             "used for.")  # fmt: skip


def limited(check_id, *measures):
    """A protocol with a limit on some measures of a check."""
    return Protocol(limits=tuple(replace(LIMIT, check=check_id, measure=one) for one in measures))


def document_of_findings(protocol, *findings, check_id="x"):
    state = findings[0].state if findings else State.NOT_ASSESSED
    block = CheckResult(state, "Is it?", "So.", "No labels.", (), findings)
    return build_audit(MODEL, COHORT, protocol, {}, [(check(check_id), block, 0.0)])


def test_a_limit_is_counted_once_however_many_findings_speak_of_it():
    """One limit on the gaps of all covariates: one fails, the others are in doubt."""
    gap = replace(LIMIT, measure="gap")
    document = document_of_findings(
        limited("x", "gap", "auroc"),
        Finding("x.gap:site", State.FAIL, "Sites differ.", measure="gap:site", limit=gap),
        Finding("x.gap.caution", State.CAUTION, "Others may.", measure="gap:sex", limit=gap),
        Finding("x.auroc", State.PASS, "Fine.", measure="auroc", limit=LIMIT),
    )
    found = judged_limits(document)

    assert [(one.limit["measure"], one.state) for one in found] == [
        ("gap", State.FAIL), ("auroc", State.PASS)
    ]  # fmt: skip
    assert found[0].finding["id"] == "x.gap:site"
    assert headline(document)["verdict_sentence"].endswith("fails 1 of 2 limits assessed.")


def test_limits_that_no_finding_speaks_of_are_not_assessed():
    document = document_of_findings(
        limited("x", "auroc", "ece", "dice"),
        Finding("x.auroc", State.PASS, "Fine.", measure="auroc", limit=LIMIT),
    )

    assert [one.is_assessed for one in judged_limits(document)] == [True, False, False]
    assert headline(document)["verdict_sentence"].endswith(
        "passes the one limit assessed; 2 more were not assessed."
    )


def test_a_limit_on_every_reader_is_one_limit():
    names = ("bias:R1", "bias:R2")
    document = document_of_findings(
        limited("x", "bias"),
        *(
            Finding(f"x.{name}", state, "So.", limit=replace(LIMIT, measure=name))
            for name, state in zip(names, (State.PASS, State.CAUTION), strict=True)
        ),
    )

    (found,) = judged_limits(document)
    assert (found.state, found.limit["measure"]) == (State.CAUTION, "bias:R2")


def test_a_quoted_limit_of_another_check_judges_nothing():
    quoted = replace(LIMIT, check="y")
    document = document_of_findings(
        limited("y", "auroc"), Finding("x.below", State.CAUTION, "Below.", limit=quoted)
    )

    assert judged_limits(document) == []


def test_a_finding_that_only_informs_judges_no_limit():
    document = document_of_findings(
        limited("x", "auroc"), Finding("x.auroc", State.INFO, "So.", measure="auroc", limit=LIMIT)
    )

    (found,) = judged_limits(document)
    assert found.state is State.NOT_ASSESSED
    assert found.finding["claim"] == "So."


def test_limits_of_other_checks_are_not_counted():
    assert judged_limits(document_of_findings(limited("y", "auroc"))) == []


def test_whole_run_from_evidence_to_document(rng):
    n = 80
    present = np.arange(n) % 2
    scores = rng.random(n)
    evidence = Evidence(
        tuple(f"c{at}" for at in range(n)), np.arange(n) // 2, "group",
        tuple("yes" if y else "no" for y in present), present, ("no", "yes"), ("yes",),
        prediction=Prediction(("no", "yes"), ("yes",), "probabilities",
                              np.stack([1 - scores, scores], axis=1), scores),
    )  # fmt: skip
    protocol = Protocol.parse({"draws": 200})

    def run():
        return build_audit(
            MODEL, COHORT, protocol, {},
            [
                (one, one(evidence, protocol), 0.0)
                for one in all_checks()
                if one.task != "segmentation"
            ],
        )  # fmt: skip

    document = run()
    assert json.dumps(document) == json.dumps(run())
    assert document["verdict"] == "fail"
    states = {section["id"]: section["state"] for section in document["checks"]}
    assert states["agreement"] == "not assessed"
    assert states["discrimination"] == "fail"
    assert [part["id"] for part in headline(document)["not_assessed"]] == [
        "cohort-fitness.auroc:files", "cohort-fitness.covariates", "duplicates", "leakage",
        "subgroups", "worst-slice", "uncertainty", "ood-detection", "stress", "shift-consistency",
        "adversarial-lite", "normalisation", "gradient-flow", "explanation-faithfulness",
        "explanation-sanity", "explanation-plausibility", "shortcut", "handcrafted-baseline",
        "memorisation", "agreement",
        "ai-vs-readers", "mrmc", "intake", "determinism",
    ]  # fmt: skip
