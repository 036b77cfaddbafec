"""What an audit would answer and what it would cost, before anybody starts it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from django.core.exceptions import ValidationError
from django.db.models import Count, Max

from ml.checks import all_checks
from ml.checks.capability import OF_MARKED_COPIES, OF_VOLUMES
from ml.checks.registry import Check, checks_of
from ml.engine.mask_passes import CORRUPTED
from ml.engine.passes import PASSES
from ml.engine.plan import takes_pictures
from ml.engine.sampling import ONE_ANSWER, ONE_MASK, samples_params, why_no_samples
from ml.evidence.intake_record import is_whole
from ml.protocol import Protocol as Rules
from portal.accounts.models import Team
from portal.audits import corrupted, mask_preview
from portal.audits.cost import Cost, cost_of_choice
from portal.audits.further import NOTHING, Beside, check_usable, rules_with
from portal.audits.missing import MISSING
from portal.audits.models import Audit, Protocol
from portal.audits.planning import read_rules, unfit_task
from portal.cohorts import catalogue
from portal.cohorts.masks import SEGMENTATION, finding_masks_of, masks_of
from portal.cohorts.models import CohortVersion
from portal.reading.models import Reading
from portal.registry.models import ModelVersion, Predictions
from portal.ui import numbers

_OF_A_MODEL = {"features", *(one.need for one in PASSES.values())}
_OF_ANY_MODEL = {one.need for one in PASSES.values() if not one.walks}  # black boxes too
_BESIDE = {"foreign", "reference"}
_UNITS = {"case": "cases", "patient": "patients", "group": "groups"}


@dataclass(frozen=True)
class Line:
    """One check: will it run, in part or not, and why."""

    title: str
    state: str  # as the state tag takes it
    word: str
    reason: str


@dataclass(frozen=True)
class Choice:
    """What a person picked; at most one of model version and predictions."""

    team: Team
    cohort: CohortVersion
    model: ModelVersion | None
    predictions: Predictions | None
    protocol: Protocol | None
    beside: Beside = NOTHING

    @property
    def walks(self) -> bool:
        """The model can be looked into: features, gradients."""
        return bool(self.model and self.model.card.get("gradients"))

    @property
    def pictures(self) -> bool:
        """The model's cases are pictures, not volumes."""
        return self.model is None or takes_pictures(self.model.manifest)

    @cached_property
    def rules(self) -> Rules:
        own = read_rules(self.protocol.body) if self.protocol else Rules.default()
        return rules_with(own, self.beside)


@dataclass(frozen=True)
class Preview:
    choice: Choice
    rules: Rules
    lines: tuple[Line, ...]
    cost: Cost
    look: int
    blocked: str  # why it cannot be started at all

    def count(self, state: str) -> int:
        return sum(line.state == state for line in self.lines)

    @property
    def will_run(self) -> int:
        return self.count("pass")

    @property
    def in_part(self) -> int:
        return self.count("caution")

    @property
    def will_not(self) -> int:
        return self.count("not assessed")

    @property
    def nothing_fits(self) -> bool:
        return self.will_not == len(self.lines)


def preview_of(choice: Choice) -> Preview:
    return Preview(
        choice=choice,
        rules=choice.rules,
        lines=tuple(_line(check, choice) for check in _offered(choice)),
        cost=cost_of_choice(choice, is_blocked=bool(_blocked(choice))),
        look=Audit.objects.filter(cohort_version=choice.cohort).count() + 1,
        blocked=_blocked(choice),
    )


def _offered(choice: Choice) -> Iterable[Check]:
    """Checks of the cohort's task; another task's only where the protocol names them itself.

    So it is with those of foreign cohorts, which most audits do without.
    """
    chosen = checks_of(choice.rules, choice.cohort.task)
    for check in all_checks():
        fits = check.task in ("", choice.cohort.task) and not _BESIDE & set(check.needs)
        if check in chosen or fits:
            yield check


def _blocked(choice: Choice) -> str:
    unfit = unfit_task(choice.cohort, choice.model, choice.predictions)
    if unfit is not None:
        return unfit
    if choice.model is not None and not choice.team.allows(choice.model.format):
        return (
            f"The team does not take models of the format {choice.model.format} any more. An owner "
            "can allow them in the team’s settings."
        )
    if choice.model is not None and choice.cohort.n_images == 0:
        return (
            "This cohort has no images, so a model cannot run on it. Audit its readings without a "
            "model, or hand in predictions."
        )
    try:
        check_usable(
            choice.beside,
            team=choice.team,
            cohort=choice.cohort,
            model=choice.model,
            rules=choice.rules,
        )
    except ValidationError as error:
        return " ".join(error.messages)
    return ""


