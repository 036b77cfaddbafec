"""Everything a cohort version's page says of its content, read from the catalogue."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portal.cohorts import catalogue
from portal.cohorts.masks import Masks, finding_masks_of, masks_of
from portal.cohorts.models import CohortVersion
from portal.cohorts.questions import Question, questions
from portal.cohorts.table_one import IMAGE_DERIVED, TableOne, table_one
from portal.ui import numbers
from portal.ui.names import readable

CLUSTERS = {"patient": "patients", "group": "groups"}
_kept: dict[str, "Description"] = {}  # by content, which never changes
_MOST_KEPT = 16


@dataclass(frozen=True)
class Label:
    name: str
    n: int
    is_finding: bool


@dataclass(frozen=True)
class Fact:
    state: str
    question: str
    answer: str


@dataclass(frozen=True)
class Joined:
    """How many cases each table has something to say of."""

    n: int
    labels: int
    images: int
    readings: int

    @property
    def parts(self) -> dict[str, int]:
        """Of what there is at all."""
        found = {"a label": self.labels, "an image": self.images, "a reading": self.readings}
        return {name: n for name, n in found.items() if n}


@dataclass(frozen=True)
class Description:
    labels: tuple[Label, ...]
    n_unlabelled: int
    largest_cluster: int
    n_distinct_images: int
    simulated: bool
    table: TableOne
    questions: tuple[Question, ...]
    masks: Masks | None  # of a segmentation cohort only
    joined: Joined
    finding_masks: Masks | None = None  # of a cohort of labels, where it has some

    @property
    def all_masks(self) -> tuple[Masks, ...]:
        """Of the one kind or the other, for the page."""
        return tuple(one for one in (self.masks, self.finding_masks) if one is not None)


def describe(version: CohortVersion) -> Description:
    if version.catalogue_id not in _kept:
        if len(_kept) >= _MOST_KEPT:
            _kept.clear()
        _kept[version.catalogue_id] = _read(catalogue.load(version))
    return _kept[version.catalogue_id]


def _read(listed: Mapping[str, Any]) -> Description:
    cases = listed["cases"]
    labels = Counter(case["label"] for case in cases)
    clusters = Counter(case["cluster"] for case in cases)
    images = {image["sha256"] for case in cases for image in case["images"]}
    return Description(
        labels=tuple(Label(n, labels[n], n in listed["positive"]) for n in listed["classes"]),
        n_unlabelled=labels[None],
        largest_cluster=max(clusters.values(), default=0),
        n_distinct_images=len(images),
        simulated=bool(listed.get("simulated")),
        table=table_one(listed),
        questions=tuple(questions(listed)),
        masks=masks_of(listed),
        joined=Joined(
            len(cases),
            sum(case["label"] is not None for case in cases),
            sum(bool(case["images"]) for case in cases),
            len({reading["case_id"] for reading in listed["readings"]}),
        ),
        finding_masks=finding_masks_of(listed),
    )


def facts(version: CohortVersion, described: Description) -> list[Fact]:
    """What the data holds and what it does not; no limits are set here, so nothing passes."""
    if described.masks is not None:
        return _of_masks(version, described, described.masks)
    of_finding = described.finding_masks
    return [
        _labels(version, described),
        _images(version, described),
        *([] if of_finding is None else [_masks_of_finding(of_finding)]),
        _clusters(version, described),
        _readings(version, described),
        _covariates(described),
        *_joined(described.joined),
    ]


def _joined(joined: Joined) -> list[Fact]:
    """What did not join: rows of no case are refused at intake, so only cases can be left over."""
    if not joined.n or len(joined.parts) < 2:
        return []
    left = {name: joined.n - n for name, n in joined.parts.items() if n < joined.n}
    if not left:
        names = " and ".join(joined.parts)
        return [Fact("info", "Joined by case", f"every case has {names}; no row was left over")]
    lacking = "; ".join(f"{_have(n)} not {name}" for name, n in left.items())
    said = f"{lacking}. Rows that name no case are refused at intake, so none was left over"
    return [Fact("caution", "Joined by case", said)]


def _of_masks(version: CohortVersion, described: Description, masks: Masks) -> list[Fact]:
    names = ", ".join(structure.name for structure in masks.structures)
    found = [
        Fact("info", "Structures", names),
        _reference_masks(version, masks),
        _reader_masks(version, masks),
        Fact("info", "Voxels", masks.voxels),
        _clusters(version, described),
    ]
    if version.n_images:
        found.append(_images(version, described))
    if version.n_readings:
        found.append(_readings(version, described))
    return [*found, _covariates(described)]


def _reference_masks(version: CohortVersion, masks: Masks) -> Fact:
    if masks.n_reference == 0:
        answer = "none: readers and a model can be compared with each other only"
        return Fact("not assessed", "Reference masks", answer)
    marked = ", ".join(
        f"{structure.name} in {numbers.count(structure.n_reference)}"
        for structure in masks.structures
    )
    lacking = version.n_cases - masks.n_reference
    if lacking:
        answer = f"{_have(lacking)} none; {marked}"
        return Fact("caution", "Reference masks", answer)
    return Fact("info", "Reference masks", f"every case has one: {marked}")


def _have(n: int) -> str:
    return f"{numbers.counted(n, 'case')} {'has' if n == 1 else 'have'}"


def _reader_masks(version: CohortVersion, masks: Masks) -> Fact:
    if masks.n_readers == 0:
        return Fact("not assessed", "Readers’ masks", "none: how far readers agree is not known")
    who = (
        f"in all, up to {numbers.count(masks.most_readers)} of a case; readers cannot be told "
        "apart across cases"
        if version.readers == "exchangeable"
        else f"by {numbers.counted(len(masks.readers), 'reader')}"
    )
    answer = f"{numbers.count(masks.n_readers)} {who}"
    if masks.n_compared < version.n_cases:
        answer += f"; {_have(masks.n_compared)} two or more"
    return Fact("info", "Readers’ masks", answer)


def _masks_of_finding(masks: Masks) -> Fact:
    (finding,) = masks.structures
    readers = ""
    if masks.n_readers:
        readers = f"; {numbers.counted(masks.n_readers, 'mask')} of readers, two or more of " + (
            numbers.counted(masks.n_compared, "case")
        )
    return Fact(
        "info",
        "Masks of the finding",
        f"by the reference of {numbers.counted(masks.n_reference, 'case')}, marking something in "
        f"{numbers.count(finding.n_reference)}{readers}",
    )


def _labels(version: CohortVersion, described: Description) -> Fact:
    if version.n_labelled == 0:
        return Fact("not assessed", "Reference labels", "none: only its readings can be audited")
    counts = ", ".join(f"{numbers.count(label.n)} {label.name}" for label in described.labels)
    if described.n_unlabelled:
        missing = f"{_have(described.n_unlabelled)} none; {counts}"
        return Fact("caution", "Reference labels", missing)
    return Fact("info", "Reference labels", f"every case has one: {counts}")


def _images(version: CohortVersion, described: Description) -> Fact:
    if version.n_images == 0:
        return Fact("not assessed", "Images", "none: a model cannot run on it")
    n, distinct = version.n_images, described.n_distinct_images
    answer = f"{numbers.count(n)}, all of them opened; {numbers.count(distinct)} distinct files"
    return Fact("info" if n == distinct else "caution", "Images", answer)


def _clusters(version: CohortVersion, described: Description) -> Fact:
    noun = CLUSTERS.get(version.cluster_kind)
    if noun is None:
        return Fact(
            "not assessed",
            "Patients",
            "not in the data: every case counts as independent, which may be too optimistic",
        )
    cases, clusters = numbers.counted(version.n_cases, "case"), numbers.count(version.n_clusters)
    largest = numbers.count(described.largest_cluster)
    answer = f"{cases} in {clusters} {noun}, the largest of {largest}"
    answer += "; intervals resample them whole"
    if version.n_patients is None:
        answer += ". Who the patients are is not in the data"
    return Fact("info", "Independent units", answer)


def _readings(version: CohortVersion, described: Description) -> Fact:
    if version.n_readings == 0:
        return Fact("not assessed", "Readers", "no readings: agreement cannot be measured")
    asked = len(described.questions)
    noun = "question" if asked == 1 else "questions"
    who = (
        "readers cannot be told apart across cases"
        if version.readers == "exchangeable"
        else "each reader is known across cases"
    )
    answer = f"{numbers.count(version.n_readings)} readings of {asked} {noun}; {who}"
    return Fact("info", "Readers", answer)


def _covariates(described: Description) -> Fact:
    own = [
        readable(line.name)
        for line in described.table.lines
        if not line.is_level and line.name not in IMAGE_DERIVED
    ]
    if not own:
        return Fact(
            "not assessed", "Covariates", "no age, sex, site or scanner: no subgroups from them"
        )
    return Fact("info", "Covariates", ", ".join(own))
