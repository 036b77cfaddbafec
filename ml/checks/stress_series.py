"""What the chart of stress is drawn from: a panel for each corruption, severity by severity."""

import numpy as np

from ml.checks import words
from ml.checks.stress_measures import Measured
from ml.checks.stress_sampled import KINDS, Doubts
from ml.checks.stressed import Stressed, Version
from ml.estimate import Estimate, JsonObject, JsonValue, rounded
from ml.evidence.passes import Distortion
from ml.evidence.tables import Evidence
from ml.stats.arrays import FloatArray
from ml.stats.bootstrap import Settings
from ml.stats.calibration.binned_error import binned_error
from ml.stats.discrimination.auroc import auroc

_QUICK = Settings(draws=0)  # what the table adds has no interval


def curves_series(
    check: str, evidence: Evidence, stressed: Stressed, measured: Measured, settings: Settings,
    doubts: Doubts | None = None,
) -> JsonObject:  # fmt: skip
    """Accuracy and AUROC by severity, with what else the table holds of each version.

    A panel names a case whose copies show what the corruption is (``shown``). Where copies were
    answered several times, rows have their mean uncertainty too.
    """
    too_much = measured.too_much(stressed)
    panels: list[JsonValue] = [
        _panel(name, stressed, measured, too_much.get(name), doubts)
        | {"shown": _shown(name, evidence, stressed, too_much.get(name))}
        for name in stressed.distortions
    ]
    accuracy = measured.estimates["accuracy"].value or 0.0
    if measured.margin is None:
        title = f"Accuracy by severity, from {words.per_cent(accuracy)} on images as they are"
    else:
        title = (
            f"{words.count(len(too_much))} of {len(stressed.distortions)} corruptions are too much "
            "for it at some severity"
        )
    line = None
    if measured.margin is not None and measured.primary == "accuracy_loss":
        line = rounded(accuracy - measured.margin.value, 6)
    return {
        "kind": "stress-curves",
        "check": check,
        "title": title,
        "subtitle": (
            f"{stressed.size_words}; {stressed.number_words}. "
            "Severity 0 is the image as it is. Band: accuracy there less "
            f"the {settings.level * 100:g} % interval of the paired loss. Dashed: AUROC"
            + ("." if line is None else ". Line: the loss that is accepted.")
        ),
        "accuracy": rounded(accuracy, 6),
        "auroc": rounded(_auroc(stressed.score, stressed), 6),
        "line": line,
        "panels": panels,
    }


def _panel(
    corruption: str, stressed: Stressed, measured: Measured, first: int | None,
    doubts: Doubts | None,
) -> JsonObject:  # fmt: skip
    named = stressed.distortions[corruption]
    rows: list[JsonValue] = [
        _row(version, severity, named.values[severity - 1], corruption, stressed, measured)
        | ({} if doubts is None else _sampled(doubts, measured, corruption, severity))
        for severity, version in enumerate(stressed.of(corruption), 1)
    ]
    return panel_of(corruption, named, first, rows)


def panel_of(
    corruption: str, named: Distortion, first: int | None, rows: list[JsonValue]
) -> JsonObject:
    """A panel of one corruption, with a row for each severity.

    Args:
        first: the first severity that is shown to be too much.
    """
    return {
        "corruption": corruption,
        "title": named.title,
        "parameter": named.parameter,
        "first_too_much": first,
        "rows": rows,
    }


def _shown(
    corruption: str, evidence: Evidence, stressed: Stressed, first: int | None
) -> JsonObject | None:
    """The first case that is right as it is and wrong where the corruption is first too much.

    Where none is, the first of which every copy was answered; None where there is none either.
    Scores and answers stand in the order of severities, that of the image as it is first.
    """
    versions = stressed.of(corruption)
    known = np.stack([version.known for version in versions]).all(axis=0)
    chosen = np.flatnonzero(known)
    if first is not None:
        fallen = known & versions[first - 1].wrong & (stressed.right == 1)
        chosen = np.flatnonzero(fallen) if fallen.any() else chosen
    if not chosen.size:
        return None
    at = int(chosen[0])
    (case_id,) = stressed.ids(evidence, chosen[:1])
    return {
        "case": case_id,
        "scores": [
            rounded(float(score[at]), 6)
            for score in (stressed.score, *(version.score for version in versions))
        ],
        "right": [
            bool(right[at] == 1)
            for right in (stressed.right, *(version.right for version in versions))
        ],
    }


def _row(
    version: Version, severity: int, value: float, corruption: str, stressed: Stressed,
    measured: Measured,
) -> JsonObject:  # fmt: skip
    known = np.flatnonzero(version.known)
    loss = measured.at("accuracy_loss", corruption, severity)
    # Of the same cases: where copies failed, the clean accuracy of the others counts.
    clean = float(stressed.right[known].mean()) if known.size else 0.0
    flips = measured.at("flip_rate", corruption, severity)
    claimed, right = version.claimed[known], version.right[known]
    calibration = None
    if known.size:
        calibration = binned_error(claimed, right.astype(np.int64), None, _QUICK).value
    return {
        "severity": severity,
        "value": value,
        "n": int(known.size),
        "accuracy": less(clean, loss.value),
        "low": less(clean, loss.high),
        "high": less(clean, loss.low),
        "auroc": rounded(_auroc(version.score, stressed), 6),
        **with_ends("accuracy_lost", loss),
        **with_ends("auroc_lost", measured.at("auroc_loss", corruption, severity)),
        **with_ends("flip_rate", flips),
        "claimed": _mean(claimed),
        "entropy_bits": _mean(version.doubt[known]),
        **with_ends("entropy_rise", measured.at("entropy_rise", corruption, severity)),
        "brier": _mean((version.score[known] - stressed.present[known]) ** 2),
        "calibration_error": rounded(calibration, 6),
    }


def _sampled(doubts: Doubts, measured: Measured, corruption: str, severity: int) -> JsonObject:
    """Mean uncertainty of the copies and its rise, of each kind."""
    place = (corruption, severity)
    known = doubts.known(place)
    row: JsonObject = {}
    for kind in KINDS:
        row[f"{kind}_bits"] = _mean(doubts.copies[place][kind][known])
        row |= with_ends(f"{kind}_rise", measured.at(f"{kind}_rise", corruption, severity))
    return row


def with_ends(name: str, found: Estimate) -> JsonObject:
    """A measure and its interval as cells of a row."""
    ends = {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return {key: rounded(value, 6) for key, value in ends.items()}


def less(clean: float, loss: float | None) -> float | None:
    """A score 0..1 that has lost so much."""
    return None if loss is None else round(min(1.0, max(0.0, clean - loss)), 6)


def _mean(values: FloatArray) -> float | None:
    return round(float(values.mean()), 6) if values.size else None


def _auroc(score: FloatArray, stressed: Stressed) -> float | None:
    known = np.flatnonzero(np.isfinite(score))
    found: Estimate = auroc(score[known], stressed.present[known], settings=_QUICK)
    return found.value
