"""Whether the label can be told from how the files are written, whatever they show."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.checks import words
from ml.checks.handcrafted_columns import Column, facts_columns
from ml.checks.scored import clusters_at
from ml.estimate import Estimate, undefined
from ml.evidence.tables import Evidence, FloatArray, IntArray
from ml.stats.arrays import BoolArray
from ml.stats.bootstrap import Settings
from ml.stats.clusters import MIN_CLUSTERS, Clusters
from ml.stats.discrimination.auroc import auroc
from ml.stats.discrimination.neighbours import NEIGHBOURS, cross_fitted_neighbours
from ml.stats.discrimination.ridge_logistic import FOLDS, PENALTY, cross_fitted_logistic
from ml.stats.ood.near_duplicates import codes_of, joined_groups

FILES, APART, LINE = "auroc:files", "auroc:files of other dimensions", "auroc:files by a regression"
_SIZE, _PER_PIXEL = "file size", "bytes per pixel"


@dataclass(frozen=True)
class Files:
    """What the files of labelled cases tell of the label."""

    columns: tuple[Column, ...]
    estimates: tuple[Estimate, ...]
    alone: tuple[tuple[Column, Estimate], ...]  # single numbers, those that tell most first


def files_of(evidence: Evidence, settings: Settings, seed: int) -> Files:
    """The AUROC of the label by file properties alone, with folds of whole units, and with folds
    of whole units and dimensions.

    Where the second is lower, part of the first is that files of one size were all of one label.
    """
    if evidence.present is None or not evidence.facts:
        lacking = "reference labels" if evidence.present is None else "images"
        return _none(f"The cohort has no {lacking}.", 0)
    rows = np.flatnonzero((evidence.present >= 0) & np.array(_has_image(evidence)))
    present = evidence.present[rows] == 1
    columns = [*facts_columns(evidence, rows), *_sizes(evidence, rows)]
    units = clusters_at(evidence, rows)
    few = _too_few(units, present)
    if few or not columns:
        return _none(few or "The files of all cases are written alike.", rows.size)
    values = np.column_stack([one.values for one in columns])
    found = _neighbours(FILES, values, present, units, units, settings, seed)
    sized = _with_dimensions(evidence, rows, units)
    few = _too_few(sized, present)
    apart = (
        _unknown(APART, few, rows.size) if few
        else _neighbours(APART, values, present, units, sized, settings, seed)
    )  # fmt: skip
    odds = cross_fitted_logistic(values, present, units, seed=seed).log_odds
    line = auroc(odds, present.astype(np.int64), units, settings)
    line = line.renamed(
        LINE,
        convention=f"{line.convention}; logistic regression, ridge {PENALTY:g} on standardised "
        f"numbers, cross-fitted in {FOLDS} folds of whole {units.kind}s",
    )
    return Files(tuple(columns), (found, apart, line), _alone(columns, present, units, settings))


def _none(reason: str, n: int) -> Files:
    return Files((), tuple(_unknown(name, reason, n) for name in (FILES, APART, LINE)), ())


def _unknown(name: str, reason: str, n: int) -> Estimate:
    return undefined(name, f"Not estimated: {reason[0].lower()}{reason[1:]}", n=n)


def _neighbours(
    name: str,
    values: FloatArray,
    present: BoolArray,
    units: Clusters,
    kept_together: Clusters,
    settings: Settings,
    seed: int,
) -> Estimate:
    score = cross_fitted_neighbours(values, present, kept_together, seed=seed)
    found = auroc(score, present.astype(np.int64), units, settings)
    what = f"whole {units.kind}s"
    if name == APART:
        what += " and of whole dimensions: no image is judged by others of its width and height"
    return found.renamed(
        name,
        convention=f"{found.convention}; share with the finding among the {NEIGHBOURS} nearest by "
        f"ranks of file properties, cross-fitted in {FOLDS} folds of {what}",
    )


def _has_image(evidence: Evidence) -> Sequence[bool]:
    if evidence.images:
        return [bool(one) for one in evidence.images]
    return [True] * len(evidence.case_ids)


def _sizes(evidence: Evidence, rows: IntArray) -> list[Column]:
    """The size in bytes, and beside the pixels, of images that were measured."""
    size = sizes_in_bytes(evidence)
    if size is None or evidence.described is None:
        return []
    described = evidence.described
    found = [
        Column(_SIZE, "files", size[rows]),
        Column(_PER_PIXEL, "files", described.numbers[rows, described.names.index(_PER_PIXEL)]),
    ]
    return [one for one in found if np.unique(one.values[~np.isnan(one.values)]).size > 1]


def sizes_in_bytes(evidence: Evidence) -> FloatArray | None:
    """(n,) of the file of a picture, from what was measured; None where nothing was."""
    described, facts = evidence.described, evidence.facts
    if described is None or not {"width", "height"} <= set(facts):
        return None
    width, height = (
        np.array([np.nan if one is None else float(one) for one in facts[name]])
        for name in ("width", "height")
    )
    found: FloatArray = described.numbers[:, described.names.index(_PER_PIXEL)] * width * height
    return found


def _with_dimensions(evidence: Evidence, rows: IntArray, units: Clusters) -> Clusters:
    """Units that share a width and height are one, so that no fold knows a size of another."""
    sizes = codes_of([
        "x".join(str(evidence.facts[name][row]) for name in ("width", "height")
                 if name in evidence.facts)
        for row in rows
    ])  # fmt: skip
    return Clusters.of(joined_groups(units.codes, sizes), "group")


def _too_few(units: Clusters, present: BoolArray) -> str:
    """Why nothing can be fitted; "" where it can."""
    with_it, without = (np.unique(units.codes[present == side]).size for side in (True, False))
    # A unit with both counts as one with the finding when folds are dealt.
    without = min(without, units.count - with_it)
    if min(with_it, without) >= MIN_CLUSTERS and present.size > 2 * NEIGHBOURS:
        return ""
    return (
        f"Fitting takes at least {MIN_CLUSTERS} {units.kind}s with the finding and as many "
        f"without; there are {words.count(with_it)} and {words.count(without)}."
    )


def _alone(
    columns: Sequence[Column], present: BoolArray, units: Clusters, settings: Settings
) -> tuple[tuple[Column, Estimate], ...]:
    """Single numbers without any fit, those that tell most first, either way round."""
    found = []
    for column in columns:
        values = np.where(
            np.isnan(column.values), np.nanmedian(column.values), column.values
        )  # fmt: skip
        one = auroc(values, present.astype(np.int64), units, settings)
        found.append((column, one.renamed(f"auroc:{column.name}")))
    return tuple(sorted(found, key=lambda pair: -abs((pair[1].value or 0.5) - 0.5))[:8])
