"""Obuchowski-Rockette analysis of variance: modalities compared over readers and cases."""

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from ml.estimate import Estimate, undefined
from ml.stats.arrays import FloatArray
from ml.stats.bootstrap import DEFAULT, Settings
from ml.stats.mrmc.components import Components, components
from ml.stats.mrmc.covariance import Covariance, covariance_of
from ml.stats.mrmc.figures import Figures, auc_figures
from ml.stats.mrmc.study import MrmcStudy
from ml.stats.mrmc.wald import Test, chi2_test, f_test, wald

# Which of readers and cases stand for a population: both, cases only, readers only.
Inference = Literal["RRRC", "FRRC", "RRFC"]

POPULATION = {
    "RRRC": "readers and cases random: holds for other readers and other cases",
    "FRRC": "readers fixed, cases random: holds for these readers and other cases",
    "RRFC": "readers random, cases fixed: holds for other readers and these cases",
}


@dataclass(frozen=True, eq=False)
class OrAnalysis:
    """What the analysis found.

    Attributes:
        values: (modalities, readers) figures.
        covariance: (q, q) modality by modality.
        components: raw; ``by_modality`` from one modality's readings alone.
        test: that all modalities are equal; None when there is one modality.
        means: one per modality, from that modality's data alone, clipped to 0..1.
        differences: of every pair of modalities, first minus second; p in ``extra``.
        notes: sentences a reader of the result must see.
    """

    figure: str
    inference: Inference
    design: str
    modalities: tuple[str, ...]
    readers: tuple[str, ...]
    values: FloatArray
    covariance: FloatArray
    components: Components | None
    by_modality: tuple[Components, ...]
    test: Test | None
    means: tuple[Estimate, ...]
    differences: tuple[Estimate, ...]
    notes: tuple[str, ...]


def obuchowski_rockette(
    study: MrmcStudy | Figures,
    covariance: Covariance = "jackknife",
    inference: Inference = "RRRC",
    settings: Settings = DEFAULT,
) -> OrAnalysis:
    """Compare modalities read by several readers.

    One modality gives its mean alone (single-treatment analysis); one reader needs
    inference FRRC (single-reader analysis). Designs with cases nested in readers or in
    modalities are recognised by which cases were read.

    Args:
        study: scores, analysed by their empirical AUC; or figures of merit of another kind.
        covariance: how the covariance of the figures is estimated.
        inference: the population the answer holds for.
        settings: level; draws and seed for the bootstrap covariance.

    Returns:
        Estimates that are undefined with a reason where a reader has no figure, or where a
        random reader effect is asked of a single reader. No interval and no test, with a reason,
        where cases are random and come in fewer than ten clusters.

    Raises:
        ValueError: for another inference or covariance, or a covariance not defined for the
            figure.

    Example:
        >>> rng = np.random.default_rng(1)
        >>> truth = np.arange(60) % 2
        >>> study = MrmcStudy(rng.normal(size=(2, 4, 60)) + truth, truth, ("a", "b"),
        ...                   tuple("wxyz"), tuple(str(case) for case in range(60)))
        >>> found = obuchowski_rockette(study)
        >>> len(found.means), found.differences[0].id
        (2, 'difference:a-b')

    Source:
        Obuchowski, Rockette (1995), Communications in Statistics B 24:285-308; degrees of
        freedom: Hillis (2007), Statistics in Medicine 26:596-619; Hillis (2014), Statistics in
        Medicine 33:330-360.
    """
    if inference not in POPULATION:
        raise ValueError(f"inference must be RRRC, FRRC or RRFC, got {inference!r}")
    figures = auc_figures(study) if isinstance(study, MrmcStudy) else study
    matrix = covariance_of(figures, covariance, settings)
    refusal = _refusal(figures, matrix, inference)
    if refusal is not None:
        return _undefined(figures, matrix, inference, refusal)
    if inference != "RRFC" and figures.too_few_units is not None:
        return _bare(figures, matrix, inference, figures.too_few_units)
    found = components(figures.values, matrix, figures.design)
    by_modality = _by_modality(figures, matrix)
    say = f"{figures.name}, Obuchowski-Rockette, {covariance} covariance, {POPULATION[inference]}"
    many = len(figures.modalities)
    return OrAnalysis(
        figures.name, inference, figures.design, figures.modalities, figures.readers,
        figures.values, matrix, found, by_modality,
        _test(found, figures, inference) if many > 1 else None,
        _means(figures, by_modality, inference, settings.level, say),
        _differences(figures, found, inference, settings.level, say),
        tuple(_notes(found, figures, by_modality)),
    )  # fmt: skip


def error_variance(
    found: Components, many: int, readers: int, inference: Inference
) -> tuple[float, float | None]:
    """Denominator of the test of modalities and its degrees of freedom (None: known variance).

    Args:
        found: components of figures of ``many`` modalities and ``readers`` readers.
        inference: which of readers and cases stand for a population.

    Example:
        >>> found = Components(0.0, 0.0, 0.004, 0.002, 0.002, 0.001, None, None, 0.003)
        >>> variance, df = error_variance(found, 2, 4, "RRRC")  # 0.003 + 4 * (0.002 - 0.001)
        >>> round(variance, 4), round(df, 2)  # 3 * (7 / 3)**2
        (0.007, 16.33)

    Source:
        Hillis (2007), Statistics in Medicine 26:596-619.
    """
    if inference == "FRRC":
        inner = (readers - 1) * (found.cov2 - found.cov3)
        return found.error - found.cov1 + inner, None
    assert found.ms_interaction is not None
    ms, df = found.ms_interaction, float((many - 1) * (readers - 1))
    if inference == "RRFC":
        return ms, df
    denominator = ms + readers * max(found.cov2 - found.cov3, 0.0)
    return denominator, df * (denominator / ms) ** 2 if ms > 0 else float("inf")


