import json
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from ml.checks import all_checks, registry
from ml.checks.registry import Check, CheckResult, State, audit_check, checks_of, worst
from ml.protocol import DEFAULT_CHECKS, Protocol

DOCS = Path(__file__).parents[3] / "docs" / "checks"

each_check = pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.id)


@pytest.fixture
def own_registry(monkeypatch):
    """Registering a check here leaves the real list alone."""
    monkeypatch.setattr(registry, "_checks", dict(registry._checks))
    registry._load_plugins.cache_clear()
    yield
    registry._load_plugins.cache_clear()


def passing(evidence, protocol):
    return CheckResult(State.PASS, "Is it?", "It is.")


def test_order_is_that_of_the_report():
    order = tuple(check.id for check in all_checks() if check.id in DEFAULT_CHECKS)
    assert order == DEFAULT_CHECKS
    # What only a protocol asks for stands where it belongs; plug-ins follow.
    every = [check.id for check in all_checks()]
    assert every[:4] == ["cohort-fitness", "duplicates", "leakage", "discrimination"]
    assert every.index("gradient-flow") < every.index("agreement")


def test_the_default_protocol_leaves_out_checks_of_another_task():
    default = Protocol.default()

    assert "segmentation" not in [check.id for check in checks_of(default, "classification")]
    assert "discrimination" not in [check.id for check in checks_of(default, "segmentation")]
    assert "agreement" not in [check.id for check in checks_of(default, "segmentation")]
    named = Protocol.parse({"checks": ["discrimination"]})
    assert [check.id for check in checks_of(named, "segmentation")] == ["discrimination"]


@each_check
def test_says_so_when_it_cannot_assess(check, make_evidence, quick):
    result = check(make_evidence(n=5), quick)

    if not check.needs:  # a cohort is always there
        assert State.NOT_ASSESSED in {finding.state for finding in result.findings}
        return
    assert result.state is State.NOT_ASSESSED
    assert result.reason
    assert result.summary.startswith("Not assessed: ")


@each_check
def test_has_a_page(check):
    assert (DOCS / f"{check.id}.md").exists()


@each_check
def test_series_and_estimates_can_be_written(check, make_evidence, quick, rng):
    present = np.arange(60) % 2
    sides = {"side": ["left", "right", "right"] * 20}
    result = check(make_evidence(rng.random(60), present, covariates=sides), quick)

    for series in result.series:
        assert {"kind", "check", "title", "subtitle"} <= series.keys()
        assert series["check"] == check.id
    json.dumps([result.series, [e.to_json() for e in result.estimates]], allow_nan=False)


@each_check
def test_same_evidence_same_result(check, make_evidence, quick, rng):
    evidence = make_evidence(rng.random(60), np.arange(60) % 2, cluster=np.arange(60) // 2)

    assert check(evidence, quick) == check(evidence, quick)


def test_refuses_a_second_check_of_the_same_name():
    with pytest.raises(ValueError, match="calibration"):
        audit_check("calibration", title="", question="", needs=())(passing)


def test_refuses_a_need_it_does_not_know():
    with pytest.raises(ValueError, match="unknown needs"):
        Check("x", "X", "X?", ("pixels",), passing)


def test_plug_in_comes_last(own_registry, monkeypatch):
    check = audit_check("local", title="Local", question="Is it?", needs=())(passing)
    monkeypatch.setattr(EntryPoint, "load", lambda self: check)
    found = [EntryPoint("local", "nowhere:check", registry.ENTRY_POINTS)]
    monkeypatch.setattr(registry, "entry_points", lambda group: found)

    assert all_checks()[-1] is check


def test_broken_plug_in_is_no_silence(own_registry, monkeypatch):
    found = [EntryPoint("local", "not_a_module_at_all:check", registry.ENTRY_POINTS)]
    monkeypatch.setattr(registry, "entry_points", lambda group: found)

    with pytest.raises(RuntimeError, match="local"):
        all_checks()


def test_protocol_chooses():
    chosen = checks_of(Protocol.parse({"checks": ["calibration", "discrimination"]}))

    assert [check.id for check in chosen] == ["discrimination", "calibration"]


def test_protocol_cannot_choose_what_is_not_there():
    with pytest.raises(LookupError, match="no check called stress-test"):
        checks_of(Protocol.parse({"checks": ["stress-test"]}))


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], State.NOT_ASSESSED),
        ([State.NOT_ASSESSED, State.FAIL], State.FAIL),
        ([State.PASS, State.CAUTION, State.INFO], State.CAUTION),
        ([State.PASS, State.NOT_ASSESSED], State.PASS),
        ([State.INFO, State.NOT_ASSESSED], State.INFO),
    ],
)
def test_worst_state_wins(states, expected):
    assert worst(states) is expected


def test_everything_that_is_missing_is_named(make_evidence, quick):
    """Only readings: there are neither labels nor a model, nor covariates."""
    reasons = {check.id: check(make_evidence(n=5), quick).reason for check in all_checks()}

    for name in ("discrimination", "clinical-utility", "subgroups"):
        assert "no reference labels" in reasons[name]
        assert "neither a model nor a table of predictions" in reasons[name]
    assert "no covariates" in reasons["subgroups"]
    # Without any prediction it goes without saying that there are no probabilities of one.
    assert "no class probabilities" not in reasons["clinical-utility"]


def test_only_what_is_missing_is_named(make_evidence, quick):
    present = np.arange(20) % 2
    subgroups = next(check for check in all_checks() if check.id == "subgroups")

    assert subgroups.missing(make_evidence(present * 0.8, present)).startswith(
        "This cohort has no covariates."
    )
    labels = subgroups.missing(make_evidence(n=20, covariates={"sex": ["f", "m"] * 10}))
    assert "labels" in labels
    assert "covariates" not in labels
