"""A cohort of labels that says where the finding is: its pages, and what is kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.urls import reverse
from PIL import Image

from portal.cohorts.models import Case, CohortVersion
from portal.intake.models import UploadKind
from tests.ml.intake.build import cohort_folder
from tests.portal.people import signed_in, text
from tests.services import world


@pytest.fixture
def team(make_team: Callable[..., Any]) -> Any:
    return make_team("Neuro")


@pytest.fixture
def version(team: Any, tmp_path: Path) -> CohortVersion:
    folder = cohort_folder(tmp_path / "c", n=4)
    mask = np.zeros((10, 12), np.uint8)
    mask[2:5, 3:9] = 1
    for name in ("c1.png", "anna/c1.png", "ben/c1.png", "anna/c3.png"):
        path = folder / "masks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask if "c1" in name else mask * 0).save(path)
    lines = (folder / "cases.csv").read_text().split()
    rows = zip(lines, ("mask", "", "masks/c1.png", "", ""), strict=True)
    (folder / "cases.csv").write_text("\n".join(",".join(row) for row in rows) + "\n")
    made: CohortVersion = world.read_in(team, UploadKind.COHORT, folder).cohort_version
    return made


def test_the_cohort_says_whose_masks_it_has_beside_its_labels(
    team: Any, version: CohortVersion
) -> None:
    owner = signed_in(team.owner)

    page = text(owner.get(version.get_absolute_url()))
    assert version.task == "classification"
    assert "by the reference of 1 case, marking something in 1" in page
    assert "3 masks of readers, two or more of 1 case" in page
    assert "Reference labels" in page
    listed = text(owner.get(reverse("cohorts:cases", args=[team.slug, version.pk])))
    assert "the finding 18 pixels" in listed
    assert "anna, ben" in listed
    case = Case.objects.get(version=version, case_id="c1")
    page = text(owner.get(reverse("cohorts:case", args=[team.slug, case.pk])))
    assert "<dt>Mask of the finding</dt><dd>the finding 18 pixels</dd>" in page
    assert "Reference label" in page


def test_a_cohort_without_masks_says_nothing_of_them(team: Any, tmp_path: Path) -> None:
    folder = cohort_folder(tmp_path / "plain", n=4)
    made = world.read_in(team, UploadKind.COHORT, folder).cohort_version

    assert "Masks of the finding" not in text(signed_in(team.owner).get(made.get_absolute_url()))
