"""Does the model mark what the reference marks, and how far off are its borders?"""

from dataclasses import dataclass

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording, findings_of, result_of
from ml.checks.masked import (
    DISTANCE_POLICY,
    Group,
    case_values,
    distance_unit,
    failed_masks,
    qualified,
)
from ml.checks.registry import CheckResult, Finding, State, audit_check
from ml.checks.scored import clusters_at, in_clusters, settings_of
from ml.estimate import Estimate, JsonObject
from ml.evidence.tables import (
    MODEL,
    REFERENCE,
    BoolArray,
    Evidence,
    FloatArray,
    IntArray,
    MaskComparisons,
)
from ml.protocol import Protocol
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.means import case_mean, case_median
from ml.stats.proportion import proportion

ID = "segmentation"
QUESTION = "Does the model mark what the reference marks, and how far off are its borders?"
_WORST = 20  # cases named in the finding


@dataclass(frozen=True)
class _Pairs:
    """One structure: model against reference, one row per case."""

    name: str
    masks: MaskComparisons
    rows: IntArray
    clusters: Clusters  # of the rows

    def column(self, measure: str) -> FloatArray:
        values: FloatArray = self.masks.measures[measure][self.rows]
        return values

    @property
    def cases(self) -> IntArray:
        """Rows of the evidence."""
        index: IntArray = self.masks.case_index[self.rows]
        return index

    @property
    def marked(self) -> BoolArray:
        found: BoolArray = self.column("voxels_a") > 0
        return found

    @property
    def there(self) -> BoolArray:
        found: BoolArray = self.column("voxels_b") > 0
        return found


@audit_check(
    ID,
    title="Segmentation",
    question=QUESTION,
    needs=("predicted-masks", "reference-masks"),
    task="segmentation",
)
def segmentation(evidence: Evidence, protocol: Protocol) -> CheckResult:
    masks = evidence.masks
    assert masks is not None
    settings = settings_of(protocol)
    estimates: list[Estimate] = []
    wordings: dict[str, Wording] = {}
    findings: list[Finding] = []
    series: list[JsonObject] = []
    all_rows = masks.rows(MODEL, REFERENCE)
    for at, name in enumerate(masks.structures):
        rows = all_rows[masks.structure[all_rows] == at]
        pairs = _Pairs(name, masks, rows, clusters_at(evidence, masks.case_index[rows]))
        measured = [
            qualified(estimate, name, first=at == 0) for estimate in _measure(pairs, settings)
        ]
        estimates += measured
        wordings[measured[0].id] = _wording(evidence, pairs, measured[0])
        findings += _empty_findings(evidence, pairs)
        groups = [Group("Model against reference", pairs.column("dice"), measured[0], pairs.cases)]
        series.append(case_values(ID, evidence, name, "dice", groups))
    findings = [
        *findings_of(ID, estimates, protocol, wordings),
        *findings,
        *failed_masks(ID, evidence, masks),
        *_unpredicted(evidence, masks, all_rows),
    ]
    return result_of(QUESTION, estimates, findings, series)


def _measure(pairs: _Pairs, settings: Settings) -> list[Estimate]:
    """Dice first. Overlaps are means over cases, distances medians: a diagonal is no distance."""
    masks, unit = pairs.masks, distance_unit(pairs.masks)
    empty = int((~pairs.marked & ~pairs.there).sum())
    overlap = f"mean over cases; one mask empty: 0; both empty: left out ({words.cases(empty)})"
    tolerance = f"{masks.tolerance_mm:g} {unit}"
    apart = f"median over cases, {unit}, borders of voxels; {DISTANCE_POLICY}"

    def averaged(measure: str, column: str, convention: str) -> Estimate:
        values = pairs.column(column)
        return case_mean(measure, values, pairs.clusters, settings, convention=convention)

    def middle(measure: str, column: str, convention: str) -> Estimate:
        values = pairs.column(column)
        return case_median(measure, values, pairs.clusters, settings, convention=convention)

    return [
        averaged("dice", "dice", overlap),
        averaged("iou", "iou", overlap),
        averaged("surface_dice", "surface_dice", f"tolerance {tolerance}, {overlap}"),
        middle("hd95", "hd95", f"larger of the two directed 95th percentiles, {apart}"),
        middle("assd", "assd", f"pooled over both borders, {apart}"),
        case_mean(
            "volume_difference", _relative(pairs), pairs.clusters, settings,
            convention="(model − reference) / reference, mean over cases that have the structure",
        ),
        _share("missed", pairs, ~pairs.marked, pairs.there, "with the structure", settings),
        _share("invented", pairs, pairs.marked, ~pairs.there, "without the structure", settings),
    ]  # fmt: skip


