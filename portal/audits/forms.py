"""What a person picks to start an audit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Count

from portal.accounts.models import Team
from portal.audits.access import locked_protocols
from portal.audits.further import NOTHING, Beside, Foreign
from portal.audits.preview import Choice
from portal.audits.states import FurtherKind, FurtherRole
from portal.cohorts.access import sealed_versions
from portal.cohorts.masks import SEGMENTATION
from portal.cohorts.models import CohortVersion
from portal.registry.access import predictions_of, usable_versions
from portal.registry.models import Predictions
from portal.ui import numbers

READERS = "readers"
DEFAULT = "default"
BESIDE = "beside-"  # before the id of a cohort version, in the names of fields
MOST_CARDS = 6  # more are shown as a list to choose from


@dataclass(frozen=True)
class Option:
    value: str
    label: str
    hint: str
    thing: Any = None


@dataclass(frozen=True)
class Options:
    name: str
    legend: str
    options: Sequence[Option]
    picked: str

    @property
    def as_cards(self) -> bool:
        return len(self.options) <= MOST_CARDS


# What a cohort beside the audited one is used as: the value and its words.
USES = (
    ("", "not used"),
    (FurtherKind.NEAR.value, "foreign, near"),
    (FurtherKind.FAR.value, "foreign, far"),
    (FurtherKind.SHIFTED.value, "foreign, covariate-shifted"),
    (FurtherRole.REFERENCE.value, "reference"),
)


@dataclass(frozen=True)
class Pick:
    """One cohort that may stand beside the audited one."""

    option: Option
    picked: str

    @property
    def name(self) -> str:
        return BESIDE + self.option.value

    @property
    def uses(self) -> Sequence[tuple[str, str]]:
        return USES


class AuditForm(forms.Form):
    """Subject, cohort and protocol, each one of what the team has."""

    subject = forms.ChoiceField()
    cohort = forms.ChoiceField(error_messages={"required": "Choose a sealed cohort version."})
    protocol = forms.ChoiceField()
    title = forms.CharField(max_length=200, required=False, label="Title")
    key = forms.UUIDField(required=False)  # of one rendered form, which starts one audit
    beside = forms.CharField(required=False)  # joined from the picks of all offered cohorts

    def __init__(self, team: Team, given: Mapping[str, Any]) -> None:
        self.team = team
        self.known = {
            "subject": [*_subjects(team)],
            "cohort": [*_cohorts(team)],
            "protocol": [*_protocols(team)],
        }
        self.offered = [*_offered_beside(team)]
        self.uses = {
            name.removeprefix(BESIDE): str(given[name])
            for name in given
            if name.startswith(BESIDE) and given[name]
        }
        picked = {name: self._pick(name, given) for name in self.known}
        more = {name: given.get(name, "") for name in ("title", "key")}
        joined = " ".join(f"{pk}={use}" for pk, use in sorted(self.uses.items()))
        super().__init__({**picked, **more, "beside": joined})
        for name, options in self.known.items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [(option.value, option.label) for option in options]

    def _pick(self, name: str, given: Mapping[str, Any]) -> str:
        """What was asked for; the first that is there when nothing was."""
        wanted = str(given.get(name) or "")
        if name == "subject" and not wanted:
            kinds = [kind for kind in ("model", "predictions") if given.get(kind)]
            wanted = f"{kinds[0]}:{given[kinds[0]]}" if kinds else ""
        options = self.known[name]
        return wanted or (options[0].value if options else "")

    @property
    def choices(self) -> list[Options]:
        legends = {"subject": "Subject", "cohort": "Cohort version", "protocol": "Protocol"}
        return [
            Options(name, legends[name], options, str(self.data[name]))
            for name, options in self.known.items()
        ]

    @property
    def further(self) -> list[Pick]:
        """Every cohort that may stand beside the audited one, with the use that is picked."""
        return [Pick(one, self.uses.get(one.value, "")) for one in self.offered]

    @property
    def kept_beside(self) -> list[tuple[str, str]]:
        """Names and values of the hidden fields that start what is shown."""
        return [(BESIDE + pk, use) for pk, use in self.uses.items()]

    @property
    def new_key(self) -> str:
        return str(uuid4())

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        things = {name: self._thing(name, cleaned.get(name, "")) for name in self.known}
        beside = self._beside()
        if not self.errors:
            subject = str(cleaned["subject"])
            choice = Choice(
                team=self.team,
                cohort=things["cohort"],
                model=things["subject"] if subject.startswith("model:") else None,
                predictions=things["subject"] if subject.startswith("predictions:") else None,
                protocol=things["protocol"],
                beside=beside,
            )
            try:
                _ = choice.rules
            except ValidationError as error:  # it names a check that was here once
                raise ValidationError({"protocol": error.messages}) from error
            cleaned["choice"] = choice
        return cleaned

    def _beside(self) -> Beside:
        """In the order in which they are offered; what is not offered is an error."""
        uses = dict(USES)
        by_value = {option.value: option for option in self.offered}
        if any(pk not in by_value or use not in uses for pk, use in self.uses.items()):
            self.add_error("beside", "One of these cohorts or uses is not there: choose again.")
            return NOTHING
        picked = [(one.thing, self.uses[pk]) for pk, one in by_value.items() if pk in self.uses]
        references = [version for version, use in picked if use == FurtherRole.REFERENCE]
        if len(references) > 1:
            named = " and ".join(str(version) for version in references)
            self.add_error("beside", f"Choose one reference cohort, not several: {named}.")
            return NOTHING
        return Beside(
            tuple(Foreign(one, use) for one, use in picked if use != FurtherRole.REFERENCE),
            next(iter(references), None),
        )

    def _thing(self, name: str, value: str) -> Any:
        return next((o.thing for o in self.known[name] if o.value == value), None)


def _subjects(team: Team) -> Sequence[Option]:
    found = [
        Option(
            f"model:{version.pk}",
            str(version),
            f"{version.format.upper()}, read {numbers.day(version.created_at)}",
            version,
        )
        for version in usable_versions(team)
    ]
    found += [
        Option(
            f"predictions:{row.pk}",
            f"{row.claimed_model} {row.claimed_version}",
            _predictions_hint(row),
            row,
        )
        for row in predictions_of(team)
    ]
    return [*found, Option(READERS, "Readers only", "no model; do the readers agree?")]


def _predictions_hint(row: Predictions) -> str:
    if row.meta["kind"] == "masks":
        return f"predictions only, masks of {numbers.counted(row.n_cases, 'case')}"
    return f"predictions only, {numbers.count(row.n_cases)} rows"


def _cohorts(team: Team) -> Sequence[Option]:
    return [
        Option(str(version.pk), str(version), _cohort_hint(version, version.n_looks), version)
        for version in sealed_versions(team).annotate(n_looks=Count("audit"))
    ]


def _offered_beside(team: Team) -> Iterable[Option]:
    """Sealed versions of cases with an image each; whether one fits is said once it is chosen."""
    for version in sealed_versions(team).exclude(task=SEGMENTATION).filter(n_images__gt=0):
        parts = [numbers.counted(version.n_cases, "case")]
        if version.n_patients:
            parts.append(numbers.counted(version.n_patients, "patient"))
        parts += [version.modality] if version.modality else []
        yield Option(str(version.pk), str(version), " · ".join(parts), version)


def _cohort_hint(version: CohortVersion, looks: int) -> str:
    parts = [numbers.counted(version.n_cases, "case")]
    if version.n_readings:
        parts.append(f"{numbers.count(version.n_readings)} readings")
    if version.task == SEGMENTATION:
        parts.append(f"masks of {', '.join(version.classes)}"[:60])
    elif not version.n_images:
        parts.append("no images")
    parts.append("no look yet" if not looks else f"{looks} {'look' if looks == 1 else 'looks'}")
    return " · ".join(parts)


def _protocols(team: Team) -> Sequence[Option]:
    found = [
        Option(
            str(row.pk),
            str(row),
            f"locked · {len(row.body.get('limits', []))} limits",
            row,
        )
        for row in locked_protocols(team).order_by("-locked_at")
    ]
    default = Option(DEFAULT, "Platform default", "limits marked as platform defaults")
    return [*found, default]
