"""What is measured of answers while parts of pictures go away, in the order of a map and of others.

A map that says what the network used keeps the score longest where its least important parts go
first, and loses it soonest where its most important do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ml.checks.scored import clusters_at
from ml.estimate import Estimate
from ml.evidence.methods import TITLES
from ml.evidence.orders import (
    CENTRE,
    EDGES,
    LERF,
    MAP,
    MORF,
    RANDOM,
    order_named,
    ranking_of,
    size_of_subset,
    subset_named,
)
from ml.evidence.passes import CaseOutputs
from ml.evidence.tables import Evidence, FloatArray, IntArray, Prediction
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.explanation import faithfulness as faith
from ml.stats.means import case_mean
from ml.stats.rank_correlation import rank_correlation

ID = "explanation-faithfulness"
OTHERS = (RANDOM, EDGES, CENTRE)
UNIT = "log-odds"
NOTHING = 0.1  # log-odds: 2.5 points of a probability of one half
MOST_SURE = 1e-7  # log-odds are taken of probabilities this far from 0 and 1: float32 tells no more
SUM, LOW, HIGH = "map_sum", "map_low", "map_high"


@dataclass(frozen=True)
class Tried:
    """Cases with a map that ranks something, and with all answers; m of them.

    Attributes:
        ranking: MAP, or the name of a further method, whose maps are tried.
        rows: (m,) of the evidence.
        gaps: by ranking and baseline (m,) area of LeRF minus area of MoRF, in log-odds.
        lost: by ranking (m,) mean fall of the log-odds while the most important parts are gone,
            mean over baselines (comprehensiveness).
        short: the same while the most important parts alone are left (sufficiency).
        told: by ranking and size of subset, in percent, (m,) correlation of what the map says of
            random subsets with what the log-odds lose by them; NaN where either has no spread.
        without_map: rows of cases whose map is the same everywhere.
        without_evidence: rows of cases whose map is positive nowhere; they are among ``rows``.
        cut: of the cases, that reach a probability beyond which log-odds are cut.
    """

    ranking: str
    rows: IntArray
    gaps: Mapping[tuple[str, str], FloatArray]
    lost: Mapping[str, FloatArray]
    short: Mapping[str, FloatArray]
    told: Mapping[tuple[str, int], FloatArray]
    without_map: IntArray
    without_evidence: IntArray
    incomplete: IntArray
    cut: int
    drawn_from: int
    clusters: Clusters

    @property
    def baselines(self) -> list[str]:
        return list(dict.fromkeys(baseline for _, baseline in self.gaps))

    def gap(self, ranking: str) -> FloatArray:
        """(m,) mean over baselines."""
        return np.asarray(np.mean([self.gaps[ranking, one] for one in self.baselines], axis=0))

    def gain(self, other: str) -> FloatArray:
        """(m,) how far the gap of the map is above that of an order that knows nothing."""
        return self.gap(self.ranking) - self.gap(other)

    def correlation(self, ranking: str) -> FloatArray:
        """(m,) mean over sizes of subsets; NaN where one of them is."""
        return np.asarray(np.mean([self.told[ranking, one] for one in self.sizes], axis=0))

    @property
    def sizes(self) -> list[int]:
        return list(dict.fromkeys(size for _, size in self.told))


def further_methods(found: CaseOutputs) -> list[str]:
    """Methods whose maps are tried beside that of the pass, in their order."""
    rankings = dict.fromkeys(ranking_of(str(one)) for one in found.keys["order"])
    return [one for one in rankings if one in TITLES]


def tried_cases(
    evidence: Evidence, found: CaseOutputs, prediction: Prediction, ranking: str = MAP
) -> Tried:
    """The cases whose curves can be compared, by the maps of one method."""
    assert found.score is not None
    scored = np.isfinite(prediction.score)
    ran = np.flatnonzero(scored if found.ran is None else scored & found.ran)
    low, high = _range_of_maps(evidence, found, ranking, ran)
    flat = low == high
    rankings = (ranking, *OTHERS)
    columns = np.array([ranking_of(str(one)) in rankings for one in found.keys["order"]])
    answered = np.isfinite(found.score[ran][:, columns]).all(axis=1)
    known = answered & np.isfinite(low) & np.isfinite(high)
    rows = ran[known & ~flat]
    scores = found.score[rows]
    kept = scores.clip(MOST_SURE, 1 - MOST_SURE)
    logits = np.log(kept) - np.log1p(-kept)
    curves = {
        (one, str(baseline), order): logits[
            :, _curve(found, str(baseline), order_named(one, order))
        ]
        for one in rankings
        for baseline in dict.fromkeys(found.keys["baseline"])
        for order in (LERF, MORF)
    }
    baselines = dict.fromkeys(baseline for _, baseline, _ in curves)
    return Tried(
        ranking=ranking,
        rows=rows,
        gaps={
            (one, baseline): _of_cases(
                faith.order_gap, curves[one, baseline, LERF], curves[one, baseline, MORF]
            )
            for one in rankings
            for baseline in baselines
        },
        lost={one: _falls(curves, one, MORF, faith.comprehensiveness) for one in rankings},
        short={one: _falls(curves, one, LERF, faith.sufficiency) for one in rankings},
        told=_told(found, rows, logits, rankings),
        without_map=ran[flat],
        without_evidence=ran[known & ~flat & (high <= 0)],
        incomplete=ran[~known & ~flat],
        cut=int((kept != scores)[:, columns].any(axis=1).sum()),
        drawn_from=int(scored.sum()),
        clusters=clusters_at(evidence, rows),
    )


def _range_of_maps(
    evidence: Evidence, found: CaseOutputs, ranking: str, ran: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Of the maps of some cases the least and the largest number; NaN where there is no map."""
    if found.of_map:
        at = next(n for n, one in enumerate(found.keys["order"]) if ranking_of(str(one)) == ranking)
        return found.of_map[LOW][ran, at], found.of_map[HIGH][ran, at]
    assert evidence.attributions is not None
    maps = evidence.attributions.maps[ran, 0].astype(np.float64)  # of the network as it is
    return maps.min(axis=(1, 2)), maps.max(axis=(1, 2))


