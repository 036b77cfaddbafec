"""Masks as people meet them: cohort, predictions, new audit, progress, report, share link."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from ml.zoo import blobs
from portal.audits.planning import start_audit
from portal.audits.preview import Choice, preview_of
from portal.intake.models import UploadKind
from portal.reports.actions import share
from portal.reports.frozen import open_report
from portal.reports.models import Report
from portal.reports.tables import all_tables, masks_table
from tests.portal.people import signed_in, text
from tests.services import world

Make = Callable[..., Any]


@dataclass(frozen=True)
class Masks:
    """A team with a sealed audit of masks."""

    team: Any
    cohort: Any
    predictions: Any
    audit: Any
    report: Report


@pytest.fixture
def team(make_team: Make) -> Any:
    return make_team("Neuro")


@pytest.fixture
def masks(team: Any, tmp_path: Path) -> Masks:
    folder = blobs.cohort_folder(tmp_path / "cohort")
    cohort = world.read_in(team, UploadKind.COHORT, folder).cohort_version
    folder = blobs.predictions_folder(tmp_path / "predictions")
    predictions = world.read_in(team, UploadKind.PREDICTIONS, folder).predictions
    audit = start_audit(actor=team.owner, team=team, cohort_version=cohort, predictions=predictions)
    world.run_here(audit)
    return Masks(team, cohort, predictions, audit, Report.objects.get(audit=audit))


def urls(masks: Masks) -> dict[str, str]:
    team, report = masks.team.slug, masks.report.pk
    return {
        "cohort": masks.cohort.get_absolute_url(),
        "cohorts": reverse("cohorts:cohorts", args=[team]),
        "share": reverse("reports:share", args=[team, report]),
        "cases of the cohort": reverse("cohorts:cases", args=[team, masks.cohort.pk]),
        "predictions": masks.predictions.get_absolute_url(),
        "audit": masks.audit.get_absolute_url(),
        "report": masks.report.get_absolute_url(),
        "cases": reverse("reports:cases", args=[team, report]),
        "case": reverse("reports:case", args=[team, report, "b001"]),
        "csv": reverse("reports:csv", args=[team, report, "masks"]),
        "explore": reverse("reports:explore", args=[team, report]),
        "explore data": reverse("reports:explore-data", args=[team, report]),
    }


def test_pages_say_masks_where_others_say_labels_and_scores(masks: Masks, make_team: Make) -> None:
    owner = signed_in(masks.team.owner)
    shown = {name: text(owner.get(url)) for name, url in urls(masks).items()}

    assert "6 reference masks, 18 masks of readers" in shown["cohort"]
    assert "every case has one: ball in 5" in shown["cohort"]
    assert "18 by 3 readers" in shown["cohort"]
    assert "1 × 1 × 2.5 mm" in shown["cohort"]
    assert "masks of ball" in shown["cohorts"]
    assert "marks nothing" in shown["cases of the cohort"]
    for name in ("cohort", "cases of the cohort", "case", "cases", "report"):
        assert "no label" not in shown[name], name
    assert "masks, one file a case" in shown["predictions"]
    assert "Thresholds" not in shown["predictions"]
    assert "Compare masks" in shown["audit"]
    assert "18 masks of readers" in shown["report"]
    assert "Reference masks" in shown["report"]
    for wrong in (
        "Wrong cases",
        "No prediction",
        "Called present",
        "predictive values",
        "None.</b>",
    ):
        assert wrong not in shown["report"], wrong
    assert "Dice, model to reference" in shown["cases"]
    assert "Majority without reader r1" in shown["case"]
    assert "nothing marked" in shown["case"]
    assert shown["csv"].count("b001,ball") == 17
    table = owner.get(reverse("reports:csv", args=[masks.team.slug, masks.report.pk, "cases"]))
    head, *rows = table.content.decode().splitlines()
    assert head.endswith("dice_model_reference,dice_two_readers")
    assert ",0.0," in rows[1]
    assert "Model by size" in shown["explore"]
    assert "with ids, sizes and overlaps of masks" in shown["share"]

    stranger = signed_in(make_team("Elsewhere").owner)
    for name, url in urls(masks).items():
        assert stranger.get(url).status_code == 404, name


def test_distances_are_shown_in_mm(masks: Masks) -> None:
    owner = signed_in(masks.team.owner)
    page = text(owner.get(masks.report.get_absolute_url()))
    checks = open_report(masks.report).checks
    rows = [row for check in checks for row in check["measures"] if "unit" in row["extra"]]
    distances = {row["id"]: row for row in rows if row["extra"]["unit"] == "mm"}

    assert set(distances) == {"hd95", "assd", "reader_hd95", "reader_assd"}
    for name, row in distances.items():
        assert f"<b>{row['value']:.3f} mm</b>" in page, name
    assert " fraction" not in page
    files = [reverse("reports:csv", args=[masks.team.slug, masks.report.pk, f"{check}.measures"])
             for check in ("segmentation", "segmentation-panel")]  # fmt: skip
    written = "".join(owner.get(url).content.decode() for url in files)
    units = {row["measure"]: row["unit"] for row in csv.DictReader(io.StringIO(written))}
    assert {name for name, unit in units.items() if unit == "mm"} == set(distances)


def test_a_case_keeps_every_pair_and_the_worst_come_first(masks: Masks) -> None:
    # More rows than pairs of readers, and the title says of what.
    (title,) = (one.title for one in all_tables(open_report(masks.report)) if one.name == "masks")
    assert title.startswith("Every comparison of masks: ")
    assert "18 of two readers" in title
    assert "18 of a reader with the majority of the other readers" in title
    assert sum(int(n) for n in re.findall(r"\d+", title)) == len(masks_table(
        open_report(masks.report)).rows)  # fmt: skip
    frozen = open_report(masks.report)

    assert not frozen.has_scores
    assert frozen.threshold is None
    assert frozen.by_id["b001"].model_dice == 0
    assert frozen.by_id["b005"].model_dice is None  # empty for everybody: no overlap to speak of
    assert frozen.by_id["b000"].reader_dice == pytest.approx(0.8, abs=0.15)
    page = reverse("reports:cases", args=[masks.team.slug, masks.report.pk])
    shown = text(signed_in(masks.team.owner).get(page, {"sort": "dice"}))
    assert shown.index(">b001<") < shown.index(">b000<") < shown.index(">b005<")


def test_a_share_link_shows_the_numbers_and_no_patient(masks: Masks) -> None:
    _, token = share(actor=masks.team.owner, report=masks.report, for_whom="a board")
    client = Client()
    door = client.get(reverse("shared:report", args=[token]), follow=True)
    case = client.get(f"{door.request['PATH_INFO']}case/b001/")

    assert "Dice of ball is" in text(door)
    assert case.status_code == 200
    assert "Majority without reader r1" in text(case)
    assert "p0" not in text(case)


def test_the_preview_says_what_masks_allow(
    masks: Masks, make_cohort_version: Make, make_model_version: Make, make_predictions: Make
) -> None:
    team, of_labels = masks.team, make_cohort_version(masks.team)

    def preview(cohort: Any, model: Any = None, predictions: Any = None) -> Any:
        return preview_of(Choice(team, cohort, model, predictions, None))

    found = preview(masks.cohort, predictions=masks.predictions)
    assert found.blocked == ""
    assert (found.will_run, found.will_not) == (2, 8)  # five ask for a model, three for labels
    lines = {line.title: line.reason for line in found.lines}
    assert lines["Segmentation"] == "6 reference masks; intervals over 3 patients"
    assert "the model beside them" in lines["Readers’ masks"]
    assert (found.cost.n_shards, found.cost.n_reused, found.cost.n_cases) == (1, 1, 0)
    chosen = {"cohort": masks.cohort.pk, "predictions": masks.predictions.pk}
    page = signed_in(team.owner).get(reverse("audits:new", args=[team.slug]), chosen)
    assert "No inference: masks are compared, structure by structure." in text(page)

    readers = preview(masks.cohort)
    assert readers.cost.n_reused == 0  # without the model's masks it is another comparison
    assert (
        "Choose a model that segments, or predictions with masks"
        in {x.title: x.reason for x in readers.lines}["Segmentation"]
    )
    assert "choose a segmentation" in preview(of_labels, predictions=masks.predictions).blocked
    scores = make_predictions(team)
    assert "choose predictions with masks" in preview(masks.cohort, predictions=scores).blocked
    model = make_model_version(team)
    assert "choose a model that segments" in preview(masks.cohort, model=model).blocked