def _relative(pairs: _Pairs) -> FloatArray:
    model, reference = pairs.column("volume_a"), pairs.column("volume_b")
    result = np.full(model.size, np.nan)
    np.divide(model - reference, reference, out=result, where=reference > 0)
    return result


def _share(
    measure: str, pairs: _Pairs, hit: BoolArray, among: BoolArray, who: str, settings: Settings
) -> Estimate:
    rows = np.flatnonzero(among)
    return proportion(
        measure, hit[rows], pairs.clusters.where(rows), level=settings.level,
        convention=f"share of cases {who} in the reference", of_what=f"cases {who}",
    )  # fmt: skip


def _wording(evidence: Evidence, pairs: _Pairs, dice: Estimate) -> Wording:
    values = pairs.column("dice")
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")][:_WORST]
    value = words.decimal(dice.value) if dice.value is not None else ""
    used = f"{words.cases(known.size)}{in_clusters(pairs.clusters.where(known))}"
    return Wording(
        f"The model’s {pairs.name} overlaps the reference with a Dice of {value} on average, where "
        "1 is the same mask.",
        why=f"Measured on {used}. Listed: the {words.cases(order.size)} with the least overlap.",
        cases=tuple(evidence.case_ids[row] for row in pairs.cases[order]),
        action="Look at the cases with the least overlap first.",
    )


def _empty_findings(evidence: Evidence, pairs: _Pairs) -> list[Finding]:
    """A structure that was missed whole, or marked where there is none, is said for itself."""
    missed = np.flatnonzero(~pairs.marked & pairs.there)
    invented = np.flatnonzero(pairs.marked & ~pairs.there)
    slug = "".join(sign if sign.isalnum() else "-" for sign in pairs.name.lower())
    there, free = int(pairs.there.sum()), int((~pairs.there).sum())
    findings = []
    if missed.size:
        findings.append(
            Finding(
                f"{ID}.missed.{slug}",
                State.INFO,
                f"The model marks nothing in {words.count(missed.size)} of {words.cases(there)} "
                f"with {pairs.name}.",
                why="They count as a Dice of 0, and as the image’s diagonal in distances.",
                measure="missed",
                cases=tuple(evidence.case_ids[row] for row in pairs.cases[missed]),
            )
        )
    if invented.size:
        findings.append(
            Finding(
                f"{ID}.invented.{slug}",
                State.INFO,
                f"The model marks {pairs.name} in {words.count(invented.size)} of "
                f"{words.cases(free)} without it.",
                why="They count as a Dice of 0.",
                measure="invented",
                cases=tuple(evidence.case_ids[row] for row in pairs.cases[invented]),
            )
        )
    return findings


def _unpredicted(evidence: Evidence, masks: MaskComparisons, rows: IntArray) -> list[Finding]:
    """Cases with a reference for which the model's mask was not handed in: nothing is guessed."""
    compared = set(masks.case_index[rows].tolist()) | {
        at for at, case_id in enumerate(evidence.case_ids) if case_id in masks.failures
    }
    lacking = [case_id for at, case_id in enumerate(evidence.case_ids) if at not in compared]
    if not lacking:
        return []
    return [
        Finding(
            f"{ID}.not-compared",
            State.CAUTION,
            f"{words.count(len(lacking))} of {words.cases(len(evidence.case_ids))} have no mask of "
            "the model, or no reference.",
            why="They enter no measure; a mask that is missing is not taken as an empty one.",
            cases=tuple(lacking),
            action="Hand in a mask for every case; an empty one where the model finds nothing.",
        )
    ]
