"""How much noise, blur or another contrast masks bear: the same question of a model that marks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording, findings_of, result_of, without_limits, without_platform
from ml.checks.masked import named_findings, protocol_of, qualified
from ml.checks.registry import CheckResult, Finding, not_assessed
from ml.checks.scored import failed_copies_finding, settings_of
from ml.checks.stress_findings import borne_findings, worst_finding
from ml.checks.stress_masks_series import mask_curves
from ml.checks.stress_measures import ID, MILD, STEP, asked_severity, borne, version_id, worst
from ml.checks.stressed_masks import FALL, StressedMasks, stressed_masks
from ml.estimate import Estimate
from ml.evidence.tables import BoolArray, Evidence, FloatArray, IntArray
from ml.limits import Limit
from ml.protocol import Protocol
from ml.stats.bootstrap import Settings
from ml.stats.means import case_mean
from ml.stats.proportion import proportion
from ml.stats.robustness.degradation import mean_degradation
from ml.stats.robustness.severity import dice_loss

MARGIN = "dice_loss"
_JUDGED_HERE = {MARGIN, "severity_borne"}
OF_SCORES = {"accuracy_loss", "auroc_loss", "error_when_sure"}  # that the platform asks of scores
_EMPTY = "of cases whose reference has the structure; nothing marked: 0"
_CHANGE = (
    "pixels that the copy’s mask has more than that of the image as it is, over those of the "
    "reference; mean over cases that have the structure"
)


@dataclass(frozen=True)
class MeasuredMasks:
    """Everything that is measured of one structure, by id; see ``stress_measures.Measured``."""

    estimates: Mapping[str, Estimate]
    margin: Limit | None
    structure: str
    asked: int = MILD
    primary: str = MARGIN
    in_points: bool = False

    @property
    def what(self) -> str:
        return f"the Dice of {self.structure}"

    def at(self, measure: str, corruption: str, severity: int) -> Estimate:
        return self.estimates[version_id(measure, corruption, severity)]

    def mild_words(self, corruption: str) -> str:
        """How the marked area changes at the last of the mild severities, and what is missed."""
        change = self.at("volume_change", corruption, MILD)
        missed = self.at("missed", corruption, MILD)
        if change.value is None:
            return ""
        said = f"At severity {MILD} the marked area changes by {words.measured(change)} of the "
        said += "reference’s"
        if missed.extra.get("numerator"):
            said += f", and nothing is marked in {words.measured(missed)}{words.of_counts(missed)}"
        return f"{said}."

    @property
    def whole(self) -> list[Estimate]:
        """All but those of a single severity, which stand in the table of the chart."""
        return [one for name, one in self.estimates.items() if STEP not in name]


def stress_of_masks(question: str, evidence: Evidence, protocol: Protocol) -> CheckResult:
    """The check of stress, of a cohort with masks; its needs promise masks of copies."""
    copies, masks = evidence.corrupted_masks, evidence.masks
    assert copies is not None
    assert masks is not None
    settings, own = settings_of(protocol), without_platform(protocol, ID, OF_SCORES)
    estimates: list[Estimate] = []
    findings: list[Finding] = []
    wordings: dict[str, Wording] = {}
    series = []
    incomplete: dict[str, None] = {}
    for at, name in enumerate(masks.structures):
        asked = protocol_of(own, ID, name)
        margin = asked.limit(ID, MARGIN)
        fall = FALL if margin is None else margin.value
        stressed = stressed_masks(evidence, copies, masks, at, fall)
        if not stressed.n:
            continue
        measured = measured_of(stressed, asked, settings)
        first = at == 0
        shown = [*worst(measured.estimates, MARGIN, measured.asked), *measured.whole]
        named = [qualified(one, name, first=first) for one in shown]
        estimates += named
        findings += named_findings(
            [
                *borne_findings(ID, evidence, asked, stressed, measured),
                *worst_finding(ID, evidence, asked, stressed, measured),
            ],
            "" if first else f":{name}",
        )
        wordings |= _wording(stressed, measured, "" if first else f":{name}")
        series.append(mask_curves(ID, evidence, stressed, measured.estimates, margin, settings))
        incomplete |= dict.fromkeys(stressed.ids(evidence, stressed.incomplete))
    if not estimates:
        reason = "No case with a mask of the model and a reference was corrupted."
        return not_assessed(question, reason)
    every = (
        *findings,
        *findings_of(ID, estimates, without_limits(own, _JUDGED_HERE), wordings),
        *failed_copies_finding(ID, tuple(incomplete), "corrupted copy"),
    )
    return result_of(question, estimates, every, series)


def measured_of(stressed: StressedMasks, protocol: Protocol, settings: Settings) -> MeasuredMasks:
    margin, clusters = protocol.limit(ID, MARGIN), stressed.clusters
    found: list[Estimate] = []
    for (corruption, severity), version in stressed.versions.items():
        loss = dice_loss(stressed.dice, version.dice, clusters, settings)
        found += [
            loss.renamed(
                version_id(MARGIN, corruption, severity), convention=f"{loss.convention}; {_EMPTY}"
            ),
            case_mean(
                version_id("volume_change", corruption, severity), stressed.change(version),
                clusters, settings, convention=_CHANGE,
            ),
            *(
                proportion(
                    version_id(name, corruption, severity), hit[rows], clusters.where(rows),
                    level=settings.level, convention=f"share of cases {who} in the reference",
                    of_what=f"cases {who} of which the copy was run",
                )
                for name, hit, rows, who in _empty(stressed, version.marked)
            ),
        ]  # fmt: skip
    by_id = {one.id: one for one in found}
    for corruption, named in stressed.distortions.items():
        steps = range(1, len(named.values) + 1)
        losses = [by_id[version_id(MARGIN, corruption, severity)] for severity in steps]
        found.append(borne(losses, margin, corruption))
    found += [
        case_mean(
            "dice", stressed.dice, clusters, settings,
            convention=f"of the images as they are, mean over cases; {_EMPTY}",
        ),
        _mean_loss(stressed, settings),
    ]  # fmt: skip
    return MeasuredMasks(
        {one.id: one for one in found}, margin, stressed.structure, asked_severity(protocol)
    )


def _empty(
    stressed: StressedMasks, marked: FloatArray
) -> Iterator[tuple[str, BoolArray, IntArray, str]]:
    """Structures that a copy misses whole, and those that it invents."""
    known = np.isfinite(marked)
    yield "missed", marked == 0, np.flatnonzero(known & stressed.there), "with the structure"
    yield "invented", marked > 0, np.flatnonzero(known & ~stressed.there), "without the structure"


def _mean_loss(stressed: StressedMasks, settings: Settings) -> Estimate:
    """Over the cases of which every Dice is defined: the others would have fewer severities."""
    corrupt = {
        name: np.stack([version.dice for version in stressed.of(name)])
        for name in stressed.distortions
    }
    whole = np.isfinite(np.concatenate([stressed.dice[None], *corrupt.values()])).all(axis=0)
    return mean_degradation(
        stressed.dice[whole], {name: rows[:, whole] for name, rows in corrupt.items()},
        stressed.clusters.where(np.flatnonzero(whole)), settings,
    ).renamed("mean_dice_loss")  # fmt: skip


def _wording(stressed: StressedMasks, measured: MeasuredMasks, end: str) -> dict[str, Wording]:
    loss, clean = measured.estimates["mean_dice_loss"], measured.estimates["dice"]
    if loss.value is None or clean.value is None:
        return {}
    return {
        f"mean_dice_loss{end}": Wording(
            f"Over {stressed.all_words} and all severities the Dice of {stressed.structure} is "
            f"{words.decimal(loss.value)} lower than the {words.decimal(clean.value)} on the "
            "images as they are.",
            why=f"Run on {stressed.size_words}; {stressed.number_words}.",
        )
    }
