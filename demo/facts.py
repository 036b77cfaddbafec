"""What was built, in numbers, counted once for the console and the notes."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BrainCohort:
    folder: Path
    n_cases: int
    n_present: int
    n_groups: int  # among the cases
    n_images_in_package: int
    n_groups_in_package: int
    n_with_twin_in_package: int
    largest_group_in_package: int
    seed: int | None  # None: all cases


@dataclass(frozen=True)
class ReaderCohort:
    folder: Path
    n_scans: int
    n_annotations: int
    n_scans_tightened: int  # whose tolerance was made smaller than the slice thickness
    n_nodules: int  # found by the rule, before any is left out
    by_readers: dict[int, int]  # readings per nodule -> nodules, all that were found
    n_cases: int
    n_patients: int
    n_readings: int  # annotations that entered, each with nine ratings


@dataclass(frozen=True)
class MaskCohort:
    folder: Path
    n_nodules_of_four: int  # with the outlines of four readers
    n_uneven: int  # of these, left out because their slices lie on no even grid
    n_cases: int
    n_patients: int
    n_masks: int
    seed: int


@dataclass(frozen=True)
class MarkCohort:
    folder: Path
    n_images: int  # in the package
    n_readers_in_package: int
    n_without_marks: int  # left out: no reader marked anything
    n_cases: int
    n_readers: int  # of the cases
    n_answers: int
    main_panel: tuple[str, ...]  # the readers who read the most cases together
    n_main_panel: int
    questions: tuple[str, ...]
    fewest_images: int  # on which a finding was marked, for it to become a question
