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
    qualified,
    slug,
)
from ml.checks.registry import CheckResult, Finding, State, audit_check
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
from ml.stats.means import case_mean, case_median, mean_difference
from ml.stats.segmentation.readers import MaskPairs, model_beside_readers, pairwise_mean

ID = "segmentation-panel"
QUESTION = "Do the readers draw the same borders, and is the model one of them?"
_WORST = 20
READER = "reader"
_FIXED = "taken as they are: the interval speaks of other cases, not of other readers"


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

    def pairs(self, measure: str) -> MaskPairs:
        """Of readers with each other, and of the model with each of them."""
        human, model = self.rows(READER, READER), self.rows(MODEL, READER)
        rows = np.concatenate([human, model])
        return MaskPairs(
            self.masks.case_index[rows], self.masks.measures[measure][rows],
            np.arange(rows.size) >= human.size, self.n_cases,
        )  # fmt: skip

    def beside_others(self, whose: str) -> FloatArray:
        """(n,) mean Dice with the majorities of the others in each case."""
        rows = self.rows(whose, OTHERS)
        values = self.masks.measures["dice"][rows]
        no = np.zeros(rows.size, dtype=np.bool_)
        compared = MaskPairs(self.masks.case_index[rows], values, no, self.n_cases)
        return compared.per_case(with_model=False)


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
    alone: list[Finding] = []
    for at, name in enumerate(masks.structures):
        panel = _Panel(name, at, masks, n, clusters)
        measured = [
            qualified(estimate, name, first=at == 0) for estimate in _measure(panel, settings)
        ]
        estimates += measured
        by_id = {estimate.id.partition(":")[0]: estimate for estimate in measured}
        pair = by_id["reader_dice"]
        wordings[pair.id] = _wording(evidence, panel, pair)
        for measure, worded in (
            ("model_minus_readers", _beside_majority),
            ("model_reader_difference", _beside_readers),
        ):
            if measure in by_id:
                wordings[by_id[measure].id] = worded(evidence, panel, by_id[measure])
        alone += _model_alone(evidence, panel)
        series.append(case_values(ID, evidence, name, "dice", _groups(panel, by_id)))
    findings: Sequence[Finding] = [
        *findings_of(ID, estimates, protocol, wordings),
        *alone,
        *failed_masks(ID, evidence, masks),
    ]
    return result_of(QUESTION, estimates, findings, series)


def _measure(panel: _Panel, settings: Settings) -> list[Estimate]:
    """Pairs of readers; the model with each of them; each against the others' majority."""
    masks, unit = panel.masks, distance_unit(panel.masks)
    dice = panel.pairs("dice")
    surface = pairwise_mean(
        panel.pairs("surface_dice"), panel.clusters, settings, measure="reader_surface_dice"
    )
    estimates = [
        pairwise_mean(dice, panel.clusters, settings, measure="reader_dice"),
        surface.renamed(
            surface.id, convention=f"tolerance {masks.tolerance_mm:g} {unit}, {surface.convention}"
        ),
        _distance(panel, settings, "hd95", ""),
        _distance(panel, settings, "assd", ": a tolerance that readers’ own differences bear out"),
    ]
    if dice.with_model.any():
        beside = model_beside_readers(dice, panel.clusters, settings)
        estimates += [
            beside.model.renamed("model_reader_dice"),
            beside.difference.renamed("model_reader_difference"),
        ]  # fmt: skip
    return [*estimates, *_against_majorities(panel, settings)]


def _distance(panel: _Panel, settings: Settings, measure: str, what_for: str) -> Estimate:
    unit = distance_unit(panel.masks)
    return case_median(
        f"reader_{measure}", panel.pairs(measure).per_case(with_model=False), panel.clusters,
        settings, convention=f"mean over the pairs of a case, median over cases, {unit}{what_for}; "
        f"{DISTANCE_POLICY}",
    ).in_unit(unit)  # fmt: skip


def _against_majorities(panel: _Panel, settings: Settings) -> list[Estimate]:
    """Nobody is compared with a consensus that holds his own mask; [] without three readers."""
    empty = "one mask empty: 0; both empty: left out"
    human, model = panel.beside_others(READER), panel.beside_others(MODEL)
    if np.isnan(human).all():
        return []
    estimates = [
        case_mean(
            "reader_consensus_dice", human, panel.clusters, settings,
            convention="each reader against the majority of the other readers, mean over "
            f"readers, then over cases with three or more; {empty}",
        )
    ]  # fmt: skip
    if not np.isnan(model).all():
        estimates += [
            case_mean(
                "model_consensus_dice", model, panel.clusters, settings,
                convention="model against the same majorities; " + empty,
            ),
            mean_difference(
                "model_minus_readers", model, human, panel.clusters, settings,
                convention="Dice of the model minus that of the readers against the same "
                "majorities, paired by case: cases that lack one of the two are left out",
            ),
        ]  # fmt: skip
    return estimates


