"""The frozen content of a report as objects: its checks, its findings, its cases."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any

from ml.beside import FOREIGN
from portal.cohorts.masks import SEGMENTATION
from portal.reports import content
from portal.reports.models import Report
from portal.ui.names import Names

Json = dict[str, Any]

DEFAULT_THRESHOLD = 0.5
BROWSER_TYPES = frozenset({"image/png", "image/jpeg"})


class Outcome(StrEnum):
    """What the model made of a case at the declared threshold."""

    MISSED = "missed"
    FALSE_ALARM = "false-alarm"
    FOUND = "found"
    CLEAR = "rightly-clear"
    FAILED = "failed"
    UNLABELLED = "unlabelled"
    BESIDE = "beside"  # of a cohort beside the audited one, which is not judged
    NOT_JUDGED = "not-judged"  # no model, or no threshold that could be used


# Outcome -> (the state whose icon and colour it has, the word)
WORDS: dict[Outcome, tuple[str, str]] = {
    Outcome.MISSED: ("fail", "Missed"),
    Outcome.FALSE_ALARM: ("fail", "False alarm"),
    Outcome.FOUND: ("pass", "Found"),
    Outcome.CLEAR: ("pass", "Rightly clear"),
    Outcome.FAILED: ("not assessed", "Inference failed"),  # of a model that was run here
    Outcome.UNLABELLED: ("not assessed", "No label"),
    Outcome.BESIDE: ("info", "Foreign"),
    Outcome.NOT_JUDGED: ("info", "Not judged"),
}
NO_PREDICTION = "No prediction"  # a table that was handed in has no row to judge


@dataclass(frozen=True)
class Case:
    """One case as it was when the report was sealed."""

    position: int
    case_id: str
    cluster: str
    patient_id: str | None
    label: str | None
    present: bool | None
    score: float | None
    error: str
    outputs: list[float] | None
    covariates: Json
    images: list[Json]
    readings: list[list[Any]]
    masks: list[list[Any]]  # pairs, see portal.reports.content
    outcome: Outcome
    word: str  # of the outcome
    cohort: str = ""  # beside the audited one, by its name; "" of the audited one
    cohort_title: str = ""  # with its version

    @property
    def state(self) -> str:
        return WORDS[self.outcome][0]

    @property
    def cluster_name(self) -> str:
        """Without the kind that the catalogue writes before it ("group:g0009")."""
        return self.cluster.removeprefix("group:").removeprefix("patient:").removeprefix("case:")

    @property
    def counts_as_miss(self) -> bool:
        """Labelled as with the finding, without a score: the measures count it as missed."""
        return self.outcome is Outcome.FAILED and self.present is True

    @property
    def counts_as_alarm(self) -> bool:
        """Labelled as without the finding, without a score: counted as a false alarm."""
        return self.outcome is Outcome.FAILED and self.present is False

    @property
    def wrongness(self) -> float:
        """How much probability the model gave to the wrong answer; -1 where none is known."""
        if self.score is None or self.present is None:
            return -1.0
        return 1 - self.score if self.present else self.score

    @property
    def model_dice(self) -> float | None:
        """Of the model against the reference, mean over structures."""
        return _mean_dice(self.masks, "model", "reference")

    @property
    def reader_dice(self) -> float | None:
        """Of two readers, mean over pairs and structures."""
        return _mean_dice(self.masks, "reader", "reader")

    @property
    def picture(self) -> str:
        """The hash of the first image that a browser can show."""
        return next((sha for image in self.images if (sha := display_sha256(image))), "")


def _mean_dice(pairs: list[list[Any]], first: str, second: str) -> float | None:
    known = [
        dice
        for _, a, b, _, _, dice in pairs
        if dice is not None and a.partition(":")[0] == first and b.partition(":")[0] == second
    ]
    return sum(known) / len(known) if known else None


class Frozen:
    """Read-only view of one report's content; knows nothing of rows."""

    def __init__(self, data: Json) -> None:
        self.data = data
        self.audit: Json = data["audit"]
        self.headline: Json = data["headline"]
        self.context: Json = data["context"]
        self.cohort: Json = data["cohort"]
        self.model: Json | None = data.get("model")  # manifest and card
        self.subject: Json | None = self.audit.get("model")  # names and hashes
        self.protocol: Json = self.audit["protocol"]
        self.outputs: list[str] = data.get("outputs") or []
        self.explained: Json = data.get("explained") or {}  # see portal.reports.content

    @cached_property
    def names(self) -> Names:
        """Of covariates and questions, as a page writes them."""
        covariates = (name for row in self.data["cases"] for name in row.get("covariates") or {})
        return Names([*dict.fromkeys(covariates), *self.questions])

    @cached_property
    def spoken(self) -> "Frozen":
        """The same for people: sentences and labels in words; files keep the raw names."""
        audit = dict(self.audit)
        audit["checks"] = self.names.spoken(audit["checks"])
        headline = self.names.spoken(self.headline)
        spoken = Frozen(self.data | {"audit": audit, "headline": headline})
        vars(spoken)["cases"] = self.cases  # the same objects, not a second set of them
        vars(spoken)["beside"] = self.beside
        vars(spoken)["spoken"] = spoken
        return spoken

    @property
    def checks(self) -> list[Json]:
        return list(self.audit["checks"])

    @property
    def limits(self) -> list[Json]:
        """Of the protocol, those on checks of this audit."""
        asked = {check["id"] for check in self.checks}
        return [row for row in self.protocol.get("limits") or [] if row["check"] in asked]

    @property
    def findings(self) -> Iterator[tuple[Json, Json]]:
        """Every finding with its check, in the order of the report."""
        return ((check, finding) for check in self.checks for finding in check["findings"])

    def finding(self, finding_id: str) -> Json | None:
        return next((row for _, row in self.findings if row["id"] == finding_id), None)

    @cached_property
    def has_scores(self) -> bool:
        return self.subject is not None and not self.of_masks

    @cached_property
    def has_readings(self) -> bool:
        return any(case.readings for case in self.cases)

    @property
    def of_masks(self) -> bool:
        """A segmentation: no case has a score or a label, all there is are masks."""
        return self.cohort.get("task") == SEGMENTATION

    @cached_property
    def threshold(self) -> float | None:
        """Where a score becomes an alarm, as the checks used it; None where there is none."""
        if not self.has_scores:
            return None
        for check in self.checks:
            for series in check.get("series") or []:
                found = series.get("threshold")
                if isinstance(found, int | float):
                    return float(found)
        return self._declared_threshold()

    def _declared_threshold(self) -> float | None:
        manifest = (self.model or {}).get("manifest") or {}
        points = {p["name"]: p["threshold"] for p in manifest.get("operating_points") or []}
        wanted = self.protocol.get("operating_point")
        if isinstance(wanted, int | float):
            return float(wanted)
        if wanted is not None:
            return float(points[wanted]) if wanted in points else None
        return float(next(iter(points.values()), DEFAULT_THRESHOLD))

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        return tuple(self._case(k, row) for k, row in enumerate(self.data["cases"]))

    @cached_property
    def beside(self) -> tuple[Case, ...]:
        """Of the cohorts beside the audited one: only findings lead to them, no list holds them."""
        found: list[Case] = []
        for cohort in self.data.get("beside") or []:
            for row in cohort["cases"]:
                case = self._case(len(self.cases) + len(found), row)
                outcome = Outcome.FAILED if case.error else Outcome.BESIDE
                is_foreign = cohort["role"] == FOREIGN
                word = self.word(outcome) if case.error or is_foreign else "Reference"
                found.append(
                    replace(
                        case,
                        outcome=outcome,
                        word=word,
                        present=None,
                        cohort=cohort["name"],
                        cohort_title=cohort["title"],
                    )
                )
        return tuple(found)

    @cached_property
    def by_id(self) -> dict[str, Case]:
        """Every case that a finding can name; one that was audited has its id to itself."""
        return {case.case_id: case for case in (*self.beside, *self.cases)}

    @cached_property
    def counts(self) -> dict[Outcome, int]:
        found = dict.fromkeys(Outcome, 0)
        for case in self.cases:
            found[case.outcome] += 1
        return found

    @cached_property
    def pictures(self) -> dict[str, str]:
        """Every image that belongs to this report: hash -> media type."""
        return {
            sha: "image/png" if sha != image["sha256"] else image["media_type"]
            for case in (*self.cases, *self.beside)
            for image in case.images
            if (sha := display_sha256(image))
        }

    @cached_property
    def files(self) -> dict[str, str]:
        """All that a page or a PDF may show: the images, and the maps drawn for them."""
        return self.pictures | {
            made[part]: "image/png"
            for kept in (self.explained.get("cases") or {}).values()
            for made in (kept.get("maps") or {}).values()
            for part in ("own", "overlay")
        }

    def maps_of(self, case_id: str) -> Json:
        """Method -> its map of a case, as frozen; {} where none was kept."""
        kept = (self.explained.get("cases") or {}).get(case_id) or {}
        return dict(kept.get("maps") or {})

    def _case(self, position: int, row: Json) -> Case:
        return Case(
            position=position,
            case_id=row["case_id"],
            cluster=row["cluster"],
            patient_id=row.get("patient_id"),
            label=row.get("label"),
            present=row.get("present"),
            score=row.get("score"),
            error=row.get("error") or "",
            outputs=row.get("outputs"),
            covariates=row.get("covariates") or {},
            images=row.get("images") or [],
            readings=row.get("readings") or [],
            masks=row.get("masks") or [],
            outcome=(outcome := self._outcome(row)),
            word=self.word(outcome),
        )

    def word(self, outcome: Outcome) -> str:
        """A table has no prediction where a model failed; the rest is the same of both."""
        if outcome is Outcome.FAILED and (self.subject or {}).get("kind") == "predictions":
            return NO_PREDICTION
        return WORDS[outcome][1]

    def _outcome(self, row: Json) -> Outcome:
        score, present = row.get("score"), row.get("present")
        if self.has_scores and score is None:
            return Outcome.FAILED
        if self.threshold is None or score is None:
            return Outcome.NOT_JUDGED
        if present is None:
            return Outcome.UNLABELLED
        alarm = score >= self.threshold
        if present:
            return Outcome.FOUND if alarm else Outcome.MISSED
        return Outcome.FALSE_ALARM if alarm else Outcome.CLEAR

    @cached_property
    def questions(self) -> dict[str, Json]:
        """What readers were asked, in the order in which the cohort declares it."""
        asked = self.cohort.get("questions") or {}
        return dict(sorted(asked.items(), key=lambda item: item[1].get("position", 0)))

    @property
    def finding_name(self) -> str:
        """What a positive case has, in the cohort's own word where there is one word."""
        positive = self.cohort.get("positive") or []
        return str(positive[0]) if len(positive) == 1 else "finding present"

    def moment(self, key: str) -> datetime | None:
        """A moment of the context, which JSON keeps as text."""
        value = self.context.get(key)
        return datetime.fromisoformat(value) if value else None


def display_sha256(image: Json) -> str:
    """The bytes a browser shows for an image; empty where there are none."""
    shown = image.get("display_sha256") or ""
    if shown:
        return str(shown)
    return str(image["sha256"]) if image.get("media_type") in BROWSER_TYPES else ""


@lru_cache(maxsize=4)
def _frozen(content_sha256: str) -> Frozen:
    return Frozen(content.load(Report(content_id=content_sha256)))


def open_report(report: Report) -> Frozen:
    """The frozen content of a report; parsed once and shared between requests."""
    return _frozen(report.content_id)
