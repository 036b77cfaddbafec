"""What is measured of how maps lie on masks of the finding, and in which cases.

A mask may be nobody's, empty, or too small for what the network takes, and a map may have no
positive evidence: these are states, counted and listed, and no measure of 0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from ml.checks.faithfulness_measures import NOTHING, tried_cases
from ml.checks.scored import clusters_at
from ml.estimate import Estimate
from ml.evidence.localised import (
    AP,
    AREA,
    IOU_BEST,
    IOU_HALF,
    MARKED,
    MASS,
    MEASURES,
    POINTING,
    POSITIVE,
    RANK,
    REFERENCE,
    TIMES,
    TOLERANCE,
    Localised,
)
from ml.evidence.orders import CENTRE, EDGES, MAP, RANDOM
from ml.evidence.tables import BoolArray, Evidence, FloatArray, IntArray
from ml.stats.bootstrap import Settings
from ml.stats.means import case_mean, mean_difference
from ml.stats.proportion import proportion

ID = "explanation-plausibility"
OTHERS = (RANDOM, EDGES, CENTRE)
HIT = 0.5  # share of a map's largest values that lie in the mask, from which on it points there
GAINS = {MASS: "mass_gain", POINTING: "pointing_gain"}
BELOW = {MASS: "mass_below_readers", POINTING: "pointing_below_readers"}
CONVENTIONS = {
    POINTING: "share of the map's largest values within half a cell of the map of the mask",
    MASS: "share of the map's positive part that lies in the mask",
    RANK: "share of the K most relevant pixels in the mask, K its size; ties share",
    TIMES: "relevance mass over the mask's share of the picture; 1 is chance",
    IOU_HALF: "IoU of the mask with the map from half of its largest value on",
    IOU_BEST: "IoU at the best threshold, chosen with the mask",
    AP: "average precision of pixels; chance is the mask's share of the picture",
}
BOTH, FAITHFUL, PLAUSIBLE, NEITHER = "both", "faithful only", "plausible only", "neither"
QUADRANTS = (BOTH, FAITHFUL, PLAUSIBLE, NEITHER)

Mean = Callable[[str, FloatArray, IntArray, str], Estimate]  # of chosen rows, with a convention
Difference = Callable[[str, FloatArray, FloatArray, IntArray, str], Estimate]


@dataclass(frozen=True)
class Held:
    """Which cases can be measured, and which are in a state of their own; rows of the evidence.

    Attributes:
        masks: whose masks maps are held against: the reference's; readers' where it has none.
        found: with the finding and called so: the cases that a mask is meant for.
        missed: with the finding, and called absent.
        unlike: labelled absent, and the mask marks something.
        unknown: without label or score.
        without_evidence: the map is positive nowhere.
        empty: no mask of the case marks anything.
        vanished: what is marked is too small for the size that the network takes.
        covered: the mask covers all that the network takes.
    """

    masks: tuple[str, ...]
    found: IntArray
    missed: IntArray
    unlike: IntArray
    unknown: IntArray
    without_evidence: IntArray
    empty: IntArray
    vanished: IntArray
    covered: IntArray

    @property
    def of_reference(self) -> bool:
        return self.masks == (REFERENCE,)


def held_cases(evidence: Evidence, found: Localised, threshold: float) -> Held:
    """Every case that has a mask, in one of these.

    Args:
        threshold: from which score on a case is called present.
    """
    assert evidence.prediction is not None
    by_reference = np.isfinite(found.of(MARKED, MAP, REFERENCE)).any()
    masks = (REFERENCE,) if by_reference or not found.readers else found.readers
    columns = [
        tuple(found.of(name, MAP, mask) for name in (MARKED, AREA, POSITIVE)) for mask in masks
    ]
    marked, area, positive = (np.stack(of, axis=1) for of in zip(*columns, strict=True))
    there = np.isfinite(marked).any(axis=1)
    usable = np.asarray(((area > 0) & (area < 1)).any(axis=1))
    marks = np.asarray((marked > 0).any(axis=1))
    evident = np.asarray((positive > 0).any(axis=1))
    score = evidence.prediction.score
    present = np.full(score.size, -1) if evidence.present is None else evidence.present
    known = np.asarray((present >= 0) & np.isfinite(score))
    called = np.asarray(score >= threshold)
    ill = np.asarray(present == 1)

    def rows(chosen: BoolArray) -> IntArray:
        return np.flatnonzero(there & chosen)

    measured = usable & evident
    whole = np.asarray((area == 1).any(axis=1))
    return Held(
        masks,
        rows(measured & known & ill & called),
        rows(measured & known & ill & ~called),
        rows(marks & (present == 0)),
        rows(measured & ~known & (present != 0)),
        rows(usable & ~evident),
        rows(~marks),
        rows(marks & ~usable & ~whole),
        rows(~usable & whole),
    )


def values_of(found: Localised, name: str, shown: str, masks: Sequence[str]) -> FloatArray:
    """(n,) a measure of what is shown, mean over the masks of a case."""
    return found.mean_over(name, [(shown, mask) for mask in masks])


@dataclass(frozen=True)
class Between:
    """How well a reader's mask points at another reader's, and the map at the same masks.

    Attributes:
        rows: cases that two readers and more have marked.
        readers, shown: by measure (n,) of all cases.
    """

    rows: IntArray
    readers: Mapping[str, FloatArray]
    shown: Mapping[str, FloatArray]


def between_of(found: Localised, held: Held) -> Between | None:
    """None where no case is marked by two readers."""
    pairs = list(permutations(found.readers, 2))
    readers = {name: found.mean_over(name, pairs) for name in MEASURES}
    shown = {name: values_of(found, name, MAP, found.readers) for name in MEASURES}
    rows = held.found[np.isfinite(readers[MASS][held.found] + shown[MASS][held.found])]
    return Between(rows, readers, shown) if rows.size else None


def measured_of(
    evidence: Evidence, found: Localised, held: Held, between: Between | None, settings: Settings
) -> list[Estimate]:
    """The map's measures first; what knows nothing of the network; readers; other cases."""

    def mean(name: str, values: FloatArray, rows: IntArray, convention: str) -> Estimate:
        return case_mean(
            name, values[rows], clusters_at(evidence, rows), settings, convention=convention
        )

    def difference(
        name: str, one: FloatArray, two: FloatArray, rows: IntArray, convention: str
    ) -> Estimate:
        return mean_difference(
            name, one[rows], two[rows], clusters_at(evidence, rows), settings,
            convention=convention,
        )  # fmt: skip

    own = {name: values_of(found, name, MAP, held.masks) for name in MEASURES}
    result = [mean(name, own[name], held.found, CONVENTIONS[name]) for name in MEASURES]
    result.append(
        mean("mask_area", values_of(found, AREA, MAP, held.masks), held.found,
             "share of what the network takes that the mask marks")
    )  # fmt: skip
    for name, gain in GAINS.items():
        for other in OTHERS:
            theirs = values_of(found, name, other, held.masks)
            result += [
                mean(f"{name}:{other}", theirs, held.found, f"{CONVENTIONS[name]}; of {other}"),
                difference(
                    f"{gain}:{other}", own[name], theirs, held.found,
                    "of the map minus of the other, paired by case",
                ),
            ]  # fmt: skip
    if between is not None:
        result += _of_readers(mean, difference, between)
    if held.missed.size:
        result += [
            mean(f"{name}:missed findings", own[name], held.missed, CONVENTIONS[name])
            for name in (POINTING, MASS)
        ]
    return result