def _line(check: Check, choice: Choice) -> Line:
    if check.id not in choice.rules.checks:
        return _will_not(check, "The protocol does not ask for it.")
    needs = check.needs_in(choice.cohort.task)
    for need in needs:
        if not _is_met(need, choice):
            return _will_not(check, _lacking(need, choice))
    if "readings" in needs and _most_readers(choice.cohort) < 2:
        return _will_not(check, "No case was answered by two readers.")
    if check.id == "operating-point" and _names_unknown_point(choice):
        wanted = choice.rules.operating_point
        return _will_not(check, f"The model declares no operating point called “{wanted}”.")
    facts = list(_facts(check, choice))
    short = [fact for fact, is_short in facts if is_short]
    text = "; ".join(short or [fact for fact, _ in facts])
    if short:
        return Line(check.title, "caution", "In part", text)
    return Line(check.title, "pass", "Will run", text)


def _will_not(check: Check, reason: str) -> Line:
    return Line(check.title, "not assessed", "Will not", reason)


def _is_met(need: str, choice: Choice) -> bool:
    if need == "intake":
        return choice.model is not None and is_whole(choice.model.card)
    if need == "foreign":
        return bool(choice.beside.foreign)
    if need == "reference":
        return bool(choice.beside.reference and choice.beside.reference.n_labelled)
    if need == "reference-cohort":
        return choice.beside.reference is not None
    if need == "labels":
        return choice.cohort.n_labelled > 0
    if need == "covariates":
        return choice.cohort.cases.exclude(covariates={}).exists()
    if need == "readings":
        return choice.cohort.n_readings > 0
    if need == "identified-readers":
        return choice.cohort.n_readings > 0 and choice.cohort.readers != "exchangeable"
    of_masks = choice.cohort.task == SEGMENTATION
    if need in ("reference-masks", "reader-masks"):
        return _has_masks(choice.cohort, need)
    if need == "finding-masks":
        return finding_masks_of(catalogue.load(choice.cohort)) is not None
    if need == "predicted-masks":
        has_model = choice.model is not None and choice.cohort.n_images > 0
        return of_masks and (choice.predictions is not None or has_model)
    if need == "sampled-masks":
        has_images = choice.cohort.n_images > 0
        return of_masks and has_images and choice.model is not None and not _no_samples(choice)
    if need in OF_MARKED_COPIES:
        fits = of_masks and choice.cohort.n_images > 0
        chosen = need != CORRUPTED or bool(corrupted.chosen(choice))
        return fits and choice.model is not None and chosen
    if of_masks:
        return False
    if need == "samples":
        return not _no_samples(choice)
    has_images = choice.cohort.n_images > 0
    if need == "described":
        return has_images
    if need in _OF_A_MODEL:
        fits = choice.pictures or need in OF_VOLUMES
        possible = fits and (need in _OF_ANY_MODEL or choice.walks)
        if need == "corruptions":
            possible = possible and bool(corrupted.chosen(choice))
        return choice.model is not None and has_images and possible
    return choice.predictions is not None or (choice.model is not None and has_images)


def _lacking(need: str, choice: Choice) -> str:
    """Why a need is not met, and what would help."""
    own = _no_samples(choice) if need in ("samples", "sampled-masks") else ""
    of_corruptions = need in ("corruptions", CORRUPTED)
    if of_corruptions and choice.model is not None and not corrupted.chosen(choice):
        own = corrupted.NONE_FITS
    return own or MISSING[need]


def _no_samples(choice: Choice) -> str:
    """Why there will be one answer to a case and no more; "" if there will be more."""
    if choice.predictions is not None and choice.predictions.meta["kind"] == "masks":
        return ONE_MASK
    if choice.predictions is not None:
        return "" if choice.predictions.meta.get("several") else ONE_ANSWER
    if choice.model is None:
        return MISSING["prediction"]
    return why_no_samples(choice.model.manifest, choice.model.card)


def _has_masks(cohort: CohortVersion, need: str) -> bool:
    masks = masks_of(catalogue.load(cohort))
    if masks is None:
        return False
    return (masks.n_reference if need == "reference-masks" else masks.n_compared) > 0


def _names_unknown_point(choice: Choice) -> bool:
    wanted = choice.rules.operating_point
    if choice.model is None or not isinstance(wanted, str):
        return False
    declared = choice.model.manifest.get("operating_points") or []
    return wanted not in {point["name"] for point in declared}


def _most_readers(cohort: CohortVersion) -> int:
    per_case = (
        Reading.objects.filter(case__version=cohort)
        .values("case", "question")
        .annotate(n=Count("reader_id", distinct=True))
    )
    return per_case.aggregate(most=Max("n"))["most"] or 0


