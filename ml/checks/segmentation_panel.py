"""Do the readers draw the same borders, and is the model one of them?"""

from collections.abc import Sequence
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
    per_case,
    qualified,
)
from ml.checks.registry import CheckResult, Finding, audit_check
from ml.checks.scored import clusters_at, in_clusters, settings_of
from ml.estimate import Estimate, JsonObject
from ml.evidence.tables import (
    MODEL,
    OTHERS,
    Evidence,
    FloatArray,
    IntArray,
    MaskComparisons,
)
from ml.protocol import Protocol
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.means import case_mean, case_median

ID = "segmentation-panel"
QUESTION = "Do the readers draw the same borders, and is the model one of them?"
_WORST = 20
READER = "reader"


@dataclass(frozen=True)
class _Panel:
    """One structure with the masks of several readers."""

    name: str
    at: int
    masks: MaskComparisons
    n_cases: int
    clusters: Clusters  # of all cases

    def rows(self, a: str, b: str) -> IntArray:
        rows = self.masks.rows(a, b)
        chosen: IntArray = rows[self.masks.structure[rows] == self.at]
        return chosen

    def values(self, measure: str, a: str, b: str) -> FloatArray:
        """(n,) mean over the pairs of each case."""
        rows = self.rows(a, b)
        return per_case(
            self.masks.measures[measure][rows], self.masks.case_index[rows], self.n_cases
        )


@audit_check(
    ID,
    title="Readers’ masks",
    question=QUESTION,
    needs=("reader-masks",),
    task="segmentation",
)
def segmentation_panel(evidence: Evidence, protocol: Protocol) -> CheckResult:
    masks = evidence.masks
    assert masks is not None
    settings = settings_of(protocol)
    n = len(evidence.case_ids)
    clusters = clusters_at(evidence, np.arange(n))
    estimates: list[Estimate] = []
    wordings: dict[str, Wording] = {}
    series: list[JsonObject] = []
    for at, name in enumerate(masks.structures):
        panel = _Panel(name, at, masks, n, clusters)
        measured = [
            qualified(estimate, name, first=at == 0) for estimate in _measure(panel, settings)
        ]
        estimates += measured
        by_id = {estimate.id.partition(":")[0]: estimate for estimate in measured}
        pair = by_id["reader_dice"]
        wordings[pair.id] = _wording(evidence, panel, pair)
        if "model_minus_readers" in by_id:
            difference = by_id["model_minus_readers"]
            wordings[difference.id] = _beside(evidence, panel, difference)
        series.append(case_values(ID, evidence, name, "dice", _groups(panel, by_id, settings)))
    findings: Sequence[Finding] = [
        *findings_of(ID, estimates, protocol, wordings),
        *failed_masks(ID, evidence, masks),
    ]
    return result_of(QUESTION, estimates, findings, series)


def _measure(panel: _Panel, settings: Settings) -> list[Estimate]:
    """Pairs of readers; each reader against the majority of the others; the model likewise."""
    masks, unit = panel.masks, distance_unit(panel.masks)
    empty = "one mask empty: 0; both empty: left out"
    of_pairs = "mean over pairs of readers of a case, then over cases"
    estimates = [
        _mean(panel, settings, "reader_dice", "dice", f"{of_pairs}; {empty}"),
        _mean(
            panel, settings, "reader_surface_dice", "surface_dice",
            f"tolerance {masks.tolerance_mm:g} {unit}, {of_pairs}; {empty}",
        ),
        case_median(
            "reader_hd95", panel.values("hd95", READER, READER), panel.clusters, settings,
            convention=f"median over cases, {unit}; {DISTANCE_POLICY}",
        ),
        case_median(
            "reader_assd", panel.values("assd", READER, READER), panel.clusters, settings,
            convention=f"median over cases, {unit}: a tolerance that readers’ own differences bear "
            f"out; {DISTANCE_POLICY}",
        ),
    ]  # fmt: skip
    human = panel.values("dice", READER, OTHERS)
    if (~np.isnan(human)).any():
        estimates.append(
            case_mean(
                "reader_consensus_dice", human, panel.clusters, settings,
                convention="each reader against the majority of the other readers, mean over "
                f"readers, then over cases with three or more; {empty}",
            )
        )  # fmt: skip
        model = panel.values("dice", MODEL, OTHERS)
        if (~np.isnan(model)).any():
            estimates += [
                case_mean(
                    "model_consensus_dice", model, panel.clusters, settings,
                    convention="model against the same majorities; " + empty,
                ),
                case_mean(
                    "model_minus_readers", model - human, panel.clusters, settings,
                    convention="Dice of the model minus that of the readers against the same "
                    "majorities, paired by case",
                ),
            ]  # fmt: skip
    return estimates


def _mean(
    panel: _Panel, settings: Settings, measure: str, column: str, convention: str
) -> Estimate:
    values = panel.values(column, READER, READER)
    return case_mean(measure, values, panel.clusters, settings, convention=convention)


def _groups(panel: _Panel, by_id: dict[str, Estimate], settings: Settings) -> list[Group]:
    cases = np.arange(panel.n_cases)
    groups = [
        Group("Reader against reader", panel.values("dice", READER, READER), by_id["reader_dice"],
              cases),
    ]  # fmt: skip
    for label, measure, whose in (
        ("Reader against the others’ majority", "reader_consensus_dice", READER),
        ("Model against the same majority", "model_consensus_dice", MODEL),
    ):
        if measure in by_id:
            groups.append(Group(label, panel.values("dice", whose, OTHERS), by_id[measure], cases))
    return groups


def _wording(evidence: Evidence, panel: _Panel, estimate: Estimate) -> Wording:
    values = panel.values("dice", READER, READER)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")][:_WORST]
    value = words.decimal(estimate.value) if estimate.value is not None else ""
    used = f"{words.cases(known.size)}{in_clusters(panel.clusters.where(known))}"
    pairs = panel.rows(READER, READER).size
    who = "not named: they are only numbered within a case" if panel.masks.exchangeable else "named"
    return Wording(
        f"Two readers’ masks of {panel.name} overlap with a Dice of {value} on average.",
        why=(
            f"{words.count(pairs)} pairs on {used}; readers are {who}. Listed: the "
            f"{words.cases(order.size)} on which they differ most."
        ),
        cases=tuple(evidence.case_ids[row] for row in order),
        action="Take no single reader’s mask as the truth: no model can agree better than they do.",
    )


def _beside(evidence: Evidence, panel: _Panel, difference: Estimate) -> Wording:
    gap = panel.values("dice", MODEL, OTHERS) - panel.values("dice", READER, OTHERS)
    known = np.flatnonzero(~np.isnan(gap))
    order = known[np.argsort(gap[known], kind="stable")][:_WORST]
    claim = "The model cannot be set beside the readers."
    if difference.value is not None:
        how = "below" if difference.value < 0 else "above"
        claim = (
            f"Against the same majority of readers, the model’s Dice of {panel.name} lies "
            f"{words.decimal(abs(difference.value))} {how} that of a reader."
        )
    return Wording(
        claim,
        why=f"Paired on {words.cases(known.size)} with three readers or more. Listed: the "
        f"{words.cases(order.size)} where it falls behind most.",
        cases=tuple(evidence.case_ids[row] for row in order),
        action="Look at the cases where readers agree with each other and the model does not.",
    )
