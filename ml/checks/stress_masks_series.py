"""What the chart of stress of masks is drawn from: a panel for each corruption."""

from collections.abc import Mapping

import numpy as np

from ml.checks import words
from ml.checks.stress_measures import too_much, version_id
from ml.checks.stress_series import less, panel_of, with_ends
from ml.checks.stressed_masks import StressedMasks
from ml.estimate import Estimate, JsonObject, JsonValue, rounded
from ml.evidence.tables import Evidence
from ml.limits import Limit
from ml.stats.bootstrap import Settings


def mask_curves(
    check: str,
    evidence: Evidence,
    stressed: StressedMasks,
    estimates: Mapping[str, Estimate],
    margin: Limit | None,
    settings: Settings,
) -> JsonObject:
    """Dice of one structure by severity, with what else the table holds of each version."""
    broken = too_much(estimates, stressed.distortions)
    clean = estimates["dice"].value
    panels: list[JsonValue] = [
        _panel(name, stressed, estimates, broken.get(name))
        | {"shown": _shown(name, evidence, stressed, broken.get(name))}
        for name in stressed.distortions
    ]
    title = "Dice could not be measured"
    if clean is not None:
        title = (
            f"Dice of {stressed.structure} by severity, from {words.decimal(clean)} on images as "
            "they are"
        )
    if margin is not None:
        title = (
            f"{words.count(len(broken))} of {len(stressed.distortions)} corruptions are too much "
            f"for its masks of {stressed.structure} at some severity"
        )
    line = None if margin is None or clean is None else rounded(clean - margin.value, 6)
    return {
        "kind": "stress-curves",
        "check": check,
        "measure": "dice",
        "structure": stressed.structure,
        "title": title,
        "subtitle": (
            f"{stressed.size_words}; {stressed.number_words}. Severity 0 is the image as it is. "
            f"Band: Dice there less the {settings.level * 100:g} % interval of the paired loss"
            + ("." if line is None else ". Line: the loss that is accepted.")
        ),
        "dice": rounded(clean, 6),
        "line": line,
        "panels": panels,
    }


def _panel(
    corruption: str, stressed: StressedMasks, estimates: Mapping[str, Estimate], first: int | None
) -> JsonObject:
    named = stressed.distortions[corruption]
    rows: list[JsonValue] = []
    for severity, version in enumerate(stressed.of(corruption), 1):
        falls = stressed.falls(version)
        # Of the same cases: where copies failed, the Dice of the others counts.
        clean = float(stressed.dice[np.isfinite(falls)].mean()) if np.isfinite(falls).any() else 0.0
        loss = estimates[version_id("dice_loss", corruption, severity)]
        row: JsonObject = {
            "severity": severity,
            "value": named.values[severity - 1],
            "n": loss.n,
            "dice": less(clean, loss.value),
            "low": less(clean, loss.high),
            "high": less(clean, loss.low),
            **with_ends("dice_lost", loss),
        }
        for name in ("volume_change", "missed", "invented"):
            row |= with_ends(name, estimates[version_id(name, corruption, severity)])
        rows.append(row)
    return panel_of(corruption, named, first, rows)


def _shown(
    corruption: str, evidence: Evidence, stressed: StressedMasks, first: int | None
) -> JsonObject | None:
    """The case whose Dice falls most where the corruption is first too much.

    Where it is not, the first of which every copy has a Dice; None where there is none either.
    """
    every = [stressed.dice, *(version.dice for version in stressed.of(corruption))]
    chosen = np.flatnonzero(np.isfinite(np.stack(every)).all(axis=0))
    if not chosen.size:
        return None
    at = int(chosen[0])
    if first is not None:
        falls = stressed.falls(stressed.versions[corruption, first])[chosen]
        at = int(chosen[int(np.argmax(falls))])
    (case_id,) = stressed.ids(evidence, np.array([at]))
    return {"case": case_id, "dice": [rounded(float(dice[at]), 6) for dice in every]}
