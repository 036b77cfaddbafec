"""Mean squares and variance components of a table of figures and its covariance."""

from dataclasses import dataclass

import numpy as np

from ml.stats.arrays import BoolArray, FloatArray

ZERO = 1e-14  # variances of figures in 0..1 below this are rounding dust


@dataclass(frozen=True)
class Components:
    """Components of the Obuchowski-Rockette model, raw: a negative one stays negative.

    Attributes:
        reader, modality_reader: variance of readers, and of readers within modalities.
        error: mean variance of a figure by sampling of cases.
        cov1: same reader, other modality. cov2: same modality, other reader. cov3: both other.
        ms_modality, ms_reader, ms_interaction: mean squares; None where there is one level.
    """

    reader: float | None
    modality_reader: float | None
    error: float
    cov1: float
    cov2: float
    cov3: float
    ms_modality: float | None
    ms_reader: float | None
    ms_interaction: float | None

    @property
    def correlations(self) -> dict[str, float | None]:
        """Error correlations r1, r2, r3 (cov / error), and the shares of the whole variance.

        ``icc_reader`` is what two figures of one reader in two modalities share, of all their
        variance; None when the components add up to nothing.
        """
        found: dict[str, float | None] = {
            name: value / self.error if self.error > ZERO else None
            for name, value in (("r1", self.cov1), ("r2", self.cov2), ("r3", self.cov3))
        }
        reader, inner = max(self.reader or 0.0, 0.0), max(self.modality_reader or 0.0, 0.0)
        whole = reader + inner + self.error
        found["icc_reader"] = (reader + self.cov1) / whole if whole > ZERO else None
        return found

    def notes(self) -> list[str]:
        """A sentence for every component that came out negative."""
        names = {
            "reader": self.reader, "modality x reader": self.modality_reader,
            "Cov1": self.cov1, "Cov2": self.cov2, "Cov3": self.cov3,
        }  # fmt: skip
        said = [
            f"The component {name} is negative ({value:.4g}); it is reported as estimated."
            for name, value in names.items()
            if value is not None and value < -ZERO
        ]
        if self.cov2 - self.cov3 < -ZERO:
            said.append("Cov2 - Cov3 is negative and counts as 0 in the denominator of the F test.")
        return said


def components(values: FloatArray, covariance: FloatArray, design: str = "crossed") -> Components:
    """Variance components of figures (modalities, readers).

    Args:
        values: (I, J) finite.
        covariance: (I J, I J), modality by modality: row i J + j. The other order would swap
            Cov1 and Cov2.
        design: in nested designs, covariances between readings without a common case are 0.

    Example:
        >>> got = components(np.array([[0.8, 0.9], [0.7, 0.8]]), np.eye(4) * 0.01)
        >>> got.error, got.cov1, round(got.ms_modality, 4)
        (0.01, 0.0, 0.01)

    Source:
        Obuchowski, Rockette (1995), Communications in Statistics B 24:285-308; Hillis (2007),
        Statistics in Medicine 26:596-619; nested designs: Hillis (2014), Statistics in Medicine
        33:330-360.
    """
    many, readers = values.shape
    by_cell = covariance.reshape(many, readers, many, readers)
    same_modality = np.eye(many, dtype=bool)[:, None, :, None]
    same_reader = np.eye(readers, dtype=bool)[None, :, None, :]

    def mean(where: BoolArray) -> float:
        chosen = by_cell[np.broadcast_to(where, by_cell.shape)]
        return float(chosen.mean()) if chosen.size else 0.0

    error = mean(same_modality & same_reader)
    cov1 = mean(~same_modality & same_reader)
    cov2 = mean(same_modality & ~same_reader)
    cov3 = mean(~same_modality & ~same_reader)
    if design == "cases in readers":
        cov2 = cov3 = 0.0
    elif design == "cases in modalities":
        cov1 = cov3 = 0.0
    ms = mean_squares(values)
    reader = inner = None
    if ms[2] is not None:
        assert ms[1] is not None
        reader = (ms[1] - ms[2]) / many - cov1 + cov3
        inner = ms[2] - error + cov1 + cov2 - cov3
    elif ms[1] is not None:
        reader = ms[1] - error + cov2
    return Components(reader, inner, error, cov1, cov2, cov3, *ms)


def mean_squares(values: FloatArray) -> tuple[float | None, float | None, float | None]:
    """Mean squares of modality, reader and their interaction of (modalities, readers).

    Example:
        >>> mean_squares(np.array([[1.0, 3.0]]))
        (None, 2.0, None)
    """
    many, readers = values.shape
    rows, columns, grand = values.mean(axis=1), values.mean(axis=0), values.mean()
    left = values - rows[:, None] - columns[None, :] + grand
    modality = readers * float(((rows - grand) ** 2).sum()) / (many - 1) if many > 1 else None
    reader = many * float(((columns - grand) ** 2).sum()) / (readers - 1) if readers > 1 else None
    inner = None
    if many > 1 and readers > 1:
        inner = float((left**2).sum()) / ((many - 1) * (readers - 1))
    return modality, reader, inner
