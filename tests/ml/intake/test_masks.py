"""Masks of cohorts and of predictions on their way in."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image

from ml.evidence.store import table
from ml.imaging.mask import unpack
from ml.intake.cohort import read_cohort
from ml.intake.predictions import read_predictions
from ml.intake.refusal import Refused
from ml.zoo import blobs
from tests.ml.intake.build import QUIET, codes, zipped


def read(folder, tmp_path):
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    result = read_cohort(folder, out, QUIET)
    return result, json.loads((out / result["catalogue"]).read_bytes()), out


def refused(folder, tmp_path, reader=read_cohort):
    (tmp_path / "out").mkdir(exist_ok=True)
    with pytest.raises(Refused) as caught:
        reader(folder, tmp_path / "out", QUIET)
    assert list((tmp_path / "out").iterdir()) == []
    return caught


def change(folder, **changes):
    path = folder / "cohort.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))


@pytest.fixture
def cohort(tmp_path):
    return blobs.cohort_folder(tmp_path / "cohort", n=3)


def test_masks_enter_the_catalogue(cohort, tmp_path):
    result, catalogue, out = read(zipped(cohort, tmp_path / "cohort.zip"), tmp_path)

    assert (result["n_cases"], result["n_masks"], result["n_reader_masks"]) == (3, 3, 9)
    case = catalogue["cases"][0]
    assert list(case["reader_masks"]) == ["r1", "r2", "r3"]
    assert case["mask"]["spacing_mm"] == [1.0, 1.0, 2.5]
    kept = unpack((out / "files" / case["mask"]["sha256"]).read_bytes())
    assert kept.labels.sum() == case["mask"]["voxels"][0] > 0
    assert catalogue["cases"][-1]["mask"]["voxels"] == [0]


def test_readers_alone_are_a_cohort_too(tmp_path):
    folder = blobs.cohort_folder(tmp_path / "cohort", n=3, reference=False)

    result, catalogue, _ = read(folder, tmp_path)

    assert (result["n_masks"], result["n_reader_masks"]) == (0, 9)
    assert catalogue["cases"][0]["mask"] is None


def test_a_classification_cohort_says_nothing_of_masks(tmp_path):
    from tests.ml.intake.build import cohort_folder

    result, catalogue, _ = read(cohort_folder(tmp_path / "c", n=2), tmp_path)

    assert "mask" not in catalogue["cases"][0]
    assert "n_masks" not in result


def test_every_wrong_mask_is_named(cohort, tmp_path):
    (cohort / "masks" / "b000.nii.gz").unlink()
    Image.fromarray(np.array([[0, 7], [9, 0]], np.uint8)).save(cohort / "masks" / "r1" / "b000.png")
    blobs.write_mask(cohort / "masks" / "r2" / "b009.nii.gz", blobs.ball(5))
    (cohort / "masks" / "r3" / "notes.txt").write_text("x")

    caught = refused(cohort, tmp_path)

    assert sorted(codes(caught)) == [
        "label_unknown_case",
        "mask_missing",
        "mask_unsupported",
        "mask_values",
    ]


def test_two_masks_of_one_reader(cohort, tmp_path):
    Image.fromarray(np.eye(4, dtype=np.uint8)).save(cohort / "masks" / "r1" / "b000.png")

    assert codes(refused(cohort, tmp_path)) == ["reading_duplicate"]


def test_a_cohort_without_any_mask(tmp_path):
    folder = blobs.cohort_folder(tmp_path / "cohort", n=2, readers=(), reference=False)

    assert codes(refused(folder, tmp_path)) == ["mask_missing"]


def test_structures_must_be_named(cohort, tmp_path):
    change(cohort, classes=[])

    assert codes(refused(cohort, tmp_path)) == ["manifest_invalid"]


def test_masks_of_volumes_belong_to_segmentation(cohort, tmp_path):
    change(cohort, task="classification", positive=["ball"], classes=["ball", "none"])

    assert set(codes(refused(cohort, tmp_path))) == {"task_unsupported"}


def test_labels_do_not(cohort, tmp_path):
    cases = cohort / "cases.csv"
    lines = cases.read_text().split()
    cases.write_text("\n".join(f"{x},{'label' if not i else 'ball'}" for i, x in enumerate(lines)))

    assert codes(refused(cohort, tmp_path)) == ["task_unsupported"]


def test_predicted_masks_become_a_table_and_files(tmp_path):
    folder = blobs.predictions_folder(tmp_path / "p", n=3)
    (tmp_path / "out").mkdir()

    result = read_predictions(folder, tmp_path / "out", QUIET)

    made = table((tmp_path / "out" / result["table"]).read_bytes())
    assert made["case_id"].to_pylist() == ["b000", "b001", "b002"]
    assert result["n"] == 3
    assert result["meta"]["kind"] == "masks"
    assert result["meta"]["model"]["name"] == "Ball finder (simulated)"
    for sha in made["mask"].to_pylist():
        unpack((tmp_path / "out" / "files" / sha).read_bytes())


def test_predictions_without_masks(tmp_path):
    folder = blobs.predictions_folder(tmp_path / "p", n=1)
    (folder / "masks" / "b000.nii.gz").unlink()

    assert codes(refused(folder, tmp_path, read_predictions)) == ["mask_missing"]


def test_a_broken_mask_refuses_the_predictions(tmp_path):
    folder = blobs.predictions_folder(tmp_path / "p", n=2)
    (folder / "masks" / "b000.nii.gz").write_bytes(b"\x1f\x8b broken")

    assert codes(refused(folder, tmp_path, read_predictions)) == ["mask_unreadable"]


def marked(folder, case="c1", *, sides=(10, 12), where="masks/{}.png", value=255):
    """A classification cohort whose case has a mask of the finding."""
    mask = np.zeros(sides, np.uint8)
    mask[2:5, 3:9] = value
    path = folder / where.format(case)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)
    return path


@pytest.fixture
def labelled(tmp_path):
    from tests.ml.intake.build import cohort_folder

    folder = cohort_folder(tmp_path / "labelled", n=4)
    lines = (folder / "cases.csv").read_text().split()
    cells = ["mask", "", "masks/c1.png", "", ""]
    rows = [f"{line},{cell}" for line, cell in zip(lines, cells, strict=True)]
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_a_cohort_of_labels_keeps_masks_of_the_finding(labelled, tmp_path):
    marked(labelled)
    marked(labelled, where="masks/anna/{}.png", value=1)
    marked(labelled, case="c3", where="masks/anna/{}.png", value=0)

    result, catalogue, out = read(labelled, tmp_path)

    assert (catalogue["task"], result["n_masks"], result["n_reader_masks"]) == (
        "classification", 1, 2,
    )  # fmt: skip
    none, case, *_, empty = catalogue["cases"]
    assert (none["mask"], none["reader_masks"]) == (None, {})
    assert (case["label"], case["mask"]["voxels"], case["mask"]["shape"]) == (
        "bright", [18], [10, 12],
    )  # fmt: skip
    assert case["mask"]["sha256"] == case["reader_masks"]["anna"]["sha256"]  # 1 or 255: the same
    assert empty["reader_masks"]["anna"]["voxels"] == [0]
    kept = unpack((out / "files" / case["mask"]["sha256"]).read_bytes()).labels
    assert kept[2:5, 3:9].all()
    assert kept.sum() == 18
    from ml.intake.left import catalogue_left, files_of

    assert set(files_of(catalogue_left(out, result))) >= {case["mask"]["sha256"]}


@pytest.mark.parametrize(
    ("sides", "code"), [((12, 10), "mask_grid"), ((20, 24), "mask_grid"), ((10, 12), None)]
)
def test_a_mask_of_a_finding_is_as_large_as_its_picture(sides, code, labelled, tmp_path):
    marked(labelled, sides=sides)
    if code is None:
        read(labelled, tmp_path)
    else:
        assert codes(refused(labelled, tmp_path)) == [code]


def test_hostile_masks_of_findings_are_refused(labelled, tmp_path):
    marked(labelled)
    for reader, value in (("two", 9), ("flat", None), ("cut", None), ("large", None)):
        path = marked(labelled, where=f"masks/{reader}/{{}}.png")
        if value is not None:
            mask = np.asarray(Image.open(path)).copy()
            mask[0, 0] = value  # a second value beside 255
            Image.fromarray(mask).save(path)
        elif reader == "flat":
            path.unlink()
            blobs.write_mask(path.with_suffix("").with_suffix(".nii.gz"), blobs.ball(5))
        elif reader == "cut":
            path.write_bytes(path.read_bytes()[:60])
        else:
            Image.new("1", (40_000, 40_000)).save(path)

    assert sorted(codes(refused(labelled, tmp_path))) == [
        "mask_unreadable", "mask_unreadable", "mask_unsupported", "mask_values",
    ]  # fmt: skip


def test_a_mask_needs_the_one_picture_of_its_case(labelled, tmp_path):
    marked(labelled)
    text = (labelled / "cases.csv").read_text().replace("images/c1.png", "images/c*.png")
    (labelled / "cases.csv").write_text(text)

    assert codes(refused(labelled, tmp_path)) == ["task_unsupported"]
