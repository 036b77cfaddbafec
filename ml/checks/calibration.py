"""Can the score be taken at its word?"""

from dataclasses import dataclass

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording, findings_of, result_of
from ml.checks.registry import CheckResult, audit_check, not_assessed
from ml.checks.scored import (
    Scored,
    compared_words,
    failed_finding,
    missing_scores,
    scored_cases,
    settings_of,
)
from ml.estimate import Estimate, JsonObject, JsonValue
from ml.evidence.tables import Evidence
from ml.protocol import Protocol
from ml.stats.bootstrap import Settings
from ml.stats.calibration.brier import brier
from ml.stats.calibration.calibration_error import ece, ece_debiased, ece_top_label
from ml.stats.calibration.recalibration import intercept, slope
from ml.stats.calibration.reliability import BINS, Reliability, bin_of, reliability
from ml.stats.calibration.scores import log_loss, observed_expected, scaled_brier

ID = "calibration"
QUESTION = "Can the score be taken at its word?"
_MEASURES = (
    ece_top_label, ece, ece_debiased, intercept, slope, observed_expected, brier, scaled_brier,
    log_loss,
)  # fmt: skip


@audit_check(
    ID,
    title="Calibration",
    question=QUESTION,
    needs=("labels", "prediction", "probabilities"),
    task="classification",
)
def calibration(evidence: Evidence, protocol: Protocol) -> CheckResult:
    scored = scored_cases(evidence)
    failed = failed_finding(ID, evidence, scored, "are left out")
    reason = missing_scores(scored)
    if reason:
        return not_assessed(QUESTION, reason, findings=failed)
    settings = settings_of(protocol)
    estimates = [
        measure(scored.scores, scored.present, scored.clusters, settings) for measure in _MEASURES
    ]
    bins = reliability(scored.scores, scored.present, scored.clusters, settings)
    widest = _widest_gap(bins)
    wordings = _wordings(evidence, scored, estimates, widest)
    findings = (*findings_of(ID, estimates, protocol, wordings), *failed)
    return result_of(QUESTION, estimates, findings, [_series(scored, bins, widest, settings)])


@dataclass(frozen=True)
class _Gap:
    """The bin that contributes most to the calibration error."""

    low: float
    high: float
    n: int
    mean: float
    observed: float


def _widest_gap(bins: Reliability) -> _Gap:
    at = int(np.argmax(bins.count * np.abs(bins.observed - bins.mean)))
    return _Gap(
        float(bins.low[at]),
        float(bins.high[at]),
        int(bins.count[at]),
        float(bins.mean[at]),
        float(bins.observed[at]),
    )


def _wordings(
    evidence: Evidence, scored: Scored, estimates: list[Estimate], widest: _Gap
) -> dict[str, Wording]:
    inside = bin_of(scored.scores, BINS) == round(widest.low * BINS)
    gap = next(e.value for e in estimates if e.id == "ece_top_label")
    bin_that_counts = (
        f"The bin that counts most, scores {words.decimal(widest.low)} to "
        f"{words.decimal(widest.high)}, holds {words.cases(widest.n)} with a mean score of "
        f"{words.decimal(widest.mean)}; the finding is present in "
        f"{words.per_cent(widest.observed)} of them."
    )
    parts = (f"Measured on {scored.size_words}.", compared_words(evidence), bin_that_counts)
    why = " ".join(part for part in parts if part)
    cases = scored.ids(evidence, np.flatnonzero(inside))
    action = "Do not show the score as a probability; recalibrate on other cases first."
    return {
        "ece_top_label": Wording(
            f"Its confidence and its accuracy are {words.points(gap or 0.0)} apart on average.",
            why, cases, action,
        )
    }  # fmt: skip


def _series(scored: Scored, bins: Reliability, widest: _Gap, settings: Settings) -> JsonObject:
    edges = np.arange(BINS + 1) / BINS
    present = np.bincount(bin_of(scored.scores[scored.present == 1]), minlength=BINS)
    absent = np.bincount(bin_of(scored.scores[scored.present == 0]), minlength=BINS)
    columns = {
        "low": bins.low, "high": bins.high, "n": bins.count, "events": bins.events,
        "mean": bins.mean, "observed": bins.observed, "observed_low": bins.observed_low,
        "observed_high": bins.observed_high,
    }  # fmt: skip
    rows: list[JsonValue] = [
        {
            name: int(column[at]) if name in ("n", "events") else round(float(column[at]), 6)
            for name, column in columns.items()
        }
        for at in range(bins.count.size)
    ]
    band: list[JsonValue] = [
        {"mean": round(float(mean), 6), "low": round(float(low), 6), "high": round(float(high), 6)}
        for mean, low, high in zip(bins.mean, bins.band_low, bins.band_high, strict=True)
    ]
    return {
        "kind": "reliability",
        "check": ID,
        "title": (
            f"A score of {words.decimal(widest.mean)} means the finding in "
            f"{words.per_cent(widest.observed)} of cases"
        ),
        "subtitle": (
            f"{scored.size_words}; {BINS} equal-width bins with {settings.level * 100:g} % Wilson "
            f"intervals; band: where a calibrated model would lie, {settings.draws:,} "
            f"simulations, seed {settings.seed}"
        ),
        "bins": rows,
        "band": band,
        "histogram": {
            "edges": [round(float(edge), 6) for edge in edges],
            "present": [int(n) for n in present],
            "absent": [int(n) for n in absent],
        },
    }
