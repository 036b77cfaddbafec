"""Does the model mark what the reference marks, and how far off are its borders?"""

from dataclasses import dataclass

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording, findings_of, result_of
from ml.checks.masked import (
    Group,
    case_values,
    distance_unit,
    failed_masks,
    qualified,
    slug,
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
from ml.stats.arrays import ratio
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.means import case_mean
from ml.stats.proportion import proportion
from ml.stats.segmentation.cases import over_cases
from ml.stats.segmentation.masks import Emptiness

ID = "segmentation"
QUESTION = "Does the model mark what the reference marks, and how far off are its borders?"
_WORST = 20  # cases named in the finding
_COUNTED = "Each counts as a Dice of 0, and as the image’s diagonal in distances."
_SIMILARITY = "1 − |model − reference| / (model + reference), of sizes, not of places"


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
    def emptiness(self) -> list[Emptiness]:
        """Which of the masks of each row has no voxel."""
        kinds: dict[tuple[bool, bool], Emptiness] = {
            (True, True): "none", (False, True): "prediction",
            (True, False): "reference", (False, False): "both",
        }  # fmt: skip
        return [kinds[two] for two in zip(self.marked.tolist(), self.there.tolist(), strict=True)]

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
        findings += _empty_findings(evidence, pairs, first=at == 0)
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

    def average(measure: str, values: str | FloatArray, convention: str = "") -> Estimate:
        numbers = pairs.column(values) if isinstance(values, str) else values
        return over_cases(
            measure, numbers, pairs.emptiness, pairs.clusters, settings, empty_value="0",
            convention=convention,
        )  # fmt: skip

    def distance(measure: str, convention: str) -> Estimate:
        return over_cases(
            measure, pairs.column(measure), pairs.emptiness, pairs.clusters, settings,
            average="median", empty_value="the image’s diagonal", unit=unit,
            convention=f"{convention}, {unit}, borders of voxels",
        )  # fmt: skip

    return [
        average("dice", "dice"),
        average("iou", "iou"),
        average("surface_dice", "surface_dice", f"tolerance {masks.tolerance_mm:g} {unit}"),
        distance("hd95", "larger of the two directed 95th percentiles"),
        distance("assd", "pooled over both borders"),
        average("volume_similarity", _similar(pairs), _SIMILARITY),
        case_mean(
            "volume_difference", _relative(pairs), pairs.clusters, settings,
            convention="(model − reference) / reference, mean over cases that have the structure: "
            "too much in one case makes up for too little in another",
        ),
        _share("missed", pairs, ~pairs.marked, pairs.there, "with the structure", settings),
        _share("invented", pairs, pairs.marked, ~pairs.there, "without the structure", settings),
    ]  # fmt: skip


def _relative(pairs: _Pairs) -> FloatArray:
    model, reference = pairs.column("volume_a"), pairs.column("volume_b")
    return ratio(model - reference, reference)


def _similar(pairs: _Pairs) -> FloatArray:
    model, reference = pairs.column("volume_a"), pairs.column("volume_b")
    return 1 - ratio(abs(model - reference), model + reference)


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


def _empty_findings(evidence: Evidence, pairs: _Pairs, *, first: bool) -> list[Finding]:
    """A structure that was missed whole, or marked where there is none, is said for itself."""
    missed = np.flatnonzero(~pairs.marked & pairs.there)
    invented = np.flatnonzero(pairs.marked & ~pairs.there)
    of = "" if first else f":{pairs.name}"  # as the measure is named
    there, free = int(pairs.there.sum()), int((~pairs.there).sum())
    findings = []
    if missed.size:
        findings.append(
            Finding(
                f"{ID}.missed.{slug(pairs.name)}",
                State.INFO,
                f"The model marks nothing in {words.count(missed.size)} of {words.cases(there)} "
                f"with {pairs.name}.",
                why=_COUNTED,
                measure=f"missed{of}",
                cases=tuple(evidence.case_ids[row] for row in pairs.cases[missed]),
            )
        )
    if invented.size:
        findings.append(
            Finding(
                f"{ID}.invented.{slug(pairs.name)}",
                State.INFO,
                f"The model marks {pairs.name} in {words.count(invented.size)} of "
                f"{words.cases(free)} without it.",
                why=_COUNTED,
                measure=f"invented{of}",
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
            f"{words.count(len(lacking))} of {words.cases(len(evidence.case_ids))} "
            f"{'has' if len(lacking) == 1 else 'have'} no mask of the model, or no reference.",
            why="They enter no measure; a mask that is missing is not taken as an empty one.",
            cases=tuple(lacking),
            action="Hand in a mask for every case; an empty one where the model finds nothing.",
        )
    ]
