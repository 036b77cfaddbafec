"""Analyses of a reader study for the report: arms against each other, readers alone, the model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from ml.checks.reader_study import CUT, LEAST, ReaderStudy
from ml.estimate import Estimate, JsonValue, counted, rounded
from ml.protocol import Protocol
from ml.stats.arrays import BoolArray, FloatArray, ratio
from ml.stats.bootstrap import Settings
from ml.stats.discrimination.auroc import auroc
from ml.stats.mrmc.bdg import gallas_bdg
from ml.stats.mrmc.components import Components
from ml.stats.mrmc.figures import (
    Figures,
    auc_figures,
    sensitivity_figures,
    specificity_figures,
)
from ml.stats.mrmc.obuchowski_rockette import Inference, OrAnalysis, obuchowski_rockette
from ml.stats.mrmc.standalone import model_against_readers
from ml.stats.mrmc.study import MrmcStudy
from ml.stats.proportion import proportion

Figure = Literal["auroc", "sensitivity", "specificity"]
BESIDE: tuple[tuple[Inference, str], ...] = (("FRRC", "fixed-readers"), ("RRFC", "fixed-cases"))


@dataclass(frozen=True, eq=False)
class ArmsAnalysis:
    """One figure of merit over the arms of a study.

    Attributes:
        means: one per arm, readers and cases random.
        differences: of each pair of arms, with the places of the two (first minus second).
        beside: the same for readers fixed and for cases fixed; () where cells are missing.
        components: of the whole study; None where cells are missing.
        p_all: that all of three or more arms are equal; None else.
        notes: sentences of the analysis.
    """

    figure: Figure
    means: tuple[Estimate, ...]
    differences: tuple[tuple[Estimate, int, int], ...]
    beside: tuple[Estimate, ...]
    components: Components | None
    p_all: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class BesideReaders:
    """The model against the mean of the readers of one arm, on cases they all scored."""

    figure: Figure
    arm: int
    model: Estimate
    readers: Estimate
    difference: Estimate  # model minus readers, readers and cases random
    fixed_cases: Estimate
    study: MrmcStudy  # the model first
    where: BoolArray  # (cases,) of the whole study
    notes: tuple[str, ...]


def figures_of(study: ReaderStudy) -> tuple[Figure, ...]:
    """What is measured: rates of two answers, else the area under the curve of scores."""
    return ("sensitivity", "specificity") if study.scale.binary else ("auroc",)


def figures(study: MrmcStudy, figure: Figure) -> Figures:
    if figure == "auroc":
        return auc_figures(study)
    if figure == "sensitivity":
        return sensitivity_figures(study, CUT)
    return specificity_figures(study, CUT)


def analyse(
    found: ReaderStudy, figure: Figure, protocol: Protocol, settings: Settings
) -> ArmsAnalysis:
    """Obuchowski-Rockette where every reader scored every case, else Gallas' U-statistics."""
    study = found.study
    pairs = [_turned(pair, found.arms, figure, protocol) for pair in combinations_of(study)]
    if not found.crossed:
        shot = gallas_bdg(
            study, "U", "auc" if figure == "auroc" else figure, settings, threshold=CUT, null=None
        )
        means = [
            _named(estimate, f"{figure}:{arm}", found)
            for estimate, arm in zip(shot.means, names(found), strict=True)
        ]
        notes = (
            "Not every reader scored every case in every arm: U-statistics of the readings "
            "there are, readers weighted by their pairs of cases; results for fixed readers or "
            "fixed cases need all readings."
            if len(found.arms) > 1
            else "Not every reader scored every case: U-statistics of the readings there are, "
            "readers weighted by their pairs of cases.",
        )
        differences = _differences(shot.differences, pairs, found, figure)
        return ArmsAnalysis(figure, tuple(means), differences, (), None, None, notes)
    measured = figures(study, figure)
    main = obuchowski_rockette(measured, "jackknife", "RRRC", settings)
    beside: list[Estimate] = []
    for inference, suffix in BESIDE:
        other = obuchowski_rockette(measured, "jackknife", inference, settings)
        if len(found.arms) > 1:
            each = _differences(other.differences, pairs, found, figure)
            beside += [one.renamed(f"{one.id}:{suffix}") for one, _, _ in each]
        else:
            beside.append(_named(other.means[0], f"{figure}:readers:{suffix}", found))
    means = [
        _named(estimate, f"{figure}:{arm}", found, _components(main, at))
        for at, (estimate, arm) in enumerate(zip(main.means, names(found), strict=True))
    ]
    many = len(found.arms) > 2 and main.test is not None
    return ArmsAnalysis(
        figure, tuple(means), _differences(main.differences, pairs, found, figure),
        tuple(beside), main.components if len(found.arms) > 1 else _single(main),
        main.test.p if many and main.test is not None else None, main.notes,
    )  # fmt: skip


