"""A model alone against a group of readers on the same cases."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ml.estimate import Estimate
from ml.stats.arrays import FloatArray
from ml.stats.asked import checked_count
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.mrmc.components import Components, components
from ml.stats.mrmc.covariance import Covariance, covariance_of
from ml.stats.mrmc.figures import Figures, auc_figures
from ml.stats.mrmc.obuchowski_rockette import error_variance
from ml.stats.mrmc.study import MrmcStudy
from ml.stats.mrmc.wald import Test, f_test, wald

Method = Literal["1T-RRRC", "1T-RRFC", "2T-RRRC"]

SAYS = {
    "1T-RRRC": "readers and cases random",
    "1T-RRFC": "readers random, cases fixed",
    "2T-RRRC": "readers and cases random, the model as a second modality read alike by all",
}


@dataclass(frozen=True, eq=False)
class Standalone:
    """The model against the mean of the readers.

    Attributes:
        model: the model's figure. readers: (readers,) theirs.
        mean: of the readers, with an interval of the same width as the difference's.
        difference: mean of readers minus model; p, df and statistic in ``extra``.
        variance_readers: between the readers' differences to the model.
        variance_error, cov2: by sampling of cases: of a difference, and between two readers'
            differences; None with fixed cases.
        components, test: of the two-modality form; None otherwise.
    """

    method: Method
    model: float
    readers: FloatArray
    mean: Estimate
    difference: Estimate
    variance_readers: float
    variance_error: float | None
    cov2: float | None
    components: Components | None
    test: Test | None
    notes: tuple[str, ...]


def model_against_readers(
    study: MrmcStudy | Figures,
    model: int,
    method: Method = "1T-RRRC",
    covariance: Covariance = "jackknife",
    settings: Settings = DEFAULT,
) -> Standalone:
    """Compare a model with readers, the model as one fixed reader without reader variance.

    The figure analysed is each reader's minus the model's, so that cases which are hard for
    both cancel. A paired t test over readers (1T-RRFC) holds for these cases only.

    Args:
        study: one modality; the model is among its readers. Or figures of such a study.
        model: index of the model among the readers.
        method: 1T-RRRC, 1T-RRFC, or 2T-RRRC (same p as 1T-RRRC).
        covariance, settings: as for ``obuchowski_rockette``.

    Returns:
        No interval and no p, with a reason, where cases are random and the covariance cannot be
        estimated, or is that of fewer than ten clusters.

    Raises:
        ValueError: for more than one modality, fewer than two readers beside the model,
            undefined figures, or another method.

    Example:
        >>> rng = np.random.default_rng(1)
        >>> truth = np.arange(60) % 2
        >>> study = MrmcStudy(rng.normal(size=(1, 4, 60)) + truth, truth, ("plain",),
        ...                   ("model", "x", "y", "z"), tuple(str(case) for case in range(60)))
        >>> found = model_against_readers(study, model=0)
        >>> found.difference.id
        'difference:readers-model'

    Source:
        Hillis, Obuchowski, Berbaum (2011), Academic Radiology 18:129-142 (one modality against
        a value); Hupse et al. (2013), Radiology 266:123-129 (fixed cases); Chakraborty (2017),
        Observer Performance Methods for Diagnostic Imaging, chapter 22.
    """
    if method not in SAYS:
        raise ValueError(f"method must be 1T-RRRC, 1T-RRFC or 2T-RRRC, got {method!r}")
    figures = auc_figures(study) if isinstance(study, MrmcStudy) else study
    many, size = figures.values.shape
    if many != 1 or size < 3:
        raise ValueError("expected one modality with the model and two or more readers")
    model = checked_count("model", model, 0, size - 1)
    if not np.isfinite(figures.values).all():
        raise ValueError("expected a figure of merit of the model and of every reader")
    others = [at for at in range(size) if at != model]
    own, theirs = float(figures.values[0, model]), figures.values[0, others]
    apart, j = theirs - own, size - 1
    random_cases = method != "1T-RRFC"
    say = f"{figures.name}, {method}: {SAYS[method]}; difference is readers minus model"
    spread = float(apart.var(ddof=1))
    matrix = covariance_of(figures, covariance, settings)
    refusal = _refusal(figures, matrix) if random_cases else None
    if refusal is not None:
        level = settings.level
        bare = [
            Estimate(name, value, level=level, n=figures.n, n_events=figures.n_events,
                     convention=say, reason=refusal)
            for name, value in ((f"{figures.name}:readers", float(theirs.mean())),
                                ("difference:readers-model", float(apart.mean())))
        ]  # fmt: skip
        return Standalone(method, own, theirs, bare[0], bare[1], spread, None, None, None, None,
                          (refusal,))  # fmt: skip
    contrast = np.zeros((j, size))
    contrast[np.arange(j), others] = 1.0
    contrast[:, model] = -1.0
    between = contrast @ matrix @ contrast.T
    error = float(np.diag(between).mean())
    cov2 = float((between.sum() - np.diag(between).sum()) / (j * (j - 1)))
    whole = spread + (j * max(cov2, 0.0) if random_cases else 0.0)
    df = (j - 1) * (whole / spread) ** 2 if spread > 0 else float("inf")
    found: Components | None = None
    test: Test | None = None
    if method == "2T-RRRC":
        found, test, whole, df = _two_modalities(theirs, own, matrix, others, model)
    notes = []
    if random_cases and cov2 < 0:
        notes.append(f"Cov2 of the differences is negative ({cov2:.4g}) and counts as 0.")

    def estimate(name: str, value: float, null: float | None) -> Estimate:
        return wald(
            name, value, whole / j, df, settings.level, n=figures.n, n_events=figures.n_events,
            convention=say, method="t interval", null=null,
        )  # fmt: skip

    return Standalone(
        method, own, theirs,
        estimate(f"{figures.name}:readers", float(theirs.mean()), None),
        estimate("difference:readers-model", float(apart.mean()), 0.0),
        spread, error if random_cases else None, cov2 if random_cases else None,
        found, test, tuple(notes),
    )  # fmt: skip


def _refusal(figures: Figures, matrix: FloatArray) -> str | None:
    """Why other cases cannot be spoken of, or None."""
    if figures.too_few_units is not None:
        return figures.too_few_units
    if not np.isfinite(matrix).all():
        return "No interval: too few cases of one kind to estimate the covariance."
    return None


def _two_modalities(
    theirs: FloatArray, own: float, matrix: FloatArray, others: list[int], model: int
) -> tuple[Components, Test, float, float]:
    """The model's figure repeated for every reader, as if it were a second modality."""
    j = len(others)
    at = [*others, *([model] * j)]
    values = np.stack([np.full(j, own), theirs])[::-1]
    found = components(values, matrix[np.ix_(at, at)])
    denominator, df = error_variance(found, 2, j, "RRRC")
    assert df is not None
    assert found.ms_modality is not None
    return found, f_test(found.ms_modality, denominator, 1, df), 2 * denominator, df
