"""What is measured of answers while parts of pictures go away, in the order of a map and of others.

A map that says what the network used keeps the score longest where its least important parts go
first, and loses it soonest where its most important do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ml.checks.scored import clusters_at
from ml.estimate import Estimate
from ml.evidence.orders import CENTRE, EDGES, LERF, MAP, MORF, RANDOM, order_named
from ml.evidence.passes import CaseOutputs
from ml.evidence.tables import Evidence, FloatArray, IntArray, Prediction
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.explanation.faithfulness import order_gap
from ml.stats.means import case_mean
from ml.stats.rank_correlation import rank_correlation

ID = "explanation-faithfulness"
OTHERS = (RANDOM, EDGES, CENTRE)
UNIT = "log-odds"
NOTHING = 0.1  # log-odds: 2.5 points of a probability of one half
_MOST = 1e-7  # log-odds are taken of probabilities this far from 0 and 1: float32 tells no more


@dataclass(frozen=True)
class Tried:
    """Cases with a map that ranks something, and with all answers; m of them.

    Attributes:
        rows: (m,) of the evidence.
        gaps: by ranking and baseline (m,) area of LeRF minus area of MoRF, in log-odds.
        without_map: rows of cases whose map is the same everywhere.
        without_evidence: rows of cases whose map is positive nowhere; they are among ``rows``.
        cut: of the cases, that reach a probability beyond which log-odds are cut.
    """

    rows: IntArray
    gaps: Mapping[tuple[str, str], FloatArray]
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
        return self.gap(MAP) - self.gap(other)


def tried_cases(evidence: Evidence, found: CaseOutputs, prediction: Prediction) -> Tried:
    """The cases whose curves can be compared; maps are those of the attribute pass."""
    assert found.score is not None
    assert evidence.attributions is not None
    scored = np.isfinite(prediction.score)
    ran = np.flatnonzero(scored if found.ran is None else scored & found.ran)
    maps = evidence.attributions.maps[:, 0]  # (n, rows, columns) of the network as it is
    flat = np.ptp(maps[ran], axis=(1, 2)) == 0
    known = np.isfinite(found.score[ran]).all(axis=1) & np.isfinite(maps[ran]).all(axis=(1, 2))
    rows = ran[known & ~flat]
    scores = found.score[rows]
    kept = scores.clip(_MOST, 1 - _MOST)
    logits = np.log(kept) - np.log1p(-kept)
    baselines = list(dict.fromkeys(str(one) for one in found.keys["baseline"]))
    gaps = {
        (ranking, baseline): _gaps(found, logits, ranking, baseline)
        for ranking in (MAP, *OTHERS)
        for baseline in baselines
    }
    return Tried(
        rows=rows,
        gaps=gaps,
        without_map=ran[flat],
        without_evidence=rows[maps[rows].max(axis=(1, 2), initial=-np.inf) <= 0],
        incomplete=ran[~known & ~flat],
        cut=int((kept != scores).any(axis=1).sum()),
        drawn_from=int(scored.sum()),
        clusters=clusters_at(evidence, rows),
    )


def _gaps(found: CaseOutputs, logits: FloatArray, ranking: str, baseline: str) -> FloatArray:
    """(m,) LeRF area minus MoRF area of each case."""
    least, most = (
        logits[:, _curve(found, baseline, order_named(ranking, order))] for order in (LERF, MORF)
    )
    gaps = [order_gap(one, other).value for one, other in zip(least, most, strict=True)]
    return np.array(gaps, dtype=np.float64)


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
    every = np.arange(tried.rows.size)
    found = [_mean(f"gain:{other}", tried, tried.gain(other), every, settings) for other in OTHERS]
    found += [
        _mean(f"order_gap:{ranking}", tried, tried.gap(ranking), every, settings)
        for ranking in (MAP, *OTHERS)
    ]
    for baseline in tried.baselines:
        gain = tried.gaps[MAP, baseline] - tried.gaps[RANDOM, baseline]
        found.append(_mean(f"gain:random, {baseline}", tried, gain, every, settings))
    if len(tried.baselines) == 2:
        one, other = (tried.gaps[MAP, baseline] for baseline in tried.baselines)
        agreed = rank_correlation(one, other, tried.clusters, settings)
        found.append(agreed.renamed("baseline_agreement", convention=_AGREED))
    for name, chosen in _groups(evidence, tried, wrong).items():
        found.append(_mean(f"gain:random, {name}", tried, tried.gain(RANDOM), chosen, settings))
    return found


_AGREED = "Spearman's correlation over cases of the map's gap by one baseline and by the other"


def _groups(evidence: Evidence, tried: Tried, wrong: IntArray) -> dict[str, IntArray]:
    groups = {"answered rightly": wrong == 0, "answered wrongly": wrong == 1}
    if evidence.present is not None:
        present = evidence.present[tried.rows]
        groups |= {"finding present": present == 1, "finding absent": present == 0}
    return {name: np.flatnonzero(of) for name, of in groups.items() if of.any()}


def _mean(
    name: str, tried: Tried, values: FloatArray, chosen: IntArray, settings: Settings
) -> Estimate:
    convention = (
        "LeRF area minus MoRF area of the log-odds of the finding over the share taken away"
        + (", of the map minus of the other order, paired" if name.startswith("gain") else "")
    )
    clusters = tried.clusters.where(chosen)
    return case_mean(
        name, values[chosen], clusters, settings, convention=convention
    ).in_unit(UNIT)  # fmt: skip


def by_rule(tried: Tried) -> dict[str, Sequence[int]]:
    """Rows of the five cases whose map does worst against chance, and of those where it does best.

    Ties are broken by the order of the cohort.
    """
    order = np.argsort(tried.gain(RANDOM), kind="stable")
    return {"worst": tried.rows[order[:5]].tolist(), "best": tried.rows[order[::-1][:5]].tolist()}
