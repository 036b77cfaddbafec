"""What is measured of answers to moved copies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ml.checks.shifted import Copy, Shifted
from ml.estimate import Estimate
from ml.evidence.tables import FloatArray, IntArray
from ml.stats.arrays import ratio
from ml.stats.bootstrap import Settings
from ml.stats.means import case_mean
from ml.stats.proportion import proportion

ID = "shift-consistency"
STEP = ", step "
_CHANGE = "distance of P(finding) on the copy from that on the image as it is"
_AGREEMENT = "Pearson correlation of the copy's Grad-CAM with the moved Grad-CAM of the image"


@dataclass(frozen=True)
class Measured:
    """Everything that is measured of one run.

    Attributes:
        estimates: by id.
        flips: by id of a rate, the places of the cases behind it.
        worst: the small move and step with the most changed answers; None where none changes.
        has_maps: some case has maps that could be compared.
    """

    estimates: Mapping[str, Estimate]
    flips: Mapping[str, IntArray]
    worst: tuple[str, int] | None
    has_maps: bool

    @property
    def whole(self) -> list[Estimate]:
        """All but those of a single step, which stand in the chart and its table."""
        return [one for name, one in self.estimates.items() if STEP not in name]

    def at(self, measure: str, move: str, step: int) -> Estimate:
        return self.estimates[step_id(measure, move, step)]


def step_id(measure: str, move: str, step: int) -> str:
    """The id of a measure of one move at one step."""
    return f"{measure}:{move}{STEP}{step}"


def measured_of(shifted: Shifted, settings: Settings) -> Measured:
    small = [copy for _, _, copy in shifted.small()]
    flips: dict[str, IntArray] = {}
    found: list[Estimate] = []

    def rate(name: str, copies: Sequence[Copy], convention: str) -> None:
        estimate, flips[name] = _rate(name, copies, shifted, settings, convention)
        found.append(estimate)

    rate("flip_rate", small, "share of cases of which an answer changes under any small move")
    change = np.mean([copy.change for copy in small], axis=0)
    found.append(
        case_mean(
            "score_change", change, shifted.clusters, settings,
            convention=f"{_CHANGE}; mean over small moves",
        )
    )  # fmt: skip
    has_maps = any(np.isfinite(copy.agreement).any() for copy in shifted.copies.values())
    if has_maps:
        found.append(_agreement("map_agreement", small, shifted, settings, "small moves"))
    for move in shifted.moves:
        rate(
            f"flip_rate:{move}", shifted.of(move),
            "share of cases of which an answer changes at any step of the move",
        )  # fmt: skip
        if has_maps:
            name = f"map_agreement:{move}"
            found.append(_agreement(name, shifted.of(move), shifted, settings, "steps"))
    for (move, step), copy in shifted.copies.items():
        rate(step_id("flip_rate", move, step), [copy], "share of answers that change")
        found.append(
            case_mean(
                step_id("score_change", move, step), copy.change, shifted.clusters, settings,
                convention=_CHANGE,
            )
        )  # fmt: skip
        if has_maps:
            name = step_id("map_agreement", move, step)
            found.append(_agreement(name, [copy], shifted, settings, ""))
    counts = {
        (m, step): flips[step_id("flip_rate", m, step)].size for m, step, _ in shifted.small()
    }
    worst = max(counts, key=lambda place: counts[place]) if any(counts.values()) else None
    return Measured({one.id: one for one in found}, flips, worst, has_maps)


def _rate(
    name: str, copies: Sequence[Copy], shifted: Shifted, settings: Settings, convention: str
) -> tuple[Estimate, IntArray]:
    """Share of cases that change in one of some copies, of those that have all; and which."""
    flipped = np.stack([copy.flipped for copy in copies])
    known = np.flatnonzero(np.isfinite(flipped).all(axis=0))
    changes = (flipped[:, known] == 1).any(axis=0)
    found = proportion(
        name, changes, shifted.clusters.where(known), level=settings.level, convention=convention,
        of_what="cases of which every such copy was run",
    )  # fmt: skip
    return found, known[changes]


def _agreement(
    name: str, copies: Sequence[Copy], shifted: Shifted, settings: Settings, over: str
) -> Estimate:
    """Mean over the copies of a case whose maps could be compared, then over cases."""
    values = np.stack([copy.agreement for copy in copies])
    known = np.isfinite(values)
    of_case: FloatArray = ratio(
        np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64)
    )
    convention = f"{_AGREEMENT}; mean over {over}" if over else _AGREEMENT
    return case_mean(name, of_case, shifted.clusters, settings, convention=convention)
