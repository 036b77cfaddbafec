"""The data of a reader study: who scored which case in which modality, and the truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ml.stats.arrays import BoolArray, FloatArray, IntArray
from ml.stats.clusters import Clusters, checked_clusters

Design = Literal["crossed", "cases in readers", "cases in modalities", "incomplete"]
Meaning = Literal["present", "absent"]


@dataclass(frozen=True, eq=False)
class MrmcStudy:
    """Scores of every reader in every modality on every case.

    Attributes:
        scores: (modalities, readers, cases), higher means present; NaN where not read.
        present: (cases,) True where the finding is present.
        modalities, readers, cases: labels in the order of the axes.
        clusters: (cases,) independent units, e.g. patients; None when each case is its own.
    """

    scores: FloatArray
    present: BoolArray
    modalities: tuple[str, ...]
    readers: tuple[str, ...]
    cases: tuple[str, ...]
    clusters: Clusters | None = None

    def __post_init__(self) -> None:
        scores, present = np.asarray(self.scores, dtype=np.float64), np.asarray(self.present)
        if scores.ndim != 3:
            raise ValueError(f"expected scores (modalities, readers, cases), got {scores.shape}")
        if present.shape != scores.shape[2:] or not np.isin(present, (0, 1)).all():
            raise ValueError(f"expected a truth of 0 or 1 per case, got shape {present.shape}")
        if np.isinf(scores).any():
            raise ValueError("scores must be finite, or NaN where a case was not read")
        names = (self.modalities, self.readers, self.cases)
        if tuple(len(axis) for axis in names) != scores.shape:
            raise ValueError(f"labels do not fit scores of shape {scores.shape}")
        checked_clusters(self.clusters, present.size)
        object.__setattr__(self, "scores", scores)
        object.__setattr__(self, "present", present == 1)

    @classmethod
    def of(
        cls,
        modality: Sequence[object] | ArrayLike,
        reader: Sequence[object] | ArrayLike,
        case: Sequence[object] | ArrayLike,
        score: ArrayLike,
        present: ArrayLike,
        *,
        higher_means: Meaning,
        cluster: ArrayLike | None = None,
        cluster_kind: str = "patient",
    ) -> "MrmcStudy":
        """A study from long arrays: one row per reading.

        Args:
            modality, reader, case: (n,) codes of any kind; labels keep the order of first sight.
            score: (n,) finite numbers; leave rows of cases that were not read out.
            present: (n,) 1 or 0, the same in every row of a case.
            higher_means: what a higher score stands for; nothing is guessed from the data.
            cluster: (n,) independent unit of the case, e.g. patient; None: each case its own.
            cluster_kind: noun for the unit.

        Raises:
            ValueError: for unequal lengths, scores that are not finite, a case read twice by a
                reader in a modality, or a case with two truths or two clusters.

        Example:
            >>> study = MrmcStudy.of(["a"] * 4, [1, 1, 2, 2], [1, 2, 1, 2], [3, 9, 2, 8],
            ...                      [0, 1, 0, 1], higher_means="present")
            >>> study.scores.shape, study.design
            ((1, 2, 2), 'crossed')
        """
        if higher_means not in ("present", "absent"):
            raise ValueError(f"higher_means must be present or absent, got {higher_means!r}")
        values = np.asarray(score, dtype=np.float64)
        truth = np.asarray(present)
        axes = [_coded(labels) for labels in (modality, reader, case)]
        if any(codes.shape != values.shape for _, codes in axes) or truth.shape != values.shape:
            raise ValueError("modality, reader, case, score and present must be equally long")
        if values.size == 0 or not np.isfinite(values).all():
            raise ValueError("expected at least one reading, every score finite")
        shape = tuple(len(labels) for labels, _ in axes)
        flat = np.ravel_multi_index(tuple(codes for _, codes in axes), shape)
        if np.unique(flat).size < flat.size:
            raise ValueError("a reader has read a case more than once in a modality")
        codes = axes[2][1]
        scores = np.full(shape, np.nan)
        scores.reshape(-1)[flat] = values if higher_means == "present" else -values
        labels = [tuple(str(name) for name in names) for names, _ in axes]
        units = None
        if cluster is not None:
            row_units = Clusters.of(np.asarray(cluster)).codes
            per_case = _per_case(codes, row_units, shape[2], "cluster")
            units = Clusters.of(per_case, cluster_kind)
        if not np.isin(truth, (0, 1)).all():
            raise ValueError("present must be 0 or 1: leave cases without a truth out")
        known = _per_case(codes, truth, shape[2], "truth") == 1
        return cls(scores, known, labels[0], labels[1], labels[2], units)

    @property
    def read(self) -> BoolArray:
        """(modalities, readers, cases) True where a score was given."""
        return ~np.isnan(self.scores)

    @property
    def design(self) -> Design:
        """Which readings share cases, as the data show it."""
        read = self.read
        if read.all():
            return "crossed"
        many_modalities = bool((read.any(axis=1).sum(axis=0) > 1).any())
        many_readers = bool((read.any(axis=0).sum(axis=0) > 1).any())
        if not many_readers:
            return "cases in readers"
        return "incomplete" if many_modalities else "cases in modalities"

    def units(self) -> Clusters:
        """What is left out or drawn: the clusters, or the cases themselves."""
        return checked_clusters(self.clusters, len(self.cases))

    def part(
        self, *, modalities: Sequence[int] | None = None, readers: Sequence[int] | None = None
    ) -> "MrmcStudy":
        """The same cases, some modalities and readers by index."""
        i = list(range(len(self.modalities)) if modalities is None else modalities)
        j = list(range(len(self.readers)) if readers is None else readers)
        return MrmcStudy(
            self.scores[np.ix_(i, j)], self.present, tuple(self.modalities[at] for at in i),
            tuple(self.readers[at] for at in j), self.cases, self.clusters,
        )  # fmt: skip


def _coded(labels: Sequence[object] | ArrayLike) -> tuple[list[object], IntArray]:
    """Labels in the order of first sight, and the code of every row."""
    rows = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)  # type: ignore[arg-type]
    place: dict[object, int] = {}
    codes = [place.setdefault(label, len(place)) for label in rows]
    return list(place), np.array(codes, dtype=np.int64)


def _per_case(codes: IntArray, rows: IntArray | BoolArray, n: int, noun: str) -> IntArray:
    """The one value that all rows of each case agree on."""
    value = np.zeros(n, dtype=np.int64)
    value[codes] = rows
    if not (value[codes] == rows).all():
        raise ValueError(f"a case has more than one {noun}")
    return value
