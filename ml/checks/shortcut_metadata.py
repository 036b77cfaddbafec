"""Whether the label, and the model's answer, can be told from what is written beside an image."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml.checks.handcrafted_columns import Column, facts_columns
from ml.checks.scored import OperatingPoint, Scored
from ml.estimate import Estimate, undefined
from ml.evidence.facts import ORIGINS
from ml.evidence.tables import Evidence, FloatArray, IntArray
from ml.stats.arrays import BoolArray
from ml.stats.bootstrap import Settings
from ml.stats.clusters import MIN_CLUSTERS, Clusters
from ml.stats.comparison.p_adjust import p_adjust
from ml.stats.discrimination.auroc import auroc
from ml.stats.discrimination.ridge_logistic import FOLDS, PENALTY, cross_fitted_logistic
from ml.stats.subgroups.conditional import Dependence, dependence_within

DEPENDENCE = "dependence"
LABEL, ANSWER = "auroc:label by metadata", "auroc:answer by metadata"
_MOST_LEVELS = 20  # of a covariate in words, the most frequent first
_CONVENTION = (
    "difference of the mean P(finding) between cases with and without it, of the same label; "
    "with intervals for all of them at once"
)


@dataclass(frozen=True)
class Told:
    """One fact that some cases have and others have not.

    Attributes:
        name: as a page says it: "site B", "width above 240".
        judged: it says where or how an image was made; else it may be part of a patient.
        mark: (m,) the cases that have it.
    """

    name: str
    judged: bool
    mark: BoolArray


@dataclass(frozen=True)
class Depends:
    """How far answers hang on one fact, given the label.

    Attributes:
        estimate: folded to 0 and above.
        signed: the difference itself.
        p: adjusted for the number of facts, by Holm's method; None where it is not defined.
    """

    told: Told
    estimate: Estimate
    signed: Estimate
    p: float | None

    @property
    def shown(self) -> bool:
        return self.estimate.low is not None and self.estimate.low > 0


@dataclass(frozen=True)
class Metadata:
    """What metadata tell; ``columns`` are the names of what was looked at."""

    columns: tuple[str, ...]
    label: Estimate
    answer: Estimate
    depends: tuple[Depends, ...]  # the strongest first


def metadata_of(
    evidence: Evidence, scored: Scored, point: OperatingPoint, settings: Settings, seed: int
) -> Metadata | None:
    """What covariates and files of the labelled cases tell; None where nothing of them varies."""
    own = _covariates(evidence, scored.rows)
    judged = [(one, column.lower() in ORIGINS) for column, one in own]
    judged += [(one, True) for one in facts_columns(evidence, scored.rows)]
    if not judged:
        return None
    columns = [one for one, _ in judged]
    values = np.column_stack([one.values for one in columns])
    present = scored.present == 1
    called = scored.scores >= point.threshold
    return Metadata(
        tuple(dict.fromkeys(one.name for one in columns)),
        _fitted(LABEL, values, present, scored.clusters, settings, seed),
        _fitted(ANSWER, values, called, scored.clusters, settings, seed),
        tuple(_depends(judged, scored, settings)),
    )


def _covariates(evidence: Evidence, rows: IntArray) -> list[tuple[str, Column]]:
    """Covariates with their columns: numbers as they are, words as 0 and 1 for each value."""
    found: list[tuple[str, Column]] = []
    for name, every in evidence.covariates.items():
        texts = [every[row] for row in rows]
        numbers = _numbers(texts)
        if numbers is not None:
            found.append((name, Column(name, "files", numbers)))
            continue
        given = np.array([text or "" for text in texts])
        known, counts = np.unique(given[given != ""], return_counts=True)
        named = known[np.argsort(-counts, kind="stable")][:_MOST_LEVELS]
        if known.size == 2 and (given != "").all():
            named = known[1:]  # the other is its opposite
        found += [
            (name, Column(f"{name} {level}", "files", (given == level).astype(np.float64)))
            for level in named.tolist()
        ]
    return [pair for pair in found if np.unique(pair[1].values[~np.isnan(pair[1].values)]).size > 1]


def _numbers(texts: Sequence[str | None]) -> FloatArray | None:
    """(n,) a column of numbers, NaN where there is none; None where it holds words."""
    try:
        found = np.array([np.nan if not text else float(text) for text in texts])
    except ValueError:
        return None
    return found if np.isfinite(found).any() and not np.isinf(found).any() else None


def _fitted(
    name: str,
    values: FloatArray,
    outcome: BoolArray,
    clusters: Clusters,
    settings: Settings,
    seed: int,
) -> Estimate:
    sides = [np.unique(clusters.codes[outcome == side]).size for side in (True, False)]
    if min(sides) < MIN_CLUSTERS:
        return undefined(
            name, f"Not estimated: fitting takes {MIN_CLUSTERS} {clusters.kind}s of each kind.",
            n=outcome.size,
        )  # fmt: skip
    odds = cross_fitted_logistic(values, outcome, clusters, seed=seed).log_odds
    found = auroc(odds, outcome.astype(np.int64), clusters, settings)
    return found.renamed(
        name,
        convention=f"{found.convention}; logistic regression, ridge {PENALTY:g} on standardised "
        f"numbers, cross-fitted in {FOLDS} folds of whole {clusters.kind}s",
    )


def _depends(
    columns: Sequence[tuple[Column, bool]], scored: Scored, settings: Settings
) -> list[Depends]:
    marks = [_told(column, judged) for column, judged in columns]
    fitting = [one for one in marks if _enough(one, scored.clusters)]
    stricter = replace(settings, level=1 - (1 - settings.level) / max(len(fitting), 1))
    found = [
        dependence_within(
            f"{DEPENDENCE}:{one.name}", scored.scores, one.mark, scored.present, scored.clusters,
            stricter,
        )
        for one in fitting
    ]  # fmt: skip
    known = [one.p for one in found if one.p is not None]
    adjusted = iter(p_adjust(np.array(known)).tolist())
    depends = [
        Depends(told, _folded(one), one.difference, None if one.p is None else next(adjusted))
        for told, one in zip(fitting, found, strict=True)
    ]
    return sorted(
        depends, key=lambda one: (-(one.estimate.low or 0.0), -(one.estimate.value or 0.0))
    )


def _told(column: Column, judged: bool) -> Told:
    """A column as what some cases have; of numbers, those above the median."""
    known = ~np.isnan(column.values)
    levels = np.unique(column.values[known])
    if set(levels.tolist()) <= {0.0, 1.0}:
        return Told(column.name, judged, column.values == 1)
    middle = float(np.median(column.values[known]))
    above = np.nan_to_num(column.values, nan=-np.inf) > middle
    return Told(f"{column.name} above {middle:g}", judged, np.asarray(above))


def _enough(told: Told, clusters: Clusters) -> bool:
    sides = [np.unique(clusters.codes[told.mark == side]).size for side in (True, False)]
    return min(sides) >= MIN_CLUSTERS


def _folded(found: Dependence) -> Estimate:
    """Its size, whatever its sign; from 0 where the sign is not shown."""
    signed = found.difference
    if signed.value is None:
        return signed
    value = abs(signed.value)
    if signed.low is None or signed.high is None:
        return replace(signed, value=value, convention=_CONVENTION)
    apart = signed.low > 0 or signed.high < 0
    ends = sorted((abs(signed.low), abs(signed.high)))
    return replace(
        signed, value=value, low=ends[0] if apart else 0.0, high=ends[1], convention=_CONVENTION
    )
