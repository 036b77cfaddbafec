"""What a person picks to start an audit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Count

from portal.accounts.models import Team
from portal.audits.access import locked_protocols
from portal.audits.preview import Choice
from portal.cohorts.access import sealed_versions
from portal.cohorts.masks import SEGMENTATION
from portal.cohorts.models import CohortVersion
from portal.registry.access import predictions_of, usable_versions
from portal.registry.models import Predictions
from portal.ui import numbers

READERS = "readers"
DEFAULT = "default"
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


class AuditForm(forms.Form):
    """Subject, cohort and protocol, each one of what the team has."""

    subject = forms.ChoiceField()
    cohort = forms.ChoiceField(error_messages={"required": "Choose a sealed cohort version."})
    protocol = forms.ChoiceField()
    title = forms.CharField(max_length=200, required=False, label="Title")
    key = forms.UUIDField(required=False)  # of one rendered form, which starts one audit

    def __init__(self, team: Team, given: Mapping[str, Any]) -> None:
        self.team = team
        self.known = {
            "subject": [*_subjects(team)],
            "cohort": [*_cohorts(team)],
            "protocol": [*_protocols(team)],
        }
        picked = {name: self._pick(name, given) for name in self.known}
        super().__init__({**picked, "title": given.get("title", ""), "key": given.get("key", "")})
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
    def new_key(self) -> str:
        return str(uuid4())

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        things = {name: self._thing(name, cleaned.get(name, "")) for name in self.known}
        if not self.errors:
            subject = str(cleaned["subject"])
            choice = Choice(
                team=self.team,
                cohort=things["cohort"],
                model=things["subject"] if subject.startswith("model:") else None,
                predictions=things["subject"] if subject.startswith("predictions:") else None,
                protocol=things["protocol"],
            )
            try:
                _ = choice.rules
            except ValidationError as error:  # it names a check that was here once
                raise ValidationError({"protocol": error.messages}) from error
            cleaned["choice"] = choice
        return cleaned

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
