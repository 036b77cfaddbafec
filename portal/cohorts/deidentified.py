"""What the page of a cohort says of its de-identification, from the report that was kept."""

from dataclasses import dataclass
from typing import Any

from portal.cohorts.models import CohortVersion, Deidentification, Image


@dataclass(frozen=True)
class ToSee:
    """An image in whose pixels a text may stand."""

    image: Image
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Removed:
    report: dict[str, Any]
    actions: tuple[tuple[str, int], ...]  # what was done, to how many elements
    tags: tuple[dict[str, Any], ...]  # with what was done in words
    n_more_tags: int
    to_see: tuple[ToSee, ...]  # the first of them

    @property
    def n_to_see(self) -> int:
        return int(self.report["burned_in"]["needs_review"])


def removed_from(version: CohortVersion) -> Removed | None:
    """None where no file of the version is DICOM, or was taken before there was a procedure."""
    kept = Deidentification.objects.filter(version=version).first()
    if kept is None:
        return None
    report = kept.report
    meaning = {letter: one["meaning"] for letter, one in report["actions"].items()}
    done = [(one["meaning"], one["elements"]) for one in report["actions"].values()]
    reasons = {one["name"]: tuple(one["burned_in"]["reasons"]) for one in report["files"]}
    images = Image.objects.filter(case__version=version, path__in=list(reasons))
    return Removed(
        report=report,
        actions=tuple(row for row in done if row[1]),
        tags=tuple({**tag, "done": meaning.get(tag["action"], "")} for tag in report["tags"]),
        n_more_tags=report["n_tags"] - len(report["tags"]),
        to_see=tuple(
            ToSee(image, reasons[image.path])
            for image in images.select_related("case").order_by("case__position", "position")
        ),
    )