def _of_readers(mean: Mean, difference: Difference, between: Between) -> list[Estimate]:
    result = []
    for name in MEASURES:
        result += [
            mean(f"{name}:two readers", between.readers[name], between.rows,
                 f"{CONVENTIONS[name]}; a reader's mask as a map of 0 and 1 against another's, "
                 "mean over ordered pairs"),
            mean(f"{name}:against readers", between.shown[name], between.rows,
                 f"{CONVENTIONS[name]}; mean over the readers' masks"),
        ]  # fmt: skip
    for name, gap in BELOW.items():
        result.append(
            difference(gap, between.readers[name], between.shown[name], between.rows,
                       "of two readers minus of map and reader, paired by case")
        )  # fmt: skip
    return result


@dataclass(frozen=True)
class Quadrants:
    """Cases by whether their map is faithful and whether it is plausible; m of them.

    Attributes:
        rows: (m,) of the evidence, all among the cases found.
        gain: (m,) of the map over a random one, log-odds.
        faithful, plausible: (m,).
    """

    rows: IntArray
    gain: FloatArray
    faithful: BoolArray
    plausible: BoolArray

    def of(self, name: str) -> IntArray:
        """Rows of one quadrant, the most faithful first."""
        faithful, plausible = name in (BOTH, FAITHFUL), name in (BOTH, PLAUSIBLE)
        at = np.flatnonzero((self.faithful == faithful) & (self.plausible == plausible))
        return self.rows[at[np.argsort(-self.gain[at], kind="stable")]]


def quadrants_of(evidence: Evidence, found: Localised, held: Held) -> Quadrants | None:
    """None where faithfulness was not measured, or in none of the cases found."""
    tried, prediction = evidence.perturbations, evidence.prediction
    if tried is None or tried.score is None or evidence.attributions is None or prediction is None:
        return None
    faithful = tried_cases(evidence, tried, prediction)
    gain = np.full(len(evidence.case_ids), np.nan)
    gain[faithful.rows] = faithful.gain(RANDOM)
    rows = held.found[np.isfinite(gain[held.found])]
    if not rows.size:
        return None
    points = values_of(found, POINTING, MAP, held.masks)[rows]
    return Quadrants(rows, gain[rows], gain[rows] > NOTHING, points >= HIT)


def shares_of(evidence: Evidence, quadrants: Quadrants, settings: Settings) -> list[Estimate]:
    """Share of the cases in each quadrant."""
    clusters = clusters_at(evidence, quadrants.rows)
    return [
        proportion(
            f"quadrant:{name}", np.isin(quadrants.rows, quadrants.of(name)), clusters,
            level=settings.level,
            convention=f"faithful: gain over a random map above {NOTHING:g} log-odds; plausible: "
            "the map's largest value within half of its cell of the mask",
        )
        for name in QUADRANTS
    ]  # fmt: skip


def tolerance_words(found: Localised, held: Held) -> str:
    """How far from a mask still counts, in words."""
    pixels = found.of(TOLERANCE, MAP, held.masks[0])
    known = pixels[np.isfinite(pixels)]
    return f"{known[0]:g} pixels" if known.size else "half a cell"
