"""Covariance of the figures of all modalities and readers, by several customary methods."""

from typing import Literal

import numpy as np

from ml.stats.arrays import FloatArray, ratio
from ml.stats.bootstrap import DEFAULT, Settings, replicates
from ml.stats.clusters import Clusters
from ml.stats.discrimination.auroc import bootstrap_auroc
from ml.stats.mrmc.figures import Figures
from ml.stats.mrmc.moments import APART, auc_sums
from ml.stats.mrmc.study import MrmcStudy

Covariance = Literal["jackknife", "delong", "unbiased", "bootstrap"]


def covariance_of(
    figures: Figures, method: Covariance = "jackknife", settings: Settings = DEFAULT
) -> FloatArray:
    """Covariance matrix of the figures, (q, q), modality by modality (q = modality x reader).

    Args:
        figures: of all modalities and readers.
        method: jackknife (leave one unit out); delong, unbiased (Gallas) and bootstrap need the
            AUC, bootstrap also serves sensitivity and specificity.
        settings: draws and seed of the bootstrap.

    Returns:
        NaN in rows of figures whose covariance cannot be estimated.

    Raises:
        ValueError: for a method that does not serve the figure.

    Example:
        >>> from ml.stats.mrmc.figures import auc_figures
        >>> from ml.stats.mrmc.study import MrmcStudy
        >>> study = MrmcStudy.of(["a"] * 4, [1] * 4, [1, 2, 3, 4], [1, 3, 2, 4], [0, 0, 1, 1],
        ...                      higher_means="present")
        >>> covariance_of(auc_figures(study), "delong").round(4).tolist()
        [[0.125]]

    Source:
        Jackknife: Hillis (2014), Statistics in Medicine 33:330-360. DeLong et al. (1988).
        Unbiased: Gallas, Pennello, Myers (2007), JOSA A 24:B70-B80.
    """
    if method == "jackknife":
        return _jackknife(figures)
    study = figures.study
    if study is None or (method != "bootstrap" and figures.placements is None):
        raise ValueError(f"the {method} covariance is not defined for {figures.name}")
    if method == "bootstrap":
        return _bootstrap(figures, study, settings)
    if study.clusters is not None and not study.clusters.each_alone:
        raise ValueError(f"the {method} covariance ignores clusters: use jackknife or bootstrap")
    if method == "delong":
        return _delong(figures, study)
    if method == "unbiased":
        return _unbiased(study)
    raise ValueError(f"covariance must be jackknife, delong, unbiased or bootstrap, got {method!r}")


def _jackknife(figures: Figures) -> FloatArray:
    left = figures.left_out.reshape(figures.values.size, -1)
    units = left.shape[1]
    if units == 0:
        return np.full((left.shape[0], left.shape[0]), np.nan)
    away = left - left.mean(axis=1, keepdims=True)
    result: FloatArray = (away @ away.T) * ((units - 1) / max(units, 1))
    return result


def _delong(figures: Figures, study: MrmcStudy) -> FloatArray:
    assert figures.placements is not None
    flat = figures.placements.reshape(figures.values.size, -1)
    away = np.nan_to_num(flat - figures.values.reshape(-1, 1))
    read = (~np.isnan(flat)).astype(np.float64)
    total = np.zeros((flat.shape[0], flat.shape[0]))
    for kind in (study.present, ~study.present):
        common = read[:, kind] @ read[:, kind].T
        count = np.diag(common)
        product = away[:, kind] @ away[:, kind].T
        part = ratio(product * common, (common - 1) * np.outer(count, count))
        # Readings that share fewer than two cases have no covariance to see; a single
        # reading of fewer than two cases has no variance.
        total += np.where((common < 2) & ~np.eye(len(count), dtype=bool), 0.0, part)
    return total


def _unbiased(study: MrmcStudy) -> FloatArray:
    sums = auc_sums(study)
    numer = np.einsum("ij,jab->iab", APART, sums.numer)
    denom = np.einsum("ij,jab->iab", APART, sums.denom)
    weight = ratio(denom, sums.denom[3])
    weight[3] -= 1
    moments = ratio(numer, denom)
    # Readings without a common case have no term of that kind: nothing to add.
    terms = np.where(denom > 0, weight * np.nan_to_num(moments), 0.0)
    result: FloatArray = terms.sum(axis=0)
    # Without two different cases of each kind, independent products cannot be estimated.
    result[denom[3] <= 0] = np.nan
    return result


def _bootstrap(figures: Figures, study: MrmcStudy, settings: Settings) -> FloatArray:
    units = study.units()
    flat = study.scores.reshape(-1, len(study.cases))
    if figures.name == "auc":
        rows = [np.flatnonzero(~np.isnan(scores)) for scores in flat]
        drawn = np.full((len(rows), settings.draws), np.nan)
        for own, scores, at in zip(drawn, flat, rows, strict=True):
            if at.size:
                kept = Clusters(units.codes[at], units.count, units.kind)
                own[:] = bootstrap_auroc(scores[at], study.present[at], kept, settings)
    else:
        drawn = _bootstrap_shares(figures, study, units, settings)
    usable = np.isfinite(drawn).all(axis=0)
    if usable.sum() < 2:
        return np.full((len(drawn), len(drawn)), np.nan)
    return np.atleast_2d(np.cov(drawn[:, usable]))


def _bootstrap_shares(
    figures: Figures, study: MrmcStudy, units: Clusters, settings: Settings
) -> FloatArray:
    assert figures.threshold is not None
    flat = study.scores.reshape(-1, len(study.cases))
    if figures.name == "sensitivity":
        right, among = flat >= figures.threshold, study.present
    else:
        right, among = flat < figures.threshold, ~study.present
    read = (~np.isnan(flat) & among).astype(np.float64)
    won, count = units.sums((right * read).T), units.sums(read.T)
    return replicates(lambda drawn: ratio(drawn @ won, drawn @ count), units.count, settings).T
