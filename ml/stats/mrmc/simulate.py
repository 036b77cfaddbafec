"""Roe-Metz simulation of reader studies, to test the analyses on known truth."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from ml.stats.arrays import FloatArray
from ml.stats.asked import checked_count, checked_number
from ml.stats.mrmc.study import MrmcStudy


@dataclass(frozen=True)
class RoeMetz:
    """Variances of the latent score, with cases of either kind alike unless ``spread`` says so.

    Attributes:
        separation: (modalities,) distance of the means of cases with and without the finding.
        reader, modality_reader: variance of a reader's separation, twice: each kind of case
            has its own reader effect of this variance.
        case, modality_case, reader_case, error: variances within a case; they sum to 1 in the
            published structures.
        spread: standard deviation of scores of cases with the finding over that of the others
            (Hillis 2012: binormal curves with b = 1 / spread).
    """

    separation: tuple[float, ...]
    reader: float
    modality_reader: float
    case: float
    modality_case: float
    reader_case: float
    error: float
    spread: float = 1.0

    @property
    def true_auc(self) -> FloatArray:
        """(modalities,) expected AUC over readers and cases.

        Source:
            Hillis (2018), Statistics in Medicine 37:2067-2093, equation of the expected AUC.
        """
        within = self.case + self.modality_case + self.reader_case + self.error
        between = self.reader + self.modality_reader
        variance = within * (1 + self.spread**2) + 2 * between
        return np.asarray(stats.norm.cdf(np.array(self.separation) / variance**0.5))


# The structures of Roe, Metz (1997), table 1: first letter of data correlation, second of reader
# variance, H high or L low. The separation is set by ``structure``.
_CASES = {"H": (0.3, 0.3, 0.2, 0.2), "L": (0.1, 0.1, 0.2, 0.6)}
_READERS = {
    ("H", 0.702): 0.011, ("H", 0.855): 0.030, ("H", 0.962): 0.056,
    ("L", 0.702): 0.0055, ("L", 0.855): 0.0055, ("L", 0.962): 0.0055,
}  # fmt: skip
_SEPARATION = {0.702: 0.75, 0.855: 1.5, 0.962: 2.5}


def structure(
    name: str, auc: float = 0.855, *, modalities: int = 2, effect: float = 0.0, spread: float = 1.0
) -> RoeMetz:
    """A published structure: HH, HL, LH or LL (correlation between data, reader variance).

    Args:
        name: two letters.
        auc: median AUC of the structure: 0.702, 0.855 or 0.962.
        modalities: all alike but the last, whose separation is larger by ``effect``.
        effect: 0 for the null hypothesis.
        spread: see ``RoeMetz``; 1 in Roe and Metz (1997).

    Raises:
        ValueError: for another name or AUC, no modality, or a spread not above 0.

    Example:
        >>> structure("HL").separation
        (1.5, 1.5)

    Source:
        Roe, Metz (1997), Academic Radiology 4:298-303; unequal variances: Hillis (2012),
        Academic Radiology 19:1518-1528.
    """
    if len(name) != 2 or set(name) - {"H", "L"} or auc not in _SEPARATION:
        raise ValueError(f"expected HH, HL, LH or LL and an AUC of {[*_SEPARATION]}, got {name!r}")
    checked_count("modalities", modalities, 1, 1000)
    checked_number("effect", effect)
    checked_number("spread", spread, above=0)
    separation = [_SEPARATION[auc]] * int(modalities)
    separation[-1] += effect
    reader = _READERS[name[1], auc]
    return RoeMetz(tuple(separation), reader, reader, *_CASES[name[0]], spread=spread)


def simulate(model: RoeMetz, readers: int, with_finding: int, without: int, seed: int) -> MrmcStudy:
    """One fully crossed study drawn from the model.

    Args:
        model: variances and separations.
        readers, with_finding, without: sizes.
        seed: of the random numbers; the same seed gives the same study.

    Raises:
        ValueError: for sizes that are not whole and above 0, or a negative seed.

    Example:
        >>> simulate(structure("HL"), 3, 10, 12, seed=1).scores.shape
        (2, 3, 22)

    Source:
        Roe, Metz (1997), Academic Radiology 4:298-303.
    """
    readers = checked_count("readers", readers)
    with_finding, without = (
        checked_count(name, one)
        for name, one in (("with_finding", with_finding), ("without", without))
    )
    seed = checked_count("seed", seed, 0)
    rng = np.random.default_rng(seed)
    many, parts = len(model.separation), []
    for present, n in ((1, with_finding), (0, without)):

        def normal(variance: float, *shape: int) -> FloatArray:
            drawn: FloatArray = rng.normal(size=shape) * variance**0.5
            return drawn

        scores = (
            normal(model.case, 1, 1, n)
            + normal(model.modality_case, many, 1, n)
            + normal(model.reader_case, 1, readers, n)
            + normal(model.error, many, readers, n)
        )
        if present:
            scores = scores * model.spread
        scores += normal(model.reader, 1, readers, 1)
        scores += normal(model.modality_reader, many, readers, 1)
        if present:
            scores += np.array(model.separation)[:, None, None]
        parts.append(scores)
    truth = np.r_[np.ones(with_finding, dtype=np.bool_), np.zeros(without, dtype=np.bool_)]
    return MrmcStudy(
        np.concatenate(parts, axis=2), truth, tuple(str(at + 1) for at in range(many)),
        tuple(str(at + 1) for at in range(readers)),
        tuple(str(at + 1) for at in range(truth.size)),
    )  # fmt: skip


def null_of(model: RoeMetz) -> RoeMetz:
    """The same model with every modality like the first.

    Example:
        >>> null_of(structure("HL", effect=0.3)).separation
        (1.5, 1.5)
    """
    return replace(model, separation=(model.separation[0],) * len(model.separation))
