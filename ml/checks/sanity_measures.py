"""How far maps follow what the network learned, the class that is asked for, and small noise."""

from dataclasses import dataclass

import numpy as np

from ml.estimate import Estimate, undefined
from ml.evidence.compared_maps import NUMBERS, ComparedMaps, Stage
from ml.evidence.passes import (
    CASCADING,
    INDEPENDENT,
    NOISE,
    OTHER_CLASS,
    REDRAWN,
    RESEEDED,
    SHIFTED,
    SMOOTHED,
    CaseMaps,
)
from ml.evidence.tables import FloatArray, IntArray
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.explanation.likeness import likeness
from ml.stats.means import case_mean, mean_of_known
from ml.stats.proportion import proportion

ID = "explanation-sanity"
FEWEST_POSITIONS = 9  # of a map: the ranks of fewer are alike by chance too often
MOVED = 0.01  # of the size of a map: rounding moves it by less
SURVIVES, SAME = 0.5, 0.9  # likeness beyond which a map stays, is that of another class too
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
        return next(one for one in self.whole if one.id.partition(":")[0] == measure)


def compared_with(found: CaseMaps) -> ComparedMaps:
    """The maps that the pass kept, each held against that of the network as it is."""
    stages = zip(found.keys["order"], found.keys["stage"], strict=True)
    keys = [(str(order), int(stage)) for order, stage in stages]
    maps = found.maps.astype(np.float64)
    own = maps[:, keys.index((CASCADING, 0))]
    mapped = np.asarray(np.isfinite(own).all(axis=(1, 2)))
    smooth = maps[:, keys.index((SMOOTHED, 0))] if (SMOOTHED, 0) in keys else own
    numbers = np.full((len(maps), len(keys), len(NUMBERS)), np.nan)
    for at, (order, stage) in enumerate(keys):
        if stage == 0:
            continue
        before = smooth if order == SMOOTHED else own
        for row in np.flatnonzero(mapped):
            numbers[row, at] = likeness(before[row], maps[row, at])
    return ComparedMaps(tuple(keys), mapped, numbers)


def measured_of(
    found: ComparedMaps, clusters: Clusters, settings: Settings, method: str = ""
) -> Measured:
    """
    Args:
        found: at least one case has a map.
        clusters: of the cases that have.
        method: behind the names of measures; "" for that whose maps are kept.
    """
    rows = np.flatnonzero(found.mapped)

    def of(name: str, key: Stage) -> FloatArray:
        return found.of(name, key)[rows]

    def named(measure: str) -> str:
        return f"{measure}:{method}" if method else measure

    # A network of few layers has fewer stages: the last that is there permutes all of them.
    unlearned = [*found.stages(CASCADING)[-1:], *found.stages(REDRAWN)]
    permuted = [key for order in (CASCADING, INDEPENDENT, REDRAWN) for key in found.stages(order)]
    each = {key: of("alike", key) for key in permuted}
    similar = mean_of_known([each[key] for key in unlearned], rows.size)
    unsigned = mean_of_known([np.abs(each[key]) for key in unlearned], rows.size)
    rises = mean_of_known([of("rise", key) for key in unlearned], rows.size)
    classes = of("alike", (OTHER_CLASS, 1))
    noisy = [of("changed", key) for key in found.keys if key[0] == NOISE]
    # NaN where a copy has no map: the largest of the others may not be the largest.
    noise = np.max(noisy, axis=0) if noisy else np.full(rows.size, np.nan)
    draws = len(unlearned)

    def mean(measure: str, values: FloatArray, convention: str) -> Estimate:
        return case_mean(named(measure), values, clusters, settings, convention=convention)

    def survives(measure: str, values: FloatArray, line: float, what: str) -> Estimate:
        known = np.isfinite(values)
        convention = f"share of cases of which {what} more than {line:g}"
        if not known.any():
            return undefined(
                named(measure), "Not estimated: no case has both maps.", convention=convention
            )
        return proportion(
            named(measure), values[known] > line, clusters.where(np.flatnonzero(known)),
            level=settings.level, convention=convention,
        )  # fmt: skip

    whole = [
        survives("map_survives", similar, SURVIVES, "the likeness to the map of networks whose "
                 "layers are all permuted (mean over draws) is"),
        mean("map_similarity", similar, f"{_SIMILAR}, once all its layers are permuted; mean over "
             f"{draws} draws of the permutation, then over cases"),
        mean("map_similarity_unsigned", unsigned, "the same without its sign"),
        mean("complexity_rise", rises,
             "entropy (nats) of the shares of absolute relevance once all layers are permuted, "
             "less that of the map as it is; mean over draws, then over cases"),
        mean("map_sensitivity", noise, f"largest of {len(noisy)} relative "
             "changes of the map (Euclidean) by normal noise, its deviation a hundredth of the "
             "range of what the network is given; mean over cases"),
        mean("shift_sensitivity", of("changed", (SHIFTED, 1)), "relative change of the map "
             "(Euclidean) by a constant that is added to the picture and that the network takes "
             "off again, half of what its intensities span; mean over cases"),
    ]  # fmt: skip
    if smooth := [of("alike", key) for key in found.stages(SMOOTHED)]:
        whole.append(mean(
            "map_similarity_smooth", mean_of_known(smooth, rows.size), "the likeness once all "
            f"layers are permuted, of maps that are means over {len(noisy)} noisy copies",
        ))  # fmt: skip
    if again := [of("alike", key) for key in found.stages(RESEEDED)]:
        whole.append(mean(
            "seed_similarity", mean_of_known(again, rows.size), "Spearman's correlation with the "
            f"map of {len(again)} other draws of what the method draws; mean over cases",
        ))  # fmt: skip
    if np.isfinite(classes).any():
        convention = "Spearman's correlation of the signed maps of the positive and of the other "
        whole += [
            survives("class_survives", classes, SAME, "the likeness of the maps of the positive "
                     "and of the other classes is"),
            mean("class_similarity", classes, f"{convention}classes; mean over cases"),
        ]  # fmt: skip
    else:
        whole.append(undefined(named("class_survives"), _ONE_CLASS))
    by_stage = tuple((key, mean("map_similarity", each[key], _SIMILAR)) for key in each)
    return Measured(rows, similar, classes, tuple(whole), by_stage, draws)