def _of_cases(measure: Callable[..., Estimate], *curves: FloatArray) -> FloatArray:
    """(m,) a measure of each case's curves; NaN where it is undefined."""
    found = [measure(*rows).value for rows in zip(*curves, strict=True)]
    return np.array([np.nan if one is None else one for one in found], dtype=np.float64)


def _falls(
    curves: Mapping[tuple[str, str, str], FloatArray],
    ranking: str,
    order: str,
    measure: Callable[..., Estimate],
) -> FloatArray:
    """(m,) how far the log-odds are below the whole picture's over the steps between both ends."""
    chosen = [rows for (one, _, way), rows in curves.items() if (one, way) == (ranking, order)]
    return np.asarray(
        np.mean([_of_cases(measure, rows[:, 0], rows[:, 1:-1]) for rows in chosen], 0)
    )


def _told(
    found: CaseOutputs, rows: IntArray, logits: FloatArray, rankings: Sequence[str]
) -> dict[tuple[str, int], FloatArray]:
    """By ranking and size of subset (m,) correlations over the draws of each case."""
    sizes = [size_of_subset(str(one)) for one in found.keys["order"]]
    whole = logits[:, int(found.version(step=0)[0])]
    told = {}
    for ranking in rankings:
        for size in dict.fromkeys(one for one in sizes if one is not None):
            places = found.version(order=order_named(ranking, subset_named(size)))
            drops = whole[:, None] - logits[:, places]
            sums = found.of_map[SUM][np.ix_(rows, places)]
            told[ranking, size] = _of_cases(faith.faithfulness, sums, drops)
    return told


def _curve(found: CaseOutputs, baseline: str, order: str) -> IntArray:
    """Places along the versions of one curve, from the whole picture on."""
    places = found.version(baseline=baseline, order=order)
    return places[np.argsort([found.keys["step"][at] for at in places], kind="stable")]


def measured_of(
    evidence: Evidence, tried: Tried, wrong: IntArray, settings: Settings
) -> list[Estimate]:
    """Gains over the other orders first, then gaps, agreement of the baselines, and groups.

    Args:
        wrong: (m,) 1 answered wrongly, 0 rightly, -1 not known.
    """
    of = _Estimated(tried, settings)
    every = np.arange(tried.rows.size)
    own = tried.ranking
    # Of a further method the orders that know nothing have the same gaps; they are stated once.
    stated = (own, *OTHERS) if own == MAP else (own,)
    found = [of.gain(other, tried.gain(other), every) for other in OTHERS]
    found += [of.mean(f"order_gap:{one}", tried.gap(one), every, _GAP) for one in stated]
    for baseline in tried.baselines:
        gain = tried.gaps[own, baseline] - tried.gaps[RANDOM, baseline]
        found.append(of.gain(f"{RANDOM}, {baseline}", gain, every))
    for one, other in combinations(tried.baselines, 2):
        agreed = rank_correlation(
            tried.gaps[own, one], tried.gaps[own, other], tried.clusters, settings
        )
        name = of.named(f"baseline_agreement:{one} and {other}")
        found.append(agreed.renamed(name, convention=_AGREED))
    for name, chosen in _groups(evidence, tried, wrong).items():
        found.append(of.gain(f"{RANDOM}, {name}", tried.gain(RANDOM), chosen))
    return [*found, *_beside_the_gap(of, stated, every)]


