"""Cohorts beside the audited one: which may be chosen, their rows, and what a document says."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.core.exceptions import ValidationError

from ml import beside
from ml.checks import all_checks
from ml.engine.images import DESCRIBE
from ml.engine.passes import SAMPLES
from ml.engine.plan import PREDICT, PassPlan
from ml.engine.requested_form import GRADIENT_SCORES
from ml.estimate import JsonObject
from ml.protocol import Protocol as Rules
from portal.accounts.models import Team
from portal.audits.models import Audit, FurtherCohort
from portal.audits.states import FurtherKind, FurtherRole
from portal.cohorts.masks import SEGMENTATION
from portal.cohorts.models import CohortVersion
from portal.cohorts.states import CohortState
from portal.registry.models import ModelVersion

MOST = 20  # foreign cohorts of one audit
RUN = (PREDICT, SAMPLES)  # passes that give outputs


@dataclass(frozen=True)
class Foreign:
    """A cohort of images that the model was not made for."""

    version: CohortVersion
    kind: str  # one of FurtherKind


@dataclass(frozen=True)
class Beside:
    """What was chosen beside the audited cohort."""

    foreign: tuple[Foreign, ...] = ()
    reference: CohortVersion | None = None  # what the model was developed on, or alike

    @property
    def versions(self) -> list[CohortVersion]:
        return [
            *(one.version for one in self.foreign),
            *([self.reference] if self.reference else []),
        ]

    @property
    def roles(self) -> list[tuple[CohortVersion, FurtherRole]]:
        """Every cohort with what it stands there as."""
        foreign = [(one.version, FurtherRole.FOREIGN) for one in self.foreign]
        return [*foreign, *([(self.reference, FurtherRole.REFERENCE)] if self.reference else [])]


NOTHING = Beside()


def rules_with(rules: Rules, chosen: Beside) -> Rules:
    """The protocol that applies: the platform's default asks one check more of foreign cohorts."""
    return beside.with_foreign(rules) if chosen.foreign else rules


def passes_of(passes: Iterable[PassPlan], role: str = FurtherRole.FOREIGN) -> list[PassPlan]:
    """Those that are run over a further cohort too.

    A reference's images are measured as well; scores by gradients are of foreign cohorts alone, as
    nothing of them is fitted.
    """
    names = (*RUN, DESCRIBE if role == FurtherRole.REFERENCE else GRADIENT_SCORES)
    return [one for one in passes if one.name in names]


def check_usable(
    chosen: Beside,
    *,
    team: Team,
    cohort: CohortVersion,
    model: ModelVersion | None,
    rules: Rules,
) -> None:
    """Refuse what could not be run, or what nothing would look at.

    Raises:
        ValidationError: with every problem, in words.
    """
    if not chosen.versions:
        return
    if len(chosen.foreign) > MOST:
        raise ValidationError(f"An audit takes at most {MOST} foreign cohorts.")
    problems = [*_of_all(chosen, cohort, model, rules)]
    if any(version.cohort.team_id != team.pk for version in chosen.versions):
        problems.append("Foreign and reference cohorts must belong to the team of the audit.")
    for one in chosen.foreign:
        if one.kind not in FurtherKind.values:
            kinds = ", ".join(FurtherKind.values)
            problems.append(f"Say of {one.version} what kind of foreign it is: {kinds}.")
    for version in dict.fromkeys(chosen.versions):
        problems += _of_one(version, cohort)
        if chosen.versions.count(version) > 1:
            problems.append(f"{version} is chosen twice beside the audited cohort: once is enough.")
    if problems:
        raise ValidationError(problems)


def _of_all(
    chosen: Beside, cohort: CohortVersion, model: ModelVersion | None, rules: Rules
) -> Iterable[str]:
    needs_none = not chosen.foreign and beside.takes_no_model(rules, all_checks())
    if model is None and not needs_none:
        yield (
            "Foreign and reference cohorts are run through the model: choose a model, or leave "
            "them out."
        )
    if not chosen.foreign:
        if not beside.looked_at(rules, all_checks(), beside.REFERENCE):
            yield (
                "No check of the protocol looks at a reference cohort by itself: choose a foreign "
                "cohort too, or leave the reference out."
            )
    elif not beside.looked_at(rules, all_checks()):
        yield (
            "No check of the protocol looks at foreign cohorts: choose one that names "
            f"{beside.CHECK}, or leave them out."
        )
    if cohort.task == SEGMENTATION:
        yield "Foreign inputs are told by scores: an audit of masks takes no foreign cohorts."


def _of_one(version: CohortVersion, cohort: CohortVersion) -> Iterable[str]:
    if version.state != CohortState.SEALED:
        yield f"{version} is still a draft: seal it first."
    if version.pk == cohort.pk:
        yield f"{version} is the audited cohort: it cannot stand beside itself."
    if version.task == SEGMENTATION:
        yield f"{version} is a cohort of masks: foreign inputs are told by scores."
    elif not version.n_cases or version.cases.filter(images=None).exists():
        yield f"A case of {version} has no image, and every case of a further cohort is run."


def write(audit: Audit, chosen: Beside) -> list[FurtherCohort]:
    """The rows, in the order of the choice; the reference is the last."""
    rows: list[FurtherCohort] = []
    for version, role, kind in _listed(chosen):
        rows.append(
            FurtherCohort(
                audit=audit,
                cohort_version=version,
                position=len(rows),
                role=role,
                kind=kind,
                name=beside.name_of(version.title, [row.name for row in rows]),
            )
        )
    return FurtherCohort.objects.bulk_create(rows)


def _listed(chosen: Beside) -> Iterable[tuple[CohortVersion, str, str]]:
    for one in chosen.foreign:
        yield one.version, FurtherRole.FOREIGN, one.kind
    if chosen.reference is not None:
        yield chosen.reference, FurtherRole.REFERENCE, ""


def further_of(audit: Audit) -> Sequence[FurtherCohort]:
    """In the order of the choice."""
    rows = audit.further_cohorts.select_related("cohort_version__cohort__team")
    return list(rows.order_by("position"))


def further_named(audit: Audit, name: str) -> FurtherCohort:
    return audit.further_cohorts.select_related("cohort_version").get(name=name)


def block(audit: Audit) -> JsonObject:
    """What ``audit.json`` says of them, as the command line writes it."""
    return beside.block([
        beside.Named(
            row.name,
            row.role,
            row.cohort_version.sha256,
            row.cohort_version.modality,
            {
                "n_cases": row.cohort_version.n_cases,
                "n_patients": row.cohort_version.n_patients,
                "n_clusters": row.cohort_version.n_clusters,
            },
            row.kind,
        )
        for row in further_of(audit)
    ])  # fmt: skip