def _facts(check: Check, choice: Choice) -> Iterable[tuple[str, bool]]:
    """What a check will rest on; True beside what makes its answer only part of one."""
    cohort = choice.cohort
    needs = check.needs_in(cohort.task)
    if "labels" in needs:
        yield from _label_facts(cohort)
    if "prediction" in needs:
        yield from _prediction_facts(choice)
    if "foreign" in needs:
        yield from _foreign_facts(choice)
    if "readings" in needs:
        yield from _reading_facts(choice)
    if {"corruptions", CORRUPTED} & set(needs):
        yield corrupted.fact(choice), False
    if "corruptions" in needs:
        yield from corrupted.sampled_facts(choice)
    if "samples" in needs or "sampled-masks" in needs:
        yield from _sample_facts(choice)
    masks = masks_of(catalogue.load(cohort)) if cohort.task == SEGMENTATION else None
    if masks is not None and "reference-masks" in needs:
        yield from mask_preview.reference_facts(cohort, choice.predictions, masks)
    if masks is not None and "reader-masks" in needs:
        yield from mask_preview.panel_facts(cohort, choice.predictions, masks)
    if "intake" in needs:
        yield "from the record of intake; nothing is computed", False
    elif cohort.cluster_kind != "case":
        units = _UNITS[cohort.cluster_kind]
        yield f"intervals over {numbers.count(cohort.n_clusters)} {units}", False


def _foreign_facts(choice: Choice) -> Iterable[tuple[str, bool]]:
    versions = [one.version for one in choice.beside.foreign]
    cases = numbers.counted(sum(version.n_cases for version in versions), "case")
    cohorts = numbers.counted(len(versions), "foreign cohort")
    patients = [version.n_patients for version in versions]
    people = ""
    if None not in patients:
        people = f" of {numbers.counted(sum(n or 0 for n in patients), 'patient')}"
    yield f"{cases}{people} in {cohorts}", False
    if choice.rules.gradient_scores:
        yield _gradient_fact(choice), not choice.walks
    if choice.beside.reference is None:
        yield "statistics from the audited cohort, crosswise: no reference cohort is chosen", False
    else:
        yield f"statistics from {choice.beside.reference}", False


def _gradient_fact(choice: Choice) -> str:
    if choice.walks:
        return "ODIN and GradNorm, which take a gradient of each case"
    return "ODIN and GradNorm take a model that can be looked into: they are left out"


def _prediction_facts(choice: Choice) -> Iterable[tuple[str, bool]]:
    all_cases = numbers.count(choice.cohort.n_cases)
    if choice.predictions is not None and choice.predictions.n_cases < choice.cohort.n_cases:
        rows = numbers.counted(choice.predictions.n_cases, "row")
        yield f"the table has {rows} for {all_cases} cases; the others count as failed", True
    if choice.model is not None:
        bare = choice.cohort.cases.filter(images=None).count()
        if bare:
            yield f"{numbers.count(bare)} of {all_cases} cases have no image for the model", True


def _sample_facts(choice: Choice) -> Iterable[tuple[str, bool]]:
    masks = choice.cohort.task == SEGMENTATION
    model, several = choice.model, "several predictions of each case, as handed in"
    params = samples_params(choice.rules, model.manifest, model.card) if model else None
    if params is not None:
        each = {"members": "members", "dropout": "samples of its dropout"}[str(params["kind"])]
        several = f"{params['samples']} {each} {'mark' if masks else 'answer'} each case"
    yield several, False
    if not masks and not choice.cohort.n_labelled:
        yield "no case has a label, so nothing is said of wrong answers", True


def _label_facts(cohort: CohortVersion) -> Iterable[tuple[str, bool]]:
    present = cohort.cases.filter(present=True).count()
    absent = cohort.cases.filter(present=False).count()
    if not present or not absent:
        every = "has" if present else "lacks"
        yield f"every labelled case {every} the finding; what compares both stays undefined", True
    elif cohort.n_labelled < cohort.n_cases:
        of = f"{numbers.count(cohort.n_labelled)} of {numbers.count(cohort.n_cases)}"
        yield f"only {of} cases have a label", True
    else:
        yield f"{numbers.counted(cohort.n_cases, 'case')}, {numbers.count(present)} positive", False


def _reading_facts(choice: Choice) -> Iterable[tuple[str, bool]]:
    cohort = choice.cohort
    many = numbers.count(cohort.n_readings)
    if cohort.readers == "exchangeable":
        yield f"{many} readings, up to {_most_readers(cohort)} of a case, readers not named", False
    else:
        readers = Reading.objects.filter(case__version=cohort).values("reader_id").distinct()
        yield f"{many} readings by {numbers.counted(readers.count(), 'reader')}", False
    if _is_met("prediction", choice):
        yield "the model beside them where the question allows", False
