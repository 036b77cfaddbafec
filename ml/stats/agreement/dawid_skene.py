"""The truth behind several imperfect readers: Dawid and Skene's latent classes."""

from dataclasses import dataclass

import numpy as np

from ml.stats.agreement.ratings import category_counts
from ml.stats.arrays import BoolArray, FloatArray, IntArray
from ml.stats.asked import checked_count, checked_number

_TINY = 1e-300  # the logarithm of a share that is 0


@dataclass(frozen=True)
class DawidSkene:
    """Classes, readers and cases as the model sees them; None, with a reason, without answers."""

    prevalence: FloatArray | None  # (k,)
    confusion: FloatArray | None  # (readers, k true, k answered); NaN where a class has no answer
    posterior: FloatArray | None  # (n, k); NaN rows for cases nobody answered
    log_likelihood: tuple[float, ...]  # before each step, never falling
    iterations: int
    converged: bool
    n: int  # cases with an answer
    method: str
    reason: str | None = None

    @property
    def labels(self) -> IntArray | None:
        """Most probable class of each case, -1 where nobody answered."""
        if self.posterior is None:
            return None
        known = ~np.isnan(self.posterior).any(axis=1)
        best = np.argmax(np.nan_to_num(self.posterior), axis=1)
        return np.where(known, best, -1).astype(np.int64)


def dawid_skene(
    ratings: FloatArray,
    categories: int,
    *,
    reader: IntArray | None = None,
    most: int = 1000,
    tolerance: float = 1e-9,
) -> DawidSkene:
    """Class prevalences, each reader's confusion matrix and each case's class, by EM.

    The start is each case's own shares of answers, so that the result depends on nothing but the
    data; it is a maximum of the likelihood near the majority, not surely the highest one. Readers
    are taken as independent given the class.

    Args:
        ratings: (n, columns) codes 0..categories-1, NaN where missing; a column is one reader.
        categories: number of declared answers, which are also the classes.
        reader: (columns,) codes 0..readers-1 of who gave each column, where a reader answered
            the cases more than once; None means every column has a reader of its own.
        most: steps at most; ``converged`` says whether fewer were enough.
        tolerance: gain of log-likelihood per case below which to stop.

    Returns:
        Maximum-likelihood shares, which may be 0 or 1; no interval.

    Raises:
        ValueError: for codes outside the declared answers, readers that do not fit the columns,
            or no step at all.

    Example:
        >>> answers = np.array([[0, 0, 0], [1, 1, 1], [1, 1, 0], [0, 0, 0]])
        >>> dawid_skene(answers, 2).labels.tolist()
        [0, 1, 1, 0]

    Source:
        Dawid, Skene (1979), Maximum likelihood estimation of observer error-rates using the EM
        algorithm. Journal of the Royal Statistical Society C 28:20-28.
    """
    checked_count("most", most)
    checked_number("tolerance", tolerance, above=0)
    ratings = np.asarray(ratings, dtype=np.float64)
    counts = category_counts(ratings, categories)
    answered = counts.sum(axis=1) > 0
    n, method = int(answered.sum()), f"EM from each case's shares of answers, {categories} classes"
    if n == 0:
        reason = "Not estimated: nobody answered."
        return DawidSkene(None, None, None, (), 0, False, 0, method, reason)
    reader = np.arange(ratings.shape[1]) if reader is None else np.asarray(reader)
    known = np.unique(reader)
    if reader.shape != (ratings.shape[1],) or (known != np.arange(known.size)).any():
        raise ValueError(f"expected a reader 0.. for each of {ratings.shape[1]} columns")
    readers = int(reader.max()) + 1
    given, times, where = _distinct(ratings[answered], categories, reader)
    per_case = given.reshape(times.size, readers, categories).sum(axis=1)
    posterior = per_case / per_case.sum(axis=1, keepdims=True)
    likelihoods: list[float] = []
    converged = False
    while not converged and len(likelihoods) < most:
        prevalence, confusion = _maximise(posterior, given, times, readers)
        posterior, total = _expect(prevalence, confusion, given, times)
        converged = bool(likelihoods) and total - likelihoods[-1] <= tolerance * n
        likelihoods.append(total)
    every = np.full((ratings.shape[0], categories), np.nan)
    every[answered] = posterior[where]
    return DawidSkene(
        prevalence, confusion, every, tuple(likelihoods), len(likelihoods), converged, n, method,
    )  # fmt: skip


def _distinct(
    ratings: FloatArray, categories: int, reader: IntArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Distinct rows as counts (p, readers * k), how often they occur, and where."""
    codes = np.nan_to_num(ratings + 1, nan=0.0)
    _, first, where, number = np.unique(
        codes, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    times, where = number.astype(np.float64), where.reshape(-1)
    given: BoolArray = ratings[first][:, :, None] == np.arange(categories)
    of_reader = (np.arange(reader.max() + 1)[:, None] == reader).astype(np.float64)
    per_reader = np.einsum("gc,pck->pgk", of_reader, given.astype(np.float64), optimize=True)
    return per_reader.reshape(first.size, -1), times, where.astype(np.int64)


def _maximise(
    posterior: FloatArray, given: FloatArray, times: FloatArray, readers: int
) -> tuple[FloatArray, FloatArray]:
    """Prevalences (k,) and confusion matrices (readers, k, k) from the cases' classes."""
    weighted = posterior * times[:, None]
    prevalence = weighted.sum(axis=0) / times.sum()
    size = prevalence.size
    answers = (weighted.T @ given).reshape(size, readers, size).transpose(1, 0, 2)
    number = answers.sum(axis=2, keepdims=True)
    confusion = np.full(answers.shape, np.nan)
    np.divide(answers, number, out=confusion, where=np.broadcast_to(number > 0, answers.shape))
    return prevalence, confusion


def _expect(
    prevalence: FloatArray, confusion: FloatArray, given: FloatArray, times: FloatArray
) -> tuple[FloatArray, float]:
    """The cases' classes (p, k) given the readers, and the log-likelihood."""
    readers, size, _ = confusion.shape
    logs = np.log(np.maximum(np.nan_to_num(confusion), _TINY))
    joint = given @ logs.transpose(0, 2, 1).reshape(readers * size, size)
    joint = joint + np.log(np.maximum(prevalence, _TINY))
    top = joint.max(axis=1, keepdims=True)
    scaled = np.exp(joint - top)
    whole = scaled.sum(axis=1, keepdims=True)
    total = float((times * (top[:, 0] + np.log(whole[:, 0]))).sum())
    posterior: FloatArray = scaled / whole
    return posterior, total