def _beside_the_gap(of: "_Estimated", stated: Sequence[str], every: IntArray) -> list[Estimate]:
    """Comprehensiveness, sufficiency and faithfulness correlations, and how far from chance."""
    tried = of.tried
    own = tried.ranking
    found = [of.mean(f"comprehensiveness:{one}", tried.lost[one], every, _LOST) for one in stated]
    found += [of.mean(f"sufficiency:{one}", tried.short[one], every, _SHORT) for one in stated]
    beside = {
        "comprehensiveness_gain": tried.lost[own] - tried.lost[RANDOM],
        "sufficiency_gain": tried.short[RANDOM] - tried.short[own],
    }
    found += [
        of.mean(f"{name}:{RANDOM}", values, every, _BETTER) for name, values in beside.items()
    ]
    if not tried.told:
        return found
    for size in tried.sizes:
        name = f"faithfulness_correlation:subsets of {size} %"
        found.append(of.mean(name, tried.told[own, size], every, _TOLD, unit=""))
    mean, chance = tried.correlation(own), tried.correlation(RANDOM)
    found.append(of.mean("faithfulness_correlation", mean, every, _TOLD, unit=""))
    gain = mean - chance
    found.append(of.mean(f"correlation_gain:{RANDOM}", gain, every, _TOLD_MORE, unit=""))
    return found


_AGREED = "Spearman's correlation over cases of the map's gap by one baseline and by the other"
_GAP = "LeRF area minus MoRF area of the log-odds of the finding over the share taken away"
_GAIN = f"{_GAP}, of the map minus of the other order, paired"
_LOST = "mean fall of the log-odds while the first of the order are gone, over the steps between"
_SHORT = "mean fall of the log-odds while the first of the order alone are left; lower is better"
_BETTER = "by how much the map's is better than a random map's, paired; above 0 is better"
_TOLD = "Pearson's correlation over random subsets of one size, of sums of the map with falls"
_TOLD_MORE = f"{_TOLD}; mean over sizes, of the map minus of a random map, paired"


@dataclass(frozen=True)
class _Estimated:
    """Means over the cases of one method, by names that say which."""

    tried: Tried
    settings: Settings

    def named(self, name: str) -> str:
        own = self.tried.ranking
        return name if own == MAP or name.endswith(f":{own}") else by_method(name, own)

    def gain(self, against: str, values: FloatArray, chosen: IntArray) -> Estimate:
        return self.mean(f"gain:{against}", values, chosen, _GAIN)

    def mean(
        self,
        name: str,
        values: FloatArray,
        chosen: IntArray,
        convention: str,
        *,
        unit: str = UNIT,
    ) -> Estimate:
        found = case_mean(
            self.named(name), values[chosen], self.tried.clusters.where(chosen), self.settings,
            convention=convention,
        )  # fmt: skip
        return found.in_unit(unit) if unit else found


def by_method(name: str, method: str) -> str:
    """How a measure of a further method is called.

    Example:
        >>> by_method("gain:random", "gradient"), by_method("faithfulness_correlation", "gradient")
        ('gain:random, gradient', 'faithfulness_correlation:gradient')
    """
    return f"{name}, {method}" if ":" in name else f"{name}:{method}"


def _groups(evidence: Evidence, tried: Tried, wrong: IntArray) -> dict[str, IntArray]:
    groups = {"answered rightly": wrong == 0, "answered wrongly": wrong == 1}
    if evidence.present is not None:
        present = evidence.present[tried.rows]
        groups |= {"finding present": present == 1, "finding absent": present == 0}
    return {name: np.flatnonzero(of) for name, of in groups.items() if of.any()}


def by_rule(tried: Tried) -> dict[str, Sequence[int]]:
    """Rows of the five cases whose map does worst against chance, and of those where it does best.

    Ties are broken by the order of the cohort.
    """
    order = np.argsort(tried.gain(RANDOM), kind="stable")
    return {"worst": tried.rows[order[:5]].tolist(), "best": tried.rows[order[::-1][:5]].tolist()}
