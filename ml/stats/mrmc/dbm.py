"""Dorfman-Berbaum-Metz analysis: an analysis of variance of jackknife pseudovalues."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ml.estimate import Estimate
from ml.stats.arrays import FloatArray
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.mrmc.figures import Figures, auc_figures
from ml.stats.mrmc.obuchowski_rockette import POPULATION, Inference
from ml.stats.mrmc.study import MrmcStudy
from ml.stats.mrmc.wald import Test, f_test, wald


@dataclass(frozen=True, eq=False)
class DbmAnalysis:
    """Mean squares by effect (T modality, R reader, C case), variance components, and tests."""

    mean_squares: dict[str, float]
    components: dict[str, float]
    test: Test
    differences: tuple[Estimate, ...]


def dorfman_berbaum_metz(
    study: MrmcStudy | Figures, inference: Inference = "RRRC", settings: Settings = DEFAULT
) -> DbmAnalysis:
    """Compare modalities by pseudovalues; equals Obuchowski-Rockette with jackknife covariance.

    Only the fixed-reader answer differs: here the case variance counts as estimated
    (F with cases - 1 degrees of freedom), there as known (chi-squared).

    Args:
        study: scores or figures; two or more modalities, readers and units.
        inference: the population the answer holds for.
        settings: level.

    Raises:
        ValueError: for figures that are undefined, fewer than two of each axis, or, where cases
            are random, fewer than ten clusters.

    Example:
        >>> rng = np.random.default_rng(1)
        >>> truth = np.arange(60) % 2
        >>> study = MrmcStudy(rng.normal(size=(2, 4, 60)) + truth, truth, ("a", "b"),
        ...                   tuple("wxyz"), tuple(str(case) for case in range(60)))
        >>> dorfman_berbaum_metz(study, "FRRC").test.df2
        59.0

    Source:
        Dorfman, Berbaum, Metz (1992), Investigative Radiology 27:723-731; Hillis, Berbaum, Metz
        (2008), Academic Radiology 15:647-661.
    """
    if inference not in POPULATION:
        raise ValueError(f"inference must be RRRC, FRRC or RRFC, got {inference!r}")
    figures = auc_figures(study) if isinstance(study, MrmcStudy) else study
    values, left = figures.values, figures.left_out
    if min(left.shape) < 2 or not (np.isfinite(values).all() and np.isfinite(left).all()):
        raise ValueError("expected two or more modalities, readers and units with figures")
    if inference != "RRFC" and figures.too_few_units is not None:
        raise ValueError(f"{figures.too_few_units} Readers alone are compared by RRFC.")
    many, readers, units = left.shape
    pseudo = units * values[:, :, None] - (units - 1) * left
    pseudo += (values - pseudo.mean(axis=2))[:, :, None]  # centred: their mean is the figure
    ms = _mean_squares(pseudo)
    df1, readers1 = float(many - 1), float((many - 1) * (readers - 1))
    if inference == "RRRC":
        error = ms["TR"] + max(ms["TC"] - ms["TRC"], 0.0)
        df = readers1 * (error / ms["TR"]) ** 2 if ms["TR"] > 0 else float("inf")
    elif inference == "FRRC":
        error, df = ms["TC"], float((many - 1) * (units - 1))
    else:
        error, df = ms["TR"], readers1
    means = values.mean(axis=1)
    differences = tuple(
        wald(
            f"difference:{figures.modalities[a]}-{figures.modalities[b]}",
            float(means[a] - means[b]), 2 * error / (readers * units), df, settings.level,
            n=figures.n, n_events=figures.n_events, null=0.0, method="t interval",
            convention=f"{figures.name}, Dorfman-Berbaum-Metz, {POPULATION[inference]}",
        )
        for a, b in combinations(range(many), 2)
    )  # fmt: skip
    return DbmAnalysis(
        ms, _components(ms, left.shape), f_test(ms["T"], error, df1, df), differences
    )


def _mean_squares(y: FloatArray) -> dict[str, float]:
    shape = dict(zip("TRC", y.shape, strict=True))
    found: dict[str, float] = {}
    for effect in ("T", "R", "C", "TR", "TC", "RC", "TRC"):
        part = y
        # Each axis of the effect is centred, each other one averaged.
        for axis, name in enumerate("TRC"):
            mean = part.mean(axis=axis, keepdims=True)
            part = part - mean if name in effect else mean
        copies = np.prod([size for name, size in shape.items() if name not in effect])
        df = np.prod([shape[name] - 1 for name in effect])
        found[effect] = float((part**2).sum() * copies / df)
    return found


def _components(ms: dict[str, float], shape: tuple[int, ...]) -> dict[str, float]:
    """Components by equating mean squares; raw, may be negative."""
    i, j, k = shape
    return {
        "R": (ms["R"] - ms["TR"] - ms["RC"] + ms["TRC"]) / (i * k),
        "C": (ms["C"] - ms["TC"] - ms["RC"] + ms["TRC"]) / (i * j),
        "TR": (ms["TR"] - ms["TRC"]) / k,
        "TC": (ms["TC"] - ms["TRC"]) / j,
        "RC": (ms["RC"] - ms["TRC"]) / i,
        "error": ms["TRC"],
    }
