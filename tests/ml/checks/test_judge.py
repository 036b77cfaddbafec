import pytest

from ml.checks.judge import Wording, findings_of, judge, result_of
from ml.checks.registry import State
from ml.estimate import Estimate, undefined
from ml.limits import Limit
from ml.protocol import Protocol


def limit(direction="min", value=0.8, measure="auroc"):
    return Limit("discrimination", measure, value, direction, "pre-registered", "")


@pytest.mark.parametrize(
    ("direction", "low", "value", "high", "state"),
    [
        ("min", 0.81, 0.9, 0.95, State.PASS),
        ("min", 0.80, 0.9, 0.95, State.PASS),
        ("min", 0.79, 0.9, 0.95, State.CAUTION),
        ("min", 0.60, 0.7, 0.80, State.CAUTION),
        ("min", 0.60, 0.7, 0.79, State.FAIL),
        ("max", 0.60, 0.7, 0.80, State.PASS),
        ("max", 0.60, 0.7, 0.81, State.CAUTION),
        ("max", 0.81, 0.9, 0.95, State.FAIL),
        # No interval: nobody knows on which side of the limit other cases would lie.
        ("min", None, 0.99, None, State.CAUTION),
        ("min", None, 0.01, None, State.CAUTION),
        ("max", None, 0.01, None, State.CAUTION),
        ("max", None, 0.99, None, State.CAUTION),
        # One bound: it decides on its own side alone.
        ("min", 0.81, 0.9, None, State.PASS),
        ("min", None, 0.7, 0.79, State.FAIL),
        ("min", None, 0.9, 0.95, State.CAUTION),
        ("max", 0.81, 0.9, None, State.FAIL),
        ("max", None, 0.7, 0.75, State.PASS),
        ("max", 0.6, 0.7, None, State.CAUTION),
    ],
)
def test_where_the_interval_stands(direction, low, value, high, state):
    assert judge(Estimate("auroc", value, low, high), limit(direction)) is state


def test_undefined_is_not_assessed():
    assert judge(undefined("auroc", "Not estimated."), limit()) is State.NOT_ASSESSED


def findings(estimate, *limits, wording=None):
    protocol = Protocol(limits=limits)
    wordings = {estimate.id: wording} if wording else {}
    return findings_of("discrimination", [estimate], protocol, wordings)


def test_finding_travels_with_its_numbers():
    (finding,) = findings(
        Estimate("auroc", 0.8211, 0.7961, 0.8432),
        limit("min", 0.85),
        wording=Wording("It ranks.", "Measured.", ("a", "b"), "Look."),
    )

    assert finding.state is State.FAIL
    assert finding.why == (
        "Measured. AUROC 0.821 [0.796, 0.843]; the limit is at least 0.85 (pre-registered)."
    )
    assert (finding.cases, finding.action) == (("a", "b"), "Look.")


def test_a_pass_asks_for_no_action():
    (finding,) = findings(
        Estimate("auroc", 0.9, 0.88, 0.92), limit(), wording=Wording("It ranks.", action="Look.")
    )

    assert (finding.state, finding.action) == (State.PASS, "")


def test_caution_says_why():
    (finding,) = findings(Estimate("auroc", 0.8, 0.7, 0.9), limit())

    assert "straddles the limit" in finding.why


def test_without_interval_it_is_said():
    (finding,) = findings(Estimate("auroc", 0.9, reason="No interval: only 2 patients."), limit())

    assert finding.state is State.CAUTION
    assert finding.why.endswith(
        "No interval: only 2 patients. Without one the limit is neither held nor broken."
    )
    assert "straddles" not in finding.why


def test_remark_on_a_value_with_interval_is_said():
    (finding,) = findings(Estimate("auroc", 0.9, 0.85, 0.95, reason="Read with care."), limit())

    assert finding.state is State.PASS
    assert finding.why.endswith("Read with care.")


def test_without_limit_it_is_information():
    (finding,) = findings(Estimate("auroc", 0.9, 0.8, 0.95), wording=Wording("It ranks."))

    assert finding.state is State.INFO
    assert "no limit set" in finding.why


def test_measure_without_limit_or_words_is_no_finding():
    assert findings(Estimate("auroc", 0.9)) == ()


def test_limit_on_a_measure_that_does_not_exist_is_told():
    (finding,) = findings(Estimate("brier", 0.2), limit(measure="auprc"))

    assert finding.state is State.NOT_ASSESSED
    assert "auprc" in finding.claim


def test_two_limits_are_two_findings():
    both = findings(Estimate("auroc", 0.9, 0.88, 0.92), limit("min", 0.8), limit("max", 0.85))

    assert [(f.id, f.state) for f in both] == [
        ("discrimination.auroc", State.PASS),
        ("discrimination.auroc.max", State.FAIL),
    ]


def test_rates_are_said_in_per_cent_with_counts():
    estimate = Estimate(
        "sensitivity", 506 / 1500, 0.304, 0.367, extra={"numerator": 506, "denominator": 1500}
    )
    (finding,) = findings(estimate, limit("min", 0.9, "sensitivity"))

    numbers = "Sensitivity 33.7 % [30.4, 36.7], 506 of 1,500; the limit is at least 90 %"
    assert numbers in finding.why


def test_head_of_a_check_is_its_worst_claim():
    result = result_of("Q?", [], findings(Estimate("auroc", 0.5, 0.4, 0.6), limit(),
                                          wording=Wording("It does not rank.")), [])  # fmt: skip

    assert (result.state, result.summary) == (State.FAIL, "It does not rank.")