def _groups(panel: _Panel, by_id: dict[str, Estimate]) -> list[Group]:
    cases, dice = np.arange(panel.n_cases), panel.pairs("dice")
    return [
        Group(label, values, by_id[measure], cases)
        for label, measure, values in (
            ("Reader against reader", "reader_dice", dice.per_case(with_model=False)),
            ("Model against reader", "model_reader_dice", dice.per_case(with_model=True)),
            ("Reader against the others’ majority", "reader_consensus_dice",
             panel.beside_others(READER)),
            ("Model against the same majority", "model_consensus_dice",
             panel.beside_others(MODEL)),
        )
        if measure in by_id
    ]  # fmt: skip


def _wording(evidence: Evidence, panel: _Panel, estimate: Estimate) -> Wording:
    dice = panel.pairs("dice")
    values = dice.per_case(with_model=False)
    listed, known = _least(evidence, values)
    value = words.decimal(estimate.value) if estimate.value is not None else ""
    used = f"{words.cases(known.size)}{in_clusters(panel.clusters.where(known))}"
    counts = dice.counts(with_model=False)
    pairs, empty = counts["n_pairs"], counts["n_pairs_both_empty"]
    beyond = f" ({words.count(empty)} more pairs of two empty masks left out)" if empty else ""
    who = "not named: they are only numbered within a case" if panel.masks.exchangeable else "named"
    return Wording(
        f"Two readers’ masks of {panel.name} overlap with a Dice of {value} on average.",
        why=(
            f"{words.count(pairs - empty)} pairs on {used}{beyond}; readers are {who}, and "
            f"{_FIXED}. Listed: the {words.cases(len(listed))} on which they differ most."
        ),
        cases=listed,
        action="Take no single reader’s mask as the truth: the next reader would draw another.",
    )


def _beside_majority(evidence: Evidence, panel: _Panel, difference: Estimate) -> Wording:
    model, human = panel.beside_others(MODEL), panel.beside_others(READER)
    listed, paired = _paired(evidence, model, human)
    return Wording(
        f"Against the same majority of readers, the model’s Dice of {panel.name} "
        f"{_gap(difference)} that of a reader{_untold(difference)}.",
        why=f"{paired}; cases with three readers or more; readers are {_FIXED}. Listed: the "
        f"{words.cases(len(listed))} where it falls behind most.",
        cases=listed,
        action="Look at the cases where readers agree with each other and the model does not.",
    )


def _beside_readers(evidence: Evidence, panel: _Panel, difference: Estimate) -> Wording:
    dice = panel.pairs("dice")
    model, human = dice.per_case(with_model=True), dice.per_case(with_model=False)
    listed, paired = _paired(evidence, model, human)
    return Wording(
        f"The model’s Dice of {panel.name} with a reader {_gap(difference)} that of two readers"
        f"{_untold(difference)}.",
        why=f"{paired}; readers are {_FIXED}. Above 0 is no proof of a better mask: who draws the "
        "middle of all readers overlaps each more than they overlap each other. Listed: the "
        f"{words.cases(len(listed))} where it falls behind most.",
        cases=listed,
        action="Look at the cases where readers overlap each other and the model does not.",
    )


def _paired(
    evidence: Evidence, model: FloatArray, human: FloatArray
) -> tuple[tuple[str, ...], str]:
    """The cases where the model falls behind most, and both means over the cases of the difference.

    The means of the table may be over more cases, so that they do not differ by the difference.
    """
    listed, known = _least(evidence, model - human)
    text = f"Paired on {words.cases(known.size)}"
    if known.size:
        own, other = (words.decimal(float(values[known].mean())) for values in (model, human))
        text += f", on which the model has {own} and readers {other}"
    return listed, text


def _gap(difference: Estimate) -> str:
    """ "lies 0.050 below"; nothing lies 0.000 above."""
    value = difference.value or 0.0
    size = words.decimal(abs(value))
    if size == words.decimal(0.0):
        return "is, to three decimals,"
    return f"lies {size} {'below' if value < 0 else 'above'}"


def _untold(difference: Estimate) -> str:
    """Said of a difference whose interval holds 0: which of the two is larger is not known."""
    low, high = difference.low, difference.high
    if low is None or high is None or not low <= 0 <= high:
        return ""
    return "; its interval holds 0, so either may be the larger"


def _least(evidence: Evidence, values: FloatArray) -> tuple[tuple[str, ...], IntArray]:
    """The cases with the lowest values, and the rows of all that have one."""
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")][:_WORST]
    return tuple(evidence.case_ids[row] for row in order), known


def _model_alone(evidence: Evidence, panel: _Panel) -> list[Finding]:
    """What every difference leaves out, and what would count against the model in it."""
    dice = panel.pairs("dice")
    alone = np.flatnonzero(dice.model_alone)
    if not alone.size:
        return []
    compared = np.intersect1d(dice.case[dice.with_model], dice.case[~dice.with_model])
    nobody = int(np.isnan(dice.per_case(with_model=False)[compared]).sum())
    return [
        Finding(
            f"{ID}.model-alone.{slug(panel.name)}",
            State.CAUTION,
            f"The model marks {panel.name} in {words.count(alone.size)} of {words.cases(nobody)} "
            "in which no reader does.",
            why="The differences between model and readers leave these cases out: two empty masks "
            "have no Dice to be compared with.",
            cases=tuple(evidence.case_ids[row] for row in alone),
            action="Read the differences together with these cases; look at what the model marks.",
        )
    ]
