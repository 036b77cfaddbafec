"""Whether a model doubts its answers more where a corruption makes them worse."""

from collections.abc import Iterator, Mapping

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording
from ml.checks.registry import Finding, State
from ml.checks.stress_measures import Measured
from ml.checks.stressed import Stressed, at_severity
from ml.estimate import Estimate
from ml.evidence.tables import Evidence, IntArray

_ROUNDING = 1e-9  # bits: a score and its mirror differ by so much at most
_WHAT = {"accuracy_loss": "accuracy", "auroc_loss": "the AUROC"}


def rise_wording(stressed: Stressed, measured: Measured) -> dict[str, Wording]:
    """Of the rise over all corruptions; {} where it is undefined."""
    found = measured.estimates["entropy_rise"]
    if found.value is None:
        return {}
    shown = (found.low is not None and found.low > 0, found.high is not None and found.high < 0)
    how = {(True, False): "rises by", (False, True): "falls by"}.get(shown, "is not shown to rise:")
    size = abs(found.value) if any(shown) else found.value
    return {
        "entropy_rise": Wording(
            f"Over {stressed.all_words} and all severities the entropy of its answers {how} "
            f"{words.decimal(size)} bits on average.",
            why="An honest model doubts a worse picture more.",
            action="Do not take its confidence for a sign that an image is good enough.",
        )
    }


def unnoticed_finding(
    check: str, evidence: Evidence, stressed: Stressed, measured: Measured
) -> Iterator[Finding]:
    """Corruptions that are too much for it, beside its doubt where they first are.

    None where no corruption is shown to be too much: then there is nothing it should have noticed.
    """
    broken = measured.too_much(stressed)
    if not broken:
        return
    silent = {
        name: first
        for name, first in broken.items()
        if not _rises(measured.at("entropy_rise", name, first))
    }
    listed = _listed(stressed, silent)
    yield Finding(
        f"{check}.unnoticed",
        State.CAUTION if silent else State.INFO,
        _claim(stressed, measured, broken, silent),
        why=f"{_each(stressed, measured, broken)} Listed: {words.cases(listed.size)} answered "
        "rightly as they are, wrongly there, and with no more doubt.",
        measure=f"entropy_rise:{next(iter(silent or broken))}",
        cases=stressed.ids(evidence, listed),
        action="Do not let its confidence stand guard over image quality: check the quality of an "
        "image before it is asked."
        if silent
        else "",
    )


def _rises(rise: Estimate) -> bool:
    return rise.low is not None and rise.low > 0


def _claim(
    stressed: Stressed, measured: Measured, broken: Mapping[str, int], silent: Mapping[str, int]
) -> str:
    number = words.count(len(broken))
    too_much = "corruption that is" if len(broken) == 1 else "corruptions that are"
    if not silent:
        each = "the one" if len(broken) == 1 else f"each of the {number}"
        return f"Under {each} {too_much} too much for it, its doubt rises too."
    name = max(silent, key=lambda one: _lost(measured, one, silent[one]))
    there = at_severity(stressed.distortions[name], silent[name])
    of = number if len(silent) == len(broken) else f"{words.count(len(silent))} of {number}"
    return (
        f"Under {of} {too_much} too much for it, its doubt is not shown to rise: "
        f"{stressed.distortions[name].title} at {there} costs {_loss(measured, name, silent[name])}"
        f", and the entropy of its answers changes by {_rise(measured, name, silent[name])}."
    )


def _each(stressed: Stressed, measured: Measured, broken: Mapping[str, int]) -> str:
    parts = [
        f"{stressed.distortions[name].title}, severity {first}: {_loss(measured, name, first)}, "
        f"entropy {_rise(measured, name, first)}"
        for name, first in broken.items()
    ]
    return f"Where each is first too much. {'; '.join(parts)}."


def _lost(measured: Measured, corruption: str, severity: int) -> float:
    return measured.at(measured.primary, corruption, severity).value or 0.0


def _loss(measured: Measured, corruption: str, severity: int) -> str:
    found = measured.at(measured.primary, corruption, severity)
    size = words.amount(
        found.value or 0.0, found.low, found.high, per_cent=measured.primary == "accuracy_loss"
    )
    return f"{size} of {_WHAT[measured.primary]}"


def _rise(measured: Measured, corruption: str, severity: int) -> str:
    return words.measured(measured.at("entropy_rise", corruption, severity))


def _listed(stressed: Stressed, silent: Mapping[str, int]) -> IntArray:
    found = np.zeros(stressed.clean.rows.size, dtype=bool)
    for name, first in silent.items():
        version = stressed.versions[name, first]
        unmoved = np.nan_to_num(version.doubt, nan=np.inf) <= stressed.doubt + _ROUNDING
        found |= version.wrong & (stressed.right == 1) & unmoved
    return np.flatnonzero(found)
