"""The cases that have several answers, how far these are apart, and where the call is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml.checks import words
from ml.checks.registry import Finding, State
from ml.checks.scored import OperatingPoint, clusters_at
from ml.evidence.tables import Evidence, FloatArray, IntArray, Samples
from ml.protocol import DEFAULT_SEED
from ml.stats.arrays import BoolArray
from ml.stats.clusters import Clusters
from ml.stats.uncertainty.decomposition import entropy_parts, variance_parts
from ml.stats.uncertainty.held_limit import held_limit, setting_half

HIGH = 0.75  # of the cohort lie at or below what is called high, where no limit can be set
HIGH_WHEN_RIGHT = 0.1  # of right answers, at most, lie above a limit that can
TRUST, EXPERT, REACQUIRE, BOTH = "trust", "expert-review", "re-acquire", "both"
GROUPS = (TRUST, EXPERT, REACQUIRE, BOTH)
NOT_KNOWN = -1
PLACES = 12  # of bits
PARTS = ("aleatoric", "epistemic")


@dataclass(frozen=True)
class Sampled:
    """Cases with a score and samples; n of them, t samples each.

    All uncertainty is of "finding present or not", in bits: two kinds of finding that a model
    wavers between are no doubt about the finding.
    """

    rows: IntArray  # (n,) rows of the evidence
    score: FloatArray  # (n,) of the model as it is used
    samples: FloatArray  # (t, n) P(finding)
    clusters: Clusters
    wrong: IntArray  # (n,) 1 wrong at the operating point, 0 right, -1 no label
    point: OperatingPoint
    kind: str
    seed: int = DEFAULT_SEED  # deals the patients who set limits

    @cached_property
    def pairs(self) -> FloatArray:
        """(t, n, 2): absent, present."""
        return np.stack([1 - self.samples, self.samples], axis=2)

    @cached_property
    def bits(self) -> dict[str, FloatArray]:
        """total, aleatoric and epistemic of each case.

        And the entropy of its score alone, where that is no mean of the samples: of an ensemble
        and of a table it is, and would be the total once more.
        """
        parts = entropy_parts(self.pairs, unit="bits")
        # Rounding must not put cases in order of which all samples are alike.
        found = {
            "total": parts.total.round(PLACES),
            "aleatoric": parts.aleatoric.round(PLACES),
            "epistemic": parts.epistemic.round(PLACES),
        }
        if self.kind == "dropout":
            alone = np.stack([1 - self.score, self.score], axis=1)[None]
            found["score"] = entropy_parts(alone, unit="bits").total
        return found

    @cached_property
    def variance(self) -> dict[str, FloatArray]:
        """total, aleatoric and epistemic variance of each case."""
        parts = variance_parts(self.pairs)
        return {
            name: np.asarray(getattr(parts, name)[:, 1])
            for name in ("total", "aleatoric", "epistemic")
        }

    @property
    def known(self) -> BoolArray:
        return np.asarray(self.wrong != NOT_KNOWN)

    @cached_property
    def setting(self) -> BoolArray:
        """(n,) cases of the half of patients that sets the limits."""
        return setting_half(self.clusters, self.seed)

    @property
    def right(self) -> BoolArray:
        return np.asarray(self.wrong == 0)

    @cached_property
    def set_by_right(self) -> bool:
        """Right answers of half of the patients say what is high; else this cohort's quartile."""
        return all(np.isfinite(limit) for limit in self._held.values())

    @cached_property
    def high(self) -> dict[str, float]:
        """Above which value each kind is called high, in bits."""
        if self.set_by_right:
            return self._held
        return {name: float(np.quantile(self.bits[name], HIGH)) for name in PARTS}

    @cached_property
    def _held(self) -> dict[str, float]:
        """The limits that right answers of the one half set; infinity where they are too few."""
        rows = np.flatnonzero(self.setting & self.right)
        clusters = self.clusters.where(rows)
        return {
            name: held_limit(self.bits[name][rows], HIGH_WHEN_RIGHT, clusters) for name in PARTS
        }

    @cached_property
    def group(self) -> list[str]:
        """(n,) one of GROUPS."""
        apart = self.bits["epistemic"] > self.high["epistemic"]
        unsure = self.bits["aleatoric"] > self.high["aleatoric"]
        names = np.array([[TRUST, REACQUIRE], [EXPERT, BOTH]])
        return [str(name) for name in names[apart.astype(int), unsure.astype(int)]]

    def of_group(self, name: str) -> IntArray:
        return np.flatnonzero(np.array(self.group) == name)

    def ids(self, evidence: Evidence, chosen: IntArray) -> tuple[str, ...]:
        return tuple(evidence.case_ids[row] for row in self.rows[chosen])

    @property
    def answers_words(self) -> str:
        """ "30 samples of its dropout", "3 members"."""
        t = self.samples.shape[0]
        what = {"members": "members", "dropout": "samples of its dropout"}.get(self.kind)
        return f"{words.count(t)} {what or 'samples, as handed in'}"


def sampled_cases(
    evidence: Evidence, samples: Samples, point: OperatingPoint, seed: int = DEFAULT_SEED
) -> Sampled:
    """The cases that can be looked at; the check's `needs` promise a prediction."""
    assert evidence.prediction is not None
    score = evidence.prediction.score
    rows = np.flatnonzero(np.isfinite(score) & np.isfinite(samples.score).all(axis=0))
    called = score[rows] >= point.threshold
    wrong = np.full(rows.size, NOT_KNOWN)
    if evidence.present is not None:
        present = evidence.present[rows]
        wrong = np.where(present < 0, NOT_KNOWN, called != (present == 1))
    return Sampled(
        rows=rows,
        score=score[rows].clip(0, 1),
        samples=samples.score[:, rows],
        clusters=clusters_at(evidence, rows),
        wrong=wrong.astype(np.int64),
        point=point,
        kind=samples.kind,
        seed=seed,
    )


def unsampled_finding(
    check: str, evidence: Evidence, failures: Mapping[str, str], *, by_model: bool
) -> list[Finding]:
    """Cases without all of their answers, as a finding of its own; [] when there are none.

    Args:
        failures: case id -> error code.
        by_model: it was the model that was asked; else a table was handed in.
    """
    missing = [name for name in evidence.case_ids if name in failures]
    if not missing:
        return []
    counts: dict[str, int] = {}
    for name in missing:
        code = failures[name]
        counts[code] = counts.get(code, 0) + 1
    codes = ", ".join(f"{code}: {words.count(n)}" for code, n in sorted(counts.items()))
    return [
        Finding(
            f"{check}.failed-cases",
            State.CAUTION,
            f"{words.cases(len(missing))} of {words.count(len(evidence.case_ids))} could not be "
            "answered several times.",
            why=f"They enter no measure of uncertainty. Error codes: {codes}.",
            cases=tuple(missing),
            action="Open these cases and mend what stopped the model."
            if by_model
            else "Add these cases to the table of predictions.",
        )
    ]
