"""What is measured of answers to attacked copies."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ml.checks.attacked import IN_WORDS, UNKNOWN, Attacked
from ml.estimate import Estimate, undefined
from ml.evidence.passes import FGSM, NOISE, PGD
from ml.evidence.tables import IntArray
from ml.stats.proportion import proportion

ID = "adversarial-lite"
HALF = 0.5
UNIT = "of 255"


def sized(eps: float) -> str:
    """An eps within a name of a measure.

    >>> sized(0.25), sized(1.0)
    ('eps 0.25/255', 'eps 1/255')
    """
    return f"eps {eps:g}/255"


def named(measure: str, method: str, eps: float) -> str:
    return f"{measure}:{method}, {sized(eps)}"


@dataclass(frozen=True)
class Measured:
    """Everything that is measured, by id.

    Attributes:
        headline: method and place of the eps of which the first sentence speaks: the smallest at
            which half of the answers have changed, else the largest; by the stronger method there.
        weak: why the attack is weak here, a clause for each reason; () where nothing says so.
    """

    estimates: Mapping[str, Estimate]
    headline: tuple[str, int]
    weak: tuple[str, ...]

    def at(self, measure: str, method: str, eps: float) -> Estimate:
        return self.estimates[named(measure, method, eps)]


def measured_of(attacked: Attacked, level: float) -> Measured:
    flips = {
        (method, at): _flips(attacked, method, at, level)
        for method in attacked.methods
        for at in range(len(attacked.eps))
    }
    found = list(flips.values())
    for method in attacked.on_purpose:
        steps = [flips[method, at] for at in range(len(attacked.eps))]
        found.append(eps_median(f"eps_median:{method}", steps, attacked.eps))
    found.append(
        proportion(
            "zero_gradient", attacked.flat, attacked.clusters, level=level,
            convention="share of cases in which the gradient of the answer's log-odds by the "
            "picture is zero at every number",
        )
    )  # fmt: skip
    found += _accuracies(attacked, level)
    return Measured({one.id: one for one in found}, _headline(attacked, flips), weak_of(attacked))


def _flips(attacked: Attacked, method: str, at: int, level: float) -> Estimate:
    rows = np.flatnonzero(attacked.known(method, at))
    return proportion(
        named("flip_rate", method, attacked.eps[at]), attacked.turned(method, at)[rows],
        attacked.clusters.where(rows), level=level,
        convention=f"share of answers that change, {IN_WORDS.get(method, method)}, each intensity "
        f"moved by at most {attacked.eps[at]:g} of 255",
        of_what="copies that were answered",
    )  # fmt: skip


def eps_median(measure: str, rates: list[Estimate], eps: tuple[float, ...]) -> Estimate:
    """The smallest eps that was tried at which half of the answers have changed.

    Args:
        measure: id of the estimate.
        rates: share of answers that change at each eps, with their intervals.
        eps: that were tried, of 255, rising.

    Returns:
        In the unit "of 255". ``low`` is the smallest eps at which the upper end of the share
        reaches half, ``high`` that at which the lower end does; without ``high`` where none does.
        Undefined where no share reaches half.

    Example:
        >>> steps = [Estimate("rate", x, x - 0.1, x + 0.1) for x in (0.2, 0.45, 0.9)]
        >>> found = eps_median("eps_median", steps, (0.5, 1.0, 2.0))
        >>> found.low, found.value, found.high
        (1.0, 2.0, 2.0)
    """
    convention = f"smallest of {', '.join(f'{one:g}' for one in eps)} at which half have changed"

    def first(ends: list[float | None]) -> float | None:
        pairs = zip(ends, eps, strict=True)
        return next((one for end, one in pairs if end is not None and end >= HALF), None)

    value = first([one.value for one in rates])
    if value is None:
        reason = f"Not estimated: half of the answers have changed at no change up to {eps[-1]:g}."
        if not any(one.value is not None for one in rates):
            reason = "Not estimated: no copy was answered."
        return undefined(measure, reason, n=rates[0].n, convention=convention)
    low, high = first([one.high for one in rates]), first([one.low for one in rates])
    known = any(one.has_interval for one in rates)
    reason_without = None if known else rates[0].reason
    if known and high is None:
        reason_without = "Its upper end lies above the largest change that was tried."
    return Estimate(
        measure, value, low, high, rates[0].level, rates[0].n, convention=convention,
        method="from the intervals of the shares, each at its own level" if known else "",
        reason=reason_without, extra={"unit": UNIT},
    )  # fmt: skip


def _accuracies(attacked: Attacked, level: float) -> list[Estimate]:
    """Of labelled cases: as they are, and after each attack."""
    labelled = attacked.label != UNKNOWN
    if not labelled.any():
        return []

    def share(measure: str, answer: IntArray) -> Estimate:
        rows = np.flatnonzero(labelled & (answer != UNKNOWN))
        return proportion(
            measure, answer[rows] == attacked.label[rows], attacked.clusters.where(rows),
            level=level, convention="share of labelled cases that are answered rightly",
            of_what="labelled cases that were answered",
        )  # fmt: skip

    return [
        share("accuracy", attacked.own),
        *(
            share(named("accuracy", method, eps), attacked.after[method][:, at])
            for method in attacked.methods
            for at, eps in enumerate(attacked.eps)
        ),
    ]


def _headline(attacked: Attacked, flips: Mapping[tuple[str, int], Estimate]) -> tuple[str, int]:
    def stronger(at: int) -> str:
        return max(attacked.on_purpose, key=lambda one: (attacked.count(one, at), one == PGD))

    last = len(attacked.eps) - 1
    for at in range(last + 1):
        method = stronger(at)
        if (flips[method, at].value or 0.0) >= HALF:
            return method, at
    return stronger(last), last


def weak_of(attacked: Attacked) -> tuple[str, ...]:
    """Signs that gradients lead nowhere here, so that a stronger attack would turn more answers.

    Source:
        Athalye, Carlini, Wagner (2018), ICML, section 3.1; Carlini et al. (2019), section 3.
    """
    found = []
    n, flat = attacked.rows.size, int(attacked.flat.sum())
    if flat:
        found.append(f"in {flat} of {n} cases the gradient is zero at every pixel")
    if {FGSM, PGD} <= set(attacked.methods):
        short = [
            (attacked.count(FGSM, at) - attacked.count(PGD, at), at)
            for at in range(len(attacked.eps))
        ]
        most, at = max(short)
        if most > 0:
            found.append(
                f"at {attacked.eps[at]:g} of 255 several steps turn {attacked.count(PGD, at)} "
                f"answers and a single one {attacked.count(FGSM, at)}"
            )
    if NOISE in attacked.methods:
        last = len(attacked.eps) - 1
        by_chance = attacked.count(NOISE, last)
        best = max(attacked.count(name, last) for name in attacked.on_purpose)
        if 0 < by_chance >= best:
            found.append(
                f"at {attacked.eps[last]:g} of 255 random changes turn {by_chance} answers and "
                f"those on purpose {best}"
            )
    return tuple(found)