def combinations_of(study: MrmcStudy) -> list[tuple[int, int]]:
    return list(combinations(range(len(study.modalities)), 2))


def names(found: ReaderStudy) -> tuple[str, ...]:
    """The arms, or the readers where there is one arm without a name."""
    return found.arms if len(found.arms) > 1 else ("readers",)


def per_reader(found: ReaderStudy, figure: Figure, settings: Settings) -> list[list[Estimate]]:
    """Each reader's own figure in each arm: arms, then readers; undefined where none scored."""
    study = found.study
    return [
        [
            _alone(study, i, j, figure, settings, f"{figure}:{label}", found.asked)
            for j, reader in enumerate(study.readers)
            for label in [f"{reader}, {arm}" if len(found.arms) > 1 else reader]
        ]
        for i, arm in enumerate(found.arms)
    ]


def beside_readers(
    found: ReaderStudy, arm: int, scores: FloatArray, figure: Figure, settings: Settings
) -> BesideReaders | str:
    """The model as one fixed reader against the readers of an arm (1T-RRRC).

    Args:
        scores: (cases,) of the model, on the readers' own terms (two answers where they have
            two); NaN where it has none.

    Returns:
        Why they are not compared, a sentence.
    """
    study = found.study
    some = ~np.isnan(study.scores[arm]).all(axis=1)
    theirs = study.scores[arm, some]
    where = ~np.isnan(theirs).any(axis=0) & ~np.isnan(scores)
    present = study.present & where
    m, n = int(present.sum()), int(where.sum() - present.sum())
    if min(m, n) < LEAST:
        return (
            f"The model is not compared with the readers: only {counted(m, 'case')} with the "
            f"finding and {n} without were scored by it and by every reader, and {LEAST} of each "
            "are needed."
        )
    at = np.flatnonzero(where)
    cube = np.concatenate([scores[None, at], theirs[:, at]])[None]
    readers = tuple(name for name, kept in zip(study.readers, some, strict=True) if kept)
    both = MrmcStudy(
        cube, study.present[at], (study.modalities[arm],), ("model", *readers),
        tuple(study.cases[place] for place in at), study.units().where(at),
    )  # fmt: skip
    measured = figures(both, figure)
    theirs_alone = measured.part([0], list(range(1, len(readers) + 1)))
    mean = obuchowski_rockette(theirs_alone, "jackknife", "RRRC", settings).means[0]
    random = model_against_readers(measured, 0, "1T-RRRC", settings=settings)
    fixed = model_against_readers(measured, 0, "1T-RRFC", settings=settings)
    suffix = f":{found.arms[arm]}" if len(found.arms) > 1 else ""
    label = f"{figure}_difference:model-readers{suffix}"
    return BesideReaders(
        figure, arm, _alone(both, 0, 0, figure, settings, f"{figure}:model{suffix}", found.asked),
        _named(mean, f"{figure}:readers-beside-model{suffix}", found),
        _from_model(random.difference, label, found),
        _from_model(fixed.difference, f"{label}:fixed-cases", found), both, where, random.notes,
    )  # fmt: skip


def moved(found: ReaderStudy, figure: Figure, first: int, second: int) -> FloatArray:
    """(cases,) how much better each case fares in the first arm, -1..1; NaN where unread in one."""
    right = rightness(found.study, figure)
    result: FloatArray = right[first] - right[second]
    return result