def _mean_variance(
    found: Components, readers: int, inference: Inference
) -> tuple[float, float | None]:
    """Variance of one modality's mean and its degrees of freedom (None: normal)."""
    if inference == "FRRC":
        return (found.error + (readers - 1) * max(found.cov2, 0.0)) / readers, None
    assert found.ms_reader is not None
    ms, df = found.ms_reader, float(readers - 1)
    if inference == "RRFC":
        return ms / readers, df
    whole = ms + readers * max(found.cov2, 0.0)
    return whole / readers, df * (whole / ms) ** 2 if ms > 0 else float("inf")


def _refusal(figures: Figures, matrix: FloatArray, inference: Inference) -> str | None:
    if not np.isfinite(figures.values).all():
        return "Not estimated: a reader has no figure of merit in some modality."
    if not np.isfinite(matrix).all():
        return "Not estimated: too few cases of one kind to estimate the covariance."
    if len(figures.readers) < 2 and inference != "FRRC":
        return "Not estimated: one reader says nothing about other readers (use FRRC)."
    return None


def _undefined(
    figures: Figures, matrix: FloatArray, inference: Inference, reason: str
) -> OrAnalysis:
    def none(measure: str) -> Estimate:
        return undefined(measure, reason, n=figures.n, n_events=figures.n_events)

    return OrAnalysis(
        figures.name, inference, figures.design, figures.modalities, figures.readers,
        figures.values, matrix, None, (), None,
        tuple(none(f"{figures.name}:{name}") for name in figures.modalities),
        tuple(none(f"difference:{a}-{b}") for a, b in combinations(figures.modalities, 2)),
        (reason,),
    )  # fmt: skip


def _bare(figures: Figures, matrix: FloatArray, inference: Inference, reason: str) -> OrAnalysis:
    """The figures alone, without what needs their covariance."""

    def value(measure: str, one: float) -> Estimate:
        return Estimate(
            measure, one, level=None, n=figures.n, n_events=figures.n_events, reason=reason
        )

    means = dict(zip(figures.modalities, figures.values.mean(axis=1).tolist(), strict=True))
    return OrAnalysis(
        figures.name, inference, figures.design, figures.modalities, figures.readers,
        figures.values, matrix, None, (), None,
        tuple(value(f"{figures.name}:{name}", one) for name, one in means.items()),
        tuple(
            value(f"difference:{a}-{b}", means[a] - means[b])
            for a, b in combinations(figures.modalities, 2)
        ),
        (reason,),
    )  # fmt: skip


def _by_modality(figures: Figures, matrix: FloatArray) -> tuple[Components, ...]:
    readers = len(figures.readers)
    blocks = matrix.reshape(len(figures.modalities), readers, -1, readers)
    return tuple(
        components(figures.values[i : i + 1], blocks[i, :, i], figures.design)
        for i in range(len(figures.modalities))
    )


def _test(found: Components, figures: Figures, inference: Inference) -> Test:
    many, readers = figures.values.shape
    assert found.ms_modality is not None
    denominator, df = error_variance(found, many, readers, inference)
    if df is None:
        return chi2_test(found.ms_modality, denominator, many - 1)
    return f_test(found.ms_modality, denominator, many - 1, df)


def _means(
    figures: Figures, parts: tuple[Components, ...], inference: Inference, level: float, say: str
) -> tuple[Estimate, ...]:
    method = f"{'z' if inference == 'FRRC' else 't'} interval from this modality's data, in 0..1"
    found = []
    for name, row, part in zip(figures.modalities, figures.values, parts, strict=True):
        variance, df = _mean_variance(part, len(figures.readers), inference)
        found.append(
            wald(
                f"{figures.name}:{name}", float(row.mean()), variance, df, level, n=figures.n,
                n_events=figures.n_events, convention=say, method=method, clip=True,
            )
        )  # fmt: skip
    return tuple(found)


def _differences(
    figures: Figures, found: Components, inference: Inference, level: float, say: str
) -> tuple[Estimate, ...]:
    many, readers = figures.values.shape
    if many < 2:
        return ()
    denominator, df = error_variance(found, many, readers, inference)
    means = figures.values.mean(axis=1)
    method = "z interval" if df is None else "t interval, Hillis degrees of freedom"
    return tuple(
        wald(
            f"difference:{figures.modalities[a]}-{figures.modalities[b]}",
            float(means[a] - means[b]), 2 * denominator / readers, df, level, n=figures.n,
            n_events=figures.n_events, convention=say, method=method, null=0.0,
        )
        for a, b in combinations(range(many), 2)
    )  # fmt: skip


def _notes(found: Components, figures: Figures, parts: tuple[Components, ...]) -> list[str]:
    said = found.notes()
    if figures.design != "crossed":
        said.append(f"Design: {figures.design}.")
    for name, part in zip(figures.modalities, parts, strict=True):
        if part.cov2 < 0:
            said.append(f"Cov2 of modality {name} is negative and counts as 0 in its interval.")
    return said
