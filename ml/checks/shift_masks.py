"""Whether masks move along when the picture is moved a little."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording, findings_of, result_of, without_platform
from ml.checks.masked import limits_on, named_findings, protocol_of, qualified
from ml.checks.registry import CheckResult, Finding, not_assessed
from ml.checks.scored import failed_copies_finding, settings_of, unrun_finding
from ml.checks.shift_findings import SMALL_WORDS
from ml.checks.shift_masks_series import agreement_series, every_move
from ml.checks.shift_measures import ID, STEP, step_id
from ml.checks.shifted_masks import MovedMask, ShiftedMasks, failed_copies, least_of, shifted_masks
from ml.estimate import Estimate
from ml.evidence.tables import Evidence, FloatArray, IntArray
from ml.limits import Limit
from ml.protocol import Protocol
from ml.stats.arrays import ratio
from ml.stats.bootstrap import Settings
from ml.stats.robustness.severity import dice_loss

AGREEMENT, ALONE = "mask_agreement", "interpolation_agreement"
OF_SCORES = {"flip_rate"}  # that the platform asks of scores
_REPAIR = (
    "Look at the listed cases. Training with moved images, or smoothing before its layers skip "
    "pixels, may help."
)
_MORE = "Ask for more cases: 'shift_cases' in the protocol."
LOW = 0.9  # of Dice, below which a case is listed where no limit is set
_EMPTY = "both empty: undefined and left out; one: 0"
_WHAT = {
    AGREEMENT: f"Dice of the copy’s mask with the moved mask of the image; {_EMPTY}",
    ALONE: f"Dice of the image’s mask with itself, moved there and back; {_EMPTY}",
}


@dataclass(frozen=True)
class MeasuredMoves:
    """Everything that is measured of one structure.

    Attributes:
        estimates: by id.
        limit: on the agreement under small moves.
    """

    estimates: Mapping[str, Estimate]
    limit: Limit | None

    @property
    def whole(self) -> list[Estimate]:
        """All but those of a single step, which stand in the chart and its table."""
        return [one for name, one in self.estimates.items() if STEP not in name]

    def at(self, measure: str, move: str, step: int) -> Estimate:
        return self.estimates[step_id(measure, move, step)]

    @property
    def low(self) -> float:
        """Of Dice, below which a case is listed."""
        return LOW if self.limit is None else self.limit.value

    def too_far(self, shifted: ShiftedMasks, move: str = "") -> list[tuple[str, int]]:
        """Steps at which the agreement is shown to be below the limit; small ones alone."""
        places = [(one, step) for one, step, _ in shifted.small() if move in ("", one)]
        ends = {place: self.at(AGREEMENT, *place).high for place in places}
        return [place for place, high in ends.items() if high is not None and high < self.low]


def shift_of_masks(question: str, evidence: Evidence, protocol: Protocol) -> CheckResult:
    """The check of small moves, of a cohort with masks; its needs promise masks of moved copies."""
    found = evidence.moved_masks
    assert found is not None
    settings, own = settings_of(protocol), without_platform(protocol, ID, OF_SCORES)
    partly, failures = failed_copies(evidence, found)
    failed = [*failed_copies_finding(ID, partly, "moved copy"), *unrun_finding(ID, failures)]
    estimates: list[Estimate] = []
    findings: list[Finding] = []
    series = []
    for at, name in enumerate(evidence.classes):
        shifted = shifted_masks(evidence, found, at, name)
        if not shifted.rows.size:
            continue
        asked, end = protocol_of(own, ID, name), "" if at == 0 else f":{name}"
        measured = measured_of(shifted, asked.limit(ID, AGREEMENT), settings)
        here = {one.id for one in measured.whole}
        judged = replace(
            asked, limits=tuple(one for one in limits_on(asked, ID) if one.measure in here)
        )
        said = findings_of(ID, measured.whole, judged, wordings(evidence, shifted, measured))
        findings += named_findings(said, end)
        estimates += [qualified(one, name, first=at == 0) for one in measured.whole]
        series += [agreement_series(shifted, measured), every_move(shifted, measured)]
    if not estimates:
        return not_assessed(question, "No case was moved and marked.", findings=failed)
    known = {one.id for one in estimates}
    missed = replace(
        own, limits=tuple(one for one in limits_on(own, ID) if one.measure not in known)
    )
    every = (*findings, *findings_of(ID, estimates, missed, {}), *failed)
    return result_of(question, estimates, every, series)


def measured_of(shifted: ShiftedMasks, limit: Limit | None, settings: Settings) -> MeasuredMoves:
    small = [copy for _, _, copy in shifted.small()]
    found: list[Estimate] = []

    def mean(name: str, values: FloatArray, over: str = "") -> None:
        what = _WHAT[name.partition(":")[0]]
        convention = f"{what}; {over}, mean over cases" if over else f"{what}; mean over cases"
        found.append(_agreement(name, values, shifted, settings, convention))

    for measure in (AGREEMENT, ALONE):
        mean(measure, least_of(_values(measure, small)), "the least under any small move")
        for move in shifted.moves:
            each = _values(measure, shifted.of(move))
            mean(f"{measure}:{move}", _mean_of_known(each), "mean over steps")
        for (move, step), copy in shifted.copies.items():
            mean(step_id(measure, move, step), _values(measure, [copy])[0])
    return MeasuredMoves({one.id: one for one in found}, limit)


def _values(measure: str, copies: Sequence[MovedMask]) -> FloatArray:
    """(copies, n)"""
    return np.stack([one.agreement if measure == AGREEMENT else one.alone for one in copies])


def _agreement(
    name: str, values: FloatArray, shifted: ShiftedMasks, settings: Settings, convention: str
) -> Estimate:
    """1 less what is lost of a Dice of 1, so that masks that all agree have an interval too."""
    lost = dice_loss(np.ones(values.size), values, shifted.clusters, settings)
    found = lost.renamed(name, convention=convention)
    if found.value is None:
        return found
    low, high = (None if end is None else min(1.0, 1 - end) for end in (found.high, found.low))
    return replace(found, value=1 - found.value, low=low, high=high)


def _mean_of_known(values: FloatArray) -> FloatArray:
    """(n,) of (copies, n), of those that are defined; NaN where none is."""
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64))


def wordings(
    evidence: Evidence, shifted: ShiftedMasks, measured: MeasuredMoves
) -> dict[str, Wording]:
    """The claim of each measure that is said in words; only of those that have a value."""
    found = {}
    if measured.estimates[AGREEMENT].value is not None:
        found[AGREEMENT] = _whole(evidence, shifted, measured)
    for move in shifted.moves:
        estimate = measured.estimates[f"{AGREEMENT}:{move}"]
        if estimate.value is not None:
            found[estimate.id] = _one(evidence, shifted, measured, move)
    return found


def _whole(evidence: Evidence, shifted: ShiftedMasks, measured: MeasuredMoves) -> Wording:
    places = [(move, step) for move, step, _ in shifted.small()]
    known = [one for one in places if measured.at(AGREEMENT, *one).value is not None]
    worst = min(known, key=lambda one: measured.at(AGREEMENT, *one).value or 0.0)
    least = measured.at(AGREEMENT, *worst)
    value = words.decimal(measured.estimates[AGREEMENT].value or 0.0)
    far = measured.too_far(shifted)
    where = f"when the {shifted.image} is {shifted.said(*worst)}"
    said = "; ".join(
        f"{shifted.said(*one)} {words.measured(measured.at(AGREEMENT, *one))}" for one in far
    )
    of_cases = shifted.least()
    listed = _below(of_cases, measured.low)
    parts = [
        f"Run on {shifted.size_words}. {SMALL_WORDS}",
        f"Least of all moves {where}: {words.measured(least)}.",
        f"Shown to be below {measured.low:g}: {said}."
        if far
        else f"No small move is shown to bring it below {measured.low:g}.",
        _alone(measured, measured.estimates[AGREEMENT], measured.estimates[ALONE]),
        _listed(listed, measured.low, "under some small move"),
    ]
    return Wording(
        f"Under the small move that suits it least, its mask of {shifted.structure} and its mask "
        f"of the image, moved along, overlap with a Dice of {value} on average, where 1 is the "
        "same mask.",
        why=" ".join(part for part in parts if part),
        cases=shifted.ids(evidence, listed),
        action=_REPAIR if listed.size else _MORE,
    )


def _below(of_cases: FloatArray, low: float) -> IntArray:
    """Places of the cases below a value, the least first."""
    found = np.flatnonzero(np.nan_to_num(of_cases, nan=np.inf) < low)
    return found[np.argsort(of_cases[found], kind="stable")]


def _listed(cases: IntArray, low: float, where: str) -> str:
    if not cases.size:
        return ""
    return f"Listed, the least first: {words.cases(cases.size)} below {low:g} {where}."


def _alone(measured: MeasuredMoves, found: Estimate, alone: Estimate) -> str:
    """What interpolation costs by itself, beside what is found."""
    if alone.value is None:
        return ""
    said = (
        f"Its own mask, moved there and back and so interpolated twice, overlaps itself by "
        f"{words.measured(alone)}: what lacks there is none of the network’s."
    )
    if max(alone.value, found.value or 0.0) < measured.low:
        said += " That is less than is asked: these masks are too fine for their pixels to tell."
    return said


def _one(evidence: Evidence, shifted: ShiftedMasks, measured: MeasuredMoves, move: str) -> Wording:
    distortion = shifted.moves[move]
    steps = range(1, len(distortion.values) + 1)
    each = [measured.at(AGREEMENT, move, step) for step in steps]
    first, last = (
        "not known" if one.value is None else words.decimal(one.value)
        for one in (each[0], each[-1])
    )
    said = [f"{distortion.said[step - 1]} {words.measured(each[step - 1])}" for step in steps]
    alone = measured.estimates[f"{ALONE}:{move}"]
    lows = np.stack([copy.agreement for copy in shifted.of(move)])
    listed = _below(np.where(np.isfinite(lows), lows, np.inf).min(axis=0), measured.low)
    far = measured.too_far(shifted, move)
    parts = [
        f"Dice with the moved mask: {'; '.join(said)}.",
        _alone(measured, measured.estimates[f"{AGREEMENT}:{move}"], alone),
        _listed(listed, measured.low, "at some step"),
    ]
    claim = f"{distortion.title}: the mask of {shifted.structure} moves along with a Dice of "
    claim += f"{first} when the {shifted.image} is {distortion.said[0]}"
    claim += "" if len(each) == 1 else f" and {last} when it is {distortion.said[-1]}"
    if far:
        claim += f"; it is shown to be below {measured.low:g} already when it is "
        claim += shifted.said(*far[0])
    return Wording(
        f"{claim}.",
        why=" ".join(part for part in parts if part),
        cases=shifted.ids(evidence, listed),
        action=_REPAIR if listed.size else _MORE,
    )
