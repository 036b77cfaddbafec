"""How far maps follow what the network learned, the class that is asked for, and small noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.estimate import Estimate, undefined
from ml.evidence.passes import (
    CASCADING,
    INDEPENDENT,
    NOISE,
    OTHER_CLASS,
    REDRAWN,
    SHIFTED,
    SMOOTHED,
    CaseMaps,
)
from ml.evidence.tables import FloatArray, IntArray
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.explanation.faithfulness import max_sensitivity
from ml.stats.explanation.localisation import entropy_complexity, rank_similarity
from ml.stats.means import case_mean
from ml.stats.proportion import proportion

ID = "explanation-sanity"
FEWEST_POSITIONS = 9  # of a map: the ranks of fewer are alike by chance too often
MOVED = 0.01  # of the size of a map: rounding moves it by less
SURVIVES, SAME = 0.5, 0.9  # likeness beyond which a map stays, is that of another class too
Stage = tuple[str, int]
_ONE_CLASS = "Not estimated: there is no map of another class, as of a network that scores one."
_SIMILAR = "Spearman's correlation of the signed map with that of the network as it is"


@dataclass(frozen=True)
class Measured:
    """What is measured of n cases that have a map.

    Attributes:
        rows: (n,) of the evidence.
        similar: (n,) likeness of the map to those of networks that know nothing, mean over draws.
        classes: (n,) likeness to the map of the other classes; NaN where there is none.
        by_stage: likeness at every stage, in the order of the pass.
        draws: how many networks that know nothing.
    """

    rows: IntArray
    similar: FloatArray
    classes: FloatArray
    whole: tuple[Estimate, ...]
    by_stage: tuple[tuple[Stage, Estimate], ...]
    draws: int

    def of(self, measure: str) -> Estimate:
        return next(one for one in self.whole if one.id == measure)


def mapped(found: CaseMaps) -> IntArray:
    """(n,) rows of the cases whose network as it is gave a map."""
    return np.flatnonzero(
        np.isfinite(found.maps[:, _place(found, (CASCADING, 0))]).all(axis=(1, 2))
    )


def measured_of(
    found: CaseMaps, rows: IntArray, clusters: Clusters, settings: Settings
) -> Measured:
    """
    Args:
        rows: (n,) cases with a map.
        clusters: of these rows.
    """
    keys = list(zip(found.keys["order"], found.keys["stage"], strict=True))
    maps = {(str(order), int(stage)): found.maps[rows, at].astype(np.float64)
            for at, (order, stage) in enumerate(keys)}  # fmt: skip
    own = maps[CASCADING, 0]
    # A network of few layers has fewer stages: the last that is there permutes all of them.
    last = max(
        at for order, at in maps if order == CASCADING and (at == 0 or _there(maps[order, at]))
    )
    unlearned = [(CASCADING, last)] if last else []
    unlearned += [key for key in maps if key[0] == REDRAWN and _there(maps[key])]
    permuted = [key for key in maps if key[0] in (CASCADING, INDEPENDENT, REDRAWN) and key[1]]
    each = {key: _likeness(own, maps[key]) for key in permuted if _there(maps[key])}
    similar = _mean([each[key] for key in unlearned], rows.size)
    unsigned = _mean([np.abs(each[key]) for key in unlearned], rows.size)
    other = maps.get((OTHER_CLASS, 1))
    classes = np.full(rows.size, np.nan) if other is None else _likeness(own, other)
    noisy = [maps[key] for key in maps if key[0] == NOISE]
    brighter = [maps[SHIFTED, 1]] if (SHIFTED, 1) in maps else []
    smooth = [maps[key] for key in maps if key[0] == SMOOTHED]
    draws = len(unlearned)

    def mean(measure: str, values: FloatArray, convention: str) -> Estimate:
        return case_mean(measure, values, clusters, settings, convention=convention)

    def survives(measure: str, values: FloatArray, line: float, what: str) -> Estimate:
        known = np.isfinite(values)
        convention = f"share of cases of which {what} more than {line:g}"
        if not known.any():
            return undefined(
                measure, "Not estimated: no case has both maps.", convention=convention
            )
        return proportion(
            measure, values[known] > line, clusters.where(np.flatnonzero(known)),
            level=settings.level, convention=convention,
        )  # fmt: skip

    whole = [
        survives("map_survives", similar, SURVIVES, "the likeness to the map of networks whose "
                 "layers are all permuted (mean over draws) is"),
        mean("map_similarity", similar, f"{_SIMILAR}, once all its layers are permuted; mean over "
             f"{draws} draws of the permutation, then over cases"),
        mean("map_similarity_unsigned", unsigned, "the same without its sign"),
        mean("complexity_rise", _mean([_rise(own, maps[key]) for key in unlearned], rows.size),
             "entropy (nats) of the shares of absolute relevance once all layers are permuted, "
             "less that of the map as it is; mean over draws, then over cases"),
        mean("map_sensitivity", _steadiness(own, noisy), f"largest of {len(noisy)} relative "
             "changes of the map (Euclidean) by normal noise, its deviation a hundredth of the "
             "range of what the network is given; mean over cases"),
        mean("shift_sensitivity", _steadiness(own, brighter), "relative change of the map "
             "(Euclidean) by a constant that is added to the picture and that the network takes "
             "off again, half of what its intensities span; mean over cases"),
    ]  # fmt: skip
    if smooth:
        alike = _mean([_likeness(smooth[0], one) for one in smooth[1:]], rows.size)
        whole.append(
            mean(
                "map_similarity_smooth",
                alike,
                "the likeness once all layers are "
                f"permuted, of maps that are means over {len(noisy)} noisy copies",
            )
        )
    if np.isfinite(classes).any():
        convention = "Spearman's correlation of the signed maps of the positive and of the other "
        whole += [
            survives("class_survives", classes, SAME, "the likeness of the maps of the positive "
                     "and of the other classes is"),
            mean("class_similarity", classes, f"{convention}classes; mean over cases"),
        ]  # fmt: skip
    else:
        whole.append(undefined("class_survives", _ONE_CLASS))
    by_stage = tuple((key, mean("map_similarity", each[key], _SIMILAR)) for key in each)
    return Measured(rows, similar, classes, tuple(whole), by_stage, draws)


def _place(found: CaseMaps, key: Stage) -> int:
    return list(zip(found.keys["order"], found.keys["stage"], strict=True)).index(key)


def _there(maps: FloatArray) -> bool:
    return bool(np.isfinite(maps).all(axis=(1, 2)).any())


def _mean(columns: Sequence[FloatArray], n: int) -> FloatArray:
    """(n,) over the draws that have a number."""
    if not columns:
        return np.full(n, np.nan)
    known = np.isfinite(columns)
    total, count = np.where(known, columns, 0).sum(axis=0), known.sum(axis=0)
    found = np.full(n, np.nan)
    np.divide(total, count, out=found, where=count > 0)
    return found


def _likeness(one: FloatArray, two: FloatArray) -> FloatArray:
    """(n,) NaN where a map is not there or does not vary."""
    return np.array([
        _number(rank_similarity(a, b)) if np.isfinite(b).all() else np.nan
        for a, b in zip(one, two, strict=True)
    ])  # fmt: skip


def _rise(one: FloatArray, two: FloatArray) -> FloatArray:
    return np.array([
        _number(entropy_complexity(b)) - _number(entropy_complexity(a))
        if np.isfinite(b).all() else np.nan
        for a, b in zip(one, two, strict=True)
    ])  # fmt: skip


def _steadiness(own: FloatArray, noisy: Sequence[FloatArray]) -> FloatArray:
    """(n,) NaN where a copy has no map, or the map is zero."""
    found = np.full(len(own), np.nan)
    for at, one in enumerate(own):
        copies = np.array([each[at].ravel() for each in noisy])
        if copies.size and np.isfinite(copies).all():
            found[at] = _number(max_sensitivity(one.ravel(), copies))
    return found


def _number(estimate: Estimate) -> float:
    return np.nan if estimate.value is None else estimate.value
