"""What happens to answers where a place that recurs is taken away, and where it is put in."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml.checks.scored import OperatingPoint, clusters_at
from ml.estimate import Estimate, undefined
from ml.evidence.blotted import ELSEWHERE, FILL, GIVEN, MEAN, Blotted, BlottedPlace
from ml.evidence.tables import BoolArray, Evidence, FloatArray, IntArray
from ml.stats.bootstrap import Settings
from ml.stats.clusters import MIN_CLUSTERS
from ml.stats.means import mean_difference

ID = "shortcut"
RELIANCE = "reliance"
_SAME = 0.5  # of the smaller of two places that lies in the other: one thing seen twice
_THIRDS = (1 / 3, 2 / 3)
_EDGE = 0.02  # of a side, from which a place counts as lying at the border
_REMOVED = (
    "P(finding) with the place filled from around it, less that with as large a place elsewhere "
    "filled, of cases that have it"
)
_BLOTTED = (
    "P(finding) with the place at the mean of the picture, less that with as large a place "
    "elsewhere at it, of cases that have it"
)
_PUT_IN = (
    "P(finding) with the place of a case that has it, less that with the place of a case that has "
    "it not, of cases that have it not"
)
_BOTH = (
    "the smaller of two effects of one direction: of taking it away, and of putting it in; each "
    "in excess of the same change without it, with intervals for all places at once"
)


@dataclass(frozen=True)
class Turned:
    """Of cases with an answer that the place speaks for, or against: how many change it."""

    rows: IntArray  # of the evidence: the cases that could change
    changed: IntArray  # of these, rows that do
    elsewhere: int  # that do under the change without the place

    @property
    def n(self) -> int:
        return int(self.rows.size)


@dataclass(frozen=True)
class Tested:
    """One place with what was measured of it.

    Attributes:
        number: of the place in the evidence.
        said: in words, as "a ruler at the left".
        removed, put_in: change of P(finding), signed, in excess; with simultaneous intervals.
        blotted: the same as ``removed``, with the mean of the picture in place of the fill.
        reliance: 0..1.
        direction: 1 where it speaks for the finding, else -1.
        taken, given: how many answers turn.
        has, has_not: cases that were run.
    """

    number: int
    place: BlottedPlace
    said: str
    removed: Estimate
    put_in: Estimate
    blotted: Estimate
    reliance: Estimate
    direction: int
    taken: Turned
    given: Turned
    has: int
    has_not: int

    @property
    def shown(self) -> bool:
        """Whether some reliance is shown, whatever its size."""
        return self.reliance.low is not None and self.reliance.low > 0


def tested_places(
    evidence: Evidence, blots: Blotted, point: OperatingPoint, settings: Settings
) -> list[Tested]:
    """Every place, the strongest reliance first; then those where it could not be measured.

    Intervals are Bonferroni's over the places that can be tested in both ways, and both directions
    are open: so all of them hold at the level at once.
    """
    assert evidence.prediction is not None
    known = blots.ran & np.isfinite(evidence.prediction.score)
    both = sum(_testable(evidence, blots, at, known) for at in range(len(blots.places)))
    level = 1 - (1 - settings.level) / max(both, 1)
    stricter = replace(settings, level=level)
    names = _names(blots.places)
    found = [
        _tested(evidence, blots, at, names[at], known, point, stricter)
        for at in range(len(blots.places))
    ]
    return sorted(
        found,
        key=lambda one: (
            one.reliance.value is None, -(one.reliance.low or 0.0), -(one.reliance.value or 0.0),
            one.number,
        ),
    )  # fmt: skip


def _testable(evidence: Evidence, blots: Blotted, at: int, known: BoolArray) -> bool:
    units = [
        np.unique(evidence.cluster[known & (blots.has[:, at] == side)]).size for side in (0, 1)
    ]
    return min(units) >= MIN_CLUSTERS


def _tested(
    evidence: Evidence,
    blots: Blotted,
    at: int,
    said: str,
    known: BoolArray,
    point: OperatingPoint,
    settings: Settings,
) -> Tested:
    assert evidence.prediction is not None
    score = evidence.prediction.score.clip(0.0, 1.0)
    has = np.flatnonzero(known & (blots.has[:, at] == 1))
    has_not = np.flatnonzero(known & (blots.has[:, at] == 0))

    def effect(name: str, change: str, rows: IntArray, convention: str) -> Estimate:
        own, other = blots.change(at, change), blots.change(at, ELSEWHERE[change])
        return mean_difference(
            f"{name}:{said}", own[rows], other[rows], clusters_at(evidence, rows), settings,
            convention=convention,
        )  # fmt: skip

    removed = effect("removed", FILL, has, _REMOVED)
    put_in = effect("put_in", GIVEN, has_not, _PUT_IN)
    towards = (put_in.value or 0.0) - (removed.value or 0.0)
    direction = 1 if towards >= 0 else -1
    return Tested(
        number=at,
        place=blots.places[at],
        said=said,
        removed=removed,
        put_in=put_in,
        blotted=effect("blotted", MEAN, has, _BLOTTED),
        reliance=_reliance(said, removed, put_in, direction),
        direction=direction,
        taken=_turned(blots, at, FILL, has, score, point, from_present=direction > 0),
        given=_turned(blots, at, GIVEN, has_not, score, point, from_present=direction < 0),
        has=int(has.size),
        has_not=int(has_not.size),
    )  # fmt: skip


def _reliance(said: str, removed: Estimate, put_in: Estimate, direction: int) -> Estimate:
    """The smaller of both effects, in their common direction; 0 where they have none."""
    name = f"{RELIANCE}:{said}"
    n = removed.n + put_in.n
    missing = [one for one in (removed, put_in) if one.value is None]
    if missing:
        what = "taken away" if missing[0] is removed else "put into a case without it"
        reason = f"Not estimated: nothing could be {what}."
        return undefined(name, reason, n=n, convention=_BOTH)
    parts = [_turned_round(removed, -direction), _turned_round(put_in, direction)]
    value = max(min(value for value, _, _ in parts), 0.0)
    lows, highs = [low for _, low, _ in parts], [high for _, _, high in parts]
    if None in lows or None in highs:
        reason = next((one.reason for one in (removed, put_in) if one.reason), "")
        return Estimate(name, value, n=n, convention=_BOTH, reason=reason)
    # Both must be there: a value below both ends is refuted, whichever effect is the smaller.
    low = max(min(one for one in lows if one is not None), 0.0)
    high = max(min(one for one in highs if one is not None), value)
    return Estimate(
        name, value, min(low, value), high, removed.level, n, convention=_BOTH,
        method=f"intersection of two intervals; {removed.method}",
    )  # fmt: skip


def _turned_round(estimate: Estimate, direction: int) -> tuple[float, float | None, float | None]:
    assert estimate.value is not None
    if direction > 0 or estimate.low is None or estimate.high is None:
        return direction * estimate.value, estimate.low, estimate.high
    return -estimate.value, -estimate.high, -estimate.low


def _turned(
    blots: Blotted,
    at: int,
    change: str,
    rows: IntArray,
    score: FloatArray,
    point: OperatingPoint,
    *,
    from_present: bool,
) -> Turned:
    """Answers that change from present to absent, or the other way."""
    before = score[rows] >= point.threshold
    own, other = blots.change(at, change)[rows], blots.change(at, ELSEWHERE[change])[rows]
    able = (before == from_present) & np.isfinite(own) & np.isfinite(other)

    def turns(after: FloatArray) -> BoolArray:
        return np.asarray(able & ((after >= point.threshold) != from_present))

    changes = turns(own)
    order = np.argsort(-np.abs(own[changes] - score[rows[changes]]), kind="stable")
    return Turned(rows[able], rows[changes][order], int(turns(other).sum()))


def strongest(tested: Sequence[Tested]) -> list[Tested]:
    """Places where reliance is shown, without those that see the same thing as a stronger one."""
    found: list[Tested] = []
    for one in tested:
        if one.shown and not any(_same(one.place, other.place) for other in found):
            found.append(one)
    return found


def _same(one: BlottedPlace, other: BlottedPlace) -> bool:
    sides = [
        min(a + c, b + d) - max(a, b)
        for a, b, c, d in zip(one.box[:2], other.box[:2], one.box[2:], other.box[2:], strict=True)
    ]
    if min(sides) <= 0:
        return False
    smaller = min(one.box[2] * one.box[3], other.box[2] * other.box[3])
    return sides[0] * sides[1] >= _SAME * smaller


def _names(places: Sequence[BlottedPlace]) -> list[str]:
    """What each place is called; numbered where two would be called alike."""
    plain = [said_of(one) for one in places]
    seen: dict[str, int] = {}
    found = []
    for one in plain:
        seen[one] = seen.get(one, 0) + 1
        found.append(one if plain.count(one) == 1 else f"{one} ({seen[one]})")
    return found


def said_of(place: BlottedPlace) -> str:
    """A place in words, by where it lies in what the model takes.

    >>> said_of(BlottedPlace((0.0, 0.8, 0.1, 0.2), "mark", "", False, None, None))
    'mark at the upper right'
    """
    if place.kind == "region":
        return f"region “{place.name}”"
    top, left, height, width = place.box
    if place.kind == "border":
        if width > height:
            return "upper border" if top < _EDGE else "lower border"
        return "left border" if left < _EDGE else "right border"
    rows = _third(top + height / 2, ("upper", "", "lower"))
    columns = _third(left + width / 2, ("left", "", "right"))
    where = " ".join(part for part in (rows, columns) if part)
    if place.kind == "corner":
        return f"{where} corner"
    spot = {"": "in the middle", "upper": "at the top", "lower": "at the bottom"}.get(
        where, f"at the {where}"
    )
    return f"{'second ' if place.other else ''}{place.kind} {spot}"


def _third(at: float, names: tuple[str, str, str]) -> str:
    return names[sum(at > line for line in _THIRDS)]


def largest(tested: Sequence[Tested]) -> Estimate:
    """The reliance that a limit is held against: that of the place where most of it is shown."""
    known = [one for one in tested if one.reliance.value is not None]
    if not known:
        return undefined(
            RELIANCE, "Not estimated: no place is had by some cases and not by others.",
            convention=_BOTH,
        )  # fmt: skip
    return known[0].reliance.renamed(RELIANCE)