def rightness(study: MrmcStudy, figure: Figure, *, each: bool = False) -> FloatArray:
    """(arms, cases) mean of readers of the share of opposite cases that a case is ranked rightly
    against, or of right answers; NaN where it does not count. ``each`` keeps the readers apart.
    """
    if figure == "auroc":
        placements = auc_figures(study).placements
        assert placements is not None
        right = placements
    else:
        called = study.scores >= CUT
        among = study.present if figure == "sensitivity" else ~study.present
        right = np.where(study.read & among, called == study.present, np.nan)
    if each:
        return right
    read = ~np.isnan(right)
    return ratio(np.nan_to_num(right).sum(axis=1), read.sum(axis=1).astype(np.float64))


def _alone(
    study: MrmcStudy, i: int, j: int, figure: Figure, settings: Settings, label: str,
    asked: str = "",
) -> Estimate:  # fmt: skip
    """One reader's own figure, these readers and other cases."""
    scores = study.scores[i, j]
    among = {
        "auroc": np.ones(scores.size, dtype=np.bool_),
        "sensitivity": study.present, "specificity": ~study.present,
    }[figure]  # fmt: skip
    at = np.flatnonzero(~np.isnan(scores) & among)
    clusters = study.units().where(at)
    if figure == "auroc":
        found = auroc(scores[at], study.present[at].astype(np.int64), clusters, settings)
    else:
        right = (scores[at] >= CUT) == study.present[at]
        found = proportion(figure, right, clusters, level=settings.level)
    said = "; ".join(text for text in (asked, found.convention) if text)
    return found.renamed(label, convention=said)


def _differences(
    estimates: Sequence[Estimate], pairs: Sequence[tuple[int, int]], found: ReaderStudy,
    figure: Figure,
) -> tuple[tuple[Estimate, int, int], ...]:  # fmt: skip
    result = []
    for estimate, (first, second) in zip(estimates, pairs, strict=True):
        label = difference_id(figure, found.arms, first, second)
        turned = estimate if first < second else negated(estimate)
        result.append((_named(turned, label, found), first, second))
    return tuple(result)


def difference_id(figure: Figure, arms: tuple[str, ...], first: int, second: int) -> str:
    return f"{figure}_difference:{arms[first]}-{arms[second]}"


def _turned(
    pair: tuple[int, int], arms: tuple[str, ...], figure: Figure, protocol: Protocol
) -> tuple[int, int]:
    """Second minus first where the protocol sets its limit on that; arms by name otherwise."""
    first, second = pair
    other = difference_id(figure, arms, second, first)
    return (second, first) if protocol.limits_of("mrmc", other) else pair


def _from_model(difference: Estimate, label: str, found: ReaderStudy) -> Estimate:
    turned = negated(difference)
    said = turned.convention.replace(
        "difference is readers minus model", "difference is model minus readers, the model fixed"
    )
    return _named(replace(turned, convention=said), label, found)


def negated(estimate: Estimate) -> Estimate:
    """The same difference seen from the other side."""

    def minus(value: float | None) -> float | None:
        return None if value is None else -value

    extra = dict(estimate.extra)
    if isinstance(extra.get("statistic"), float):
        extra["statistic"] = -float(extra["statistic"])  # type: ignore[arg-type]
    return replace(
        estimate, value=minus(estimate.value), low=minus(estimate.high), high=minus(estimate.low),
        extra=extra,
    )  # fmt: skip


def _named(
    estimate: Estimate, label: str, found: ReaderStudy, more: dict[str, JsonValue] | None = None
) -> Estimate:
    """The estimate under the report's id, with the question and its independent units said."""
    units = found.study.units()
    method = estimate.method
    if method and not units.each_alone:
        method = f"{method}, {units.words} left out in turn"
    return replace(
        estimate, id=label, convention=f"{found.asked}; {estimate.convention}", method=method,
        extra={**estimate.extra, **units.extra, **(more or {}), "unit": "fraction"},
    )  # fmt: skip


def _components(main: OrAnalysis, at: int) -> dict[str, JsonValue]:
    if not main.by_modality:
        return {}
    part = main.by_modality[at]
    return {
        "variance_reader": rounded(part.reader),
        "variance_error": rounded(part.error),
        "cov2": rounded(part.cov2),
    }


def _single(main: OrAnalysis) -> Components | None:
    return main.by_modality[0] if main.by_modality else None
