"""What is measured of answers to corrupted copies."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ml.checks import words
from ml.checks.stressed import Stressed
from ml.estimate import Estimate, undefined
from ml.evidence.passes import Distortion
from ml.limits import Limit
from ml.protocol import Protocol
from ml.stats.bootstrap import Settings
from ml.stats.discrimination.delong import compare_bootstrap
from ml.stats.means import case_mean, mean_difference
from ml.stats.proportion import proportion
from ml.stats.robustness.degradation import mean_degradation
from ml.stats.robustness.severity import accuracy_loss, severity_borne

ID = "stress"
STEP = ", severity "
_RISE = "entropy of the answer to the copy minus that to the image as it is, paired by case"
MILD = 2  # severities that daily work is full of


@dataclass(frozen=True)
class Measured:
    """Everything that is measured of one run, by id."""

    estimates: Mapping[str, Estimate]
    margin: Limit | None  # on the loss that decides
    primary: str  # the loss that decides
    asked: int = MILD  # the severity that must be borne

    @property
    def whole(self) -> list[Estimate]:
        """All but those of a single severity, which stand in the table of the chart."""
        return [one for name, one in self.estimates.items() if STEP not in name]

    @property
    def worst(self) -> list[Estimate]:
        return worst(self.estimates, self.primary, self.asked)

    @property
    def what(self) -> str:
        """What is lost, in words."""
        return {"accuracy_loss": "accuracy", "auroc_loss": "the AUROC"}[self.primary]

    @property
    def in_points(self) -> bool:
        return self.primary == "accuracy_loss"

    def mild_words(self, corruption: str) -> str:
        """How many answers change at the last of the mild severities; "" where nobody knows."""
        flips = self.at("flip_rate", corruption, MILD)
        if flips.value is None:
            return ""
        return f"At severity {MILD}, {words.measured(flips)} of answers change."

    def with_more(self, estimates: Mapping[str, Estimate]) -> "Measured":
        return replace(self, estimates={**self.estimates, **estimates})

    def at(self, measure: str, corruption: str, severity: int) -> Estimate:
        return self.estimates[version_id(measure, corruption, severity)]

    def too_much(self, stressed: Stressed) -> dict[str, int]:
        return too_much(self.estimates, stressed.distortions)


def too_much(
    estimates: Mapping[str, Estimate], distortions: Mapping[str, Distortion]
) -> dict[str, int]:
    """Corruptions that are shown to be too much, with the first severity that is."""
    found = {}
    for name, named in distortions.items():
        high = estimates[f"severity_borne:{name}"].high
        if high is not None and high < len(named.values):
            found[name] = int(high) + 1
    return found


def worst(estimates: Mapping[str, Estimate], primary: str, asked: int) -> list[Estimate]:
    """The largest loss at the mildest severities, under the name that a limit on it has.

    Args:
        estimates: by id.
        primary: the loss that decides.
        asked: the severity that must be borne.

    Returns:
        [] where no loss is defined there.
    """
    steps = [
        one
        for name, one in estimates.items()
        if name.startswith(f"{primary}:")
        and int(name.rpartition(STEP)[2]) <= asked
        and one.value is not None
    ]
    if not steps:
        return []
    found = max(steps, key=lambda one: one.value or 0.0)
    convention = f"the largest, of {found.id.partition(':')[2]}; {found.convention}"
    return [found.renamed(primary, convention=convention)]


def borne(losses: list[Estimate], margin: Limit | None, corruption: str) -> Estimate:
    """The severity up to which a corruption is borne; undefined without a margin."""
    name = f"severity_borne:{corruption}"
    if margin is None:
        return undefined(name, "Not estimated: no limit is set on the loss.")
    return severity_borne(losses, margin.value).renamed(name)


def asked_severity(protocol: Protocol) -> int:
    """The severity that must be borne."""
    limit = protocol.limit(ID, "severity_borne")
    return MILD if limit is None else max(1, int(limit.value))


def version_id(measure: str, corruption: str, severity: int) -> str:
    """The id of a measure of one severity of a corruption."""
    return f"{measure}:{corruption}{STEP}{severity}"


def measured_of(stressed: Stressed, protocol: Protocol, settings: Settings) -> Measured:
    margin, primary = protocol.limit(ID, "accuracy_loss"), "accuracy_loss"
    if margin is None and (other := protocol.limit(ID, "auroc_loss")) is not None:
        margin, primary = other, "auroc_loss"
    found: list[Estimate] = []
    for corruption, severity, version in stressed.each():
        found += [
            accuracy_loss(stressed.right, version.right, stressed.clusters, settings).renamed(
                version_id("accuracy_loss", corruption, severity)
            ),
            _auroc_loss(stressed, corruption, severity, settings),
            case_mean(
                version_id("flip_rate", corruption, severity), version.flipped, stressed.clusters,
                settings, convention="share of answers that change",
            ),
            mean_difference(
                version_id("entropy_rise", corruption, severity), version.doubt, stressed.doubt,
                stressed.clusters, settings, convention=_RISE,
            ).in_unit("bits"),
        ]  # fmt: skip
    by_id = {one.id: one for one in found}
    claim = 1 - protocol.target_error
    for corruption, distortion in stressed.distortions.items():
        losses = [
            by_id[version_id(primary, corruption, severity)]
            for severity in range(1, len(distortion.values) + 1)
        ]
        found += [
            borne(losses, margin, corruption),
            _when_sure(stressed, claim, settings, corruption),
            _entropy_rise(stressed, settings, corruption),
        ]
    found += _overall(stressed, claim, settings)
    return Measured({one.id: one for one in found}, margin, primary, asked_severity(protocol))


def _auroc_loss(stressed: Stressed, corruption: str, severity: int, settings: Settings) -> Estimate:
    version = stressed.versions[corruption, severity]
    rows = np.flatnonzero(version.known)
    name = version_id("auroc_loss", corruption, severity)
    if not rows.size:
        return undefined(name, "Not estimated: every copy failed.")
    compared = compare_bootstrap(
        stressed.score[rows], version.score[rows], stressed.present[rows],
        stressed.clusters.where(rows), settings,
    )  # fmt: skip
    return compared.difference.renamed(
        name, convention="clean minus corrupt, paired by case; above 0 = worse"
    )


def _when_sure(
    stressed: Stressed, claim: float, settings: Settings, corruption: str = ""
) -> Estimate:
    """Errors among answers to corrupted copies that claim to be sure; a row for each copy."""
    versions = [v for one, _, v in stressed.each() if one == corruption or not corruption]
    sure = np.stack([version.sure(claim) for version in versions])
    wrong = np.stack([version.wrong for version in versions])
    rows = np.tile(np.arange(stressed.clean.rows.size), len(versions))[sure.ravel()]
    name = f"error_when_sure:{corruption}" if corruption else "error_when_sure"
    return proportion(
        name, wrong[sure], stressed.clusters.where(rows), level=settings.level,
        convention="share answered wrongly, of answers to corrupted copies that claim a "
        f"probability of {claim:g} or more of being right",
        of_what=f"corrupted copies of which it claims to be at least {words.per_cent(claim)} sure",
    )  # fmt: skip


def _entropy_rise(stressed: Stressed, settings: Settings, corruption: str = "") -> Estimate:
    """How much more it doubts its answers to copies, averaged over severities, then corruptions.

    Cases of which a copy failed are left out: the others would have fewer severities.
    """
    names = [corruption] if corruption else list(stressed.distortions)
    each = [np.mean([one.doubt for one in stressed.of(name)], axis=0) for name in names]
    return mean_difference(
        f"entropy_rise:{corruption}" if corruption else "entropy_rise",
        np.mean(each, axis=0), stressed.doubt, stressed.clusters, settings,
        convention=f"{_RISE}; mean over severities" + ("" if corruption else ", then corruptions"),
    ).in_unit("bits")  # fmt: skip


def _overall(stressed: Stressed, claim: float, settings: Settings) -> list[Estimate]:
    corrupt = {
        name: np.stack([version.right for version in stressed.of(name)])
        for name in stressed.distortions
    }
    complete = np.isfinite(np.concatenate(list(corrupt.values()))).all(axis=0)
    mild = np.stack([v.flipped for _, severity, v in stressed.each() if severity <= MILD])
    flips = np.where(np.isnan(mild).any(axis=0), np.nan, mild.max(axis=0, initial=0.0))
    return [
        proportion(
            "accuracy", stressed.right == 1, stressed.clusters, level=settings.level,
            convention="share answered rightly on the images as they are",
        ),
        mean_degradation(
            stressed.right[complete],
            {name: rows[:, complete] for name, rows in corrupt.items()},
            stressed.clusters.where(np.flatnonzero(complete)), settings,
        ).renamed("mean_accuracy_loss"),
        case_mean(
            "flip_rate:mild", flips, stressed.clusters, settings,
            convention=f"share of cases of which an answer changes at severity 1 to {MILD} of any "
            "corruption",
        ),
        _clean_when_sure(stressed, claim, settings),
        _when_sure(stressed, claim, settings),
        _entropy_rise(stressed, settings),
    ]  # fmt: skip


def _clean_when_sure(stressed: Stressed, claim: float, settings: Settings) -> Estimate:
    rows = np.flatnonzero(stressed.clean.claimed >= claim)
    return proportion(
        "error_when_sure:clean", stressed.clean.wrong[rows], stressed.clusters.where(rows),
        level=settings.level,
        convention=f"the same of the images as they are, at a claim of {claim:g}",
        of_what=f"cases in which it claims to be at least {words.per_cent(claim)} sure",
    )  # fmt: skip
