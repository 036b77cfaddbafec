"""What a child of intake left is taken only where it is what the child was asked for."""

import copy
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.evidence.intake_record import sealed
from ml.evidence.store import canonical, outputs_table, sha256_of, write_table
from ml.intake.cohort import read_cohort
from ml.intake.left import catalogue_left, files_of, model_left, predictions_left
from ml.intake.model import read_model
from ml.intake.predictions import read_predictions
from ml.sandbox.results import ResultError
from ml.zoo import blobs
from tests.ml.imaging.test_mask import nifti
from tests.ml.intake.build import QUIET, cohort_folder, model_folder, predictions_folder

TABLE = "case_id,dark,bright\na,0.25,0.75\nb,0.5,0.5\n"


@pytest.fixture
def cohort(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    return out, read_cohort(cohort_folder(tmp_path / "cohort", n=4), out, QUIET)


@pytest.fixture
def changed(cohort):
    """`changed(change)`: the catalogue after that change, with a hash that fits it."""
    out, result = cohort

    def make(change, *, hashed=True):
        catalogue = json.loads((out / "catalogue.json").read_bytes())
        change(catalogue)
        if hashed:
            words = ("title", "notes", "sha256")
            content = {key: one for key, one in catalogue.items() if key not in words}
            catalogue["sha256"] = sha256_of(content)
        (out / "catalogue.json").write_bytes(canonical(catalogue))
        return catalogue_left(out, result | {"sha256": catalogue["sha256"]})

    return make


def test_an_honest_catalogue_is_taken_as_it_is(cohort):
    out, result = cohort

    found = catalogue_left(out, result)

    assert found == json.loads((out / "catalogue.json").read_bytes())
    assert set(files_of(found)) == {path.name for path in (out / "files").iterdir()}
    assert set(files_of(found).values()) == {"image/png"}


def test_a_catalogue_of_volumes_is_taken_too(tmp_path):
    folder, out = tmp_path / "volumes", tmp_path / "out"
    for path in (folder / "images", folder / "masks", out):
        path.mkdir(parents=True)
    for kind in ("images", "masks"):
        (folder / kind / "a.nii").write_bytes(nifti(np.ones((6, 5, 4), np.uint8)))
    (folder / "cases.csv").write_text("case_id,image,mask\na,images/a.nii,masks/a.nii\n")
    (folder / "cohort.yaml").write_text("{title: V, task: segmentation, classes: [spot]}")

    found = catalogue_left(out, read_cohort(folder, out, QUIET))

    (image,) = found["cases"][0]["images"]
    assert image["media_type"] == "application/nifti"


def set_image(**fields):
    return lambda catalogue: catalogue["cases"][0]["images"][0].update(fields)


def set_case(**fields):
    return lambda catalogue: catalogue["cases"][0].update(fields)


@pytest.mark.parametrize(
    "change",
    [
        set_image(media_type="text/html"),
        set_image(sha256="../../etc/passwd"),
        set_image(display_sha256="0" * 63),
        set_image(width="8"),
        set_image(script="x"),
        set_case(case_id=7),
        set_case(case_id="x" * 401),
        set_case(images=None),
        set_case(covariates={"sex": ["f"]}),
        lambda catalogue: catalogue.update(task="regression"),
        lambda catalogue: catalogue.update(title="x" * 401),
        lambda catalogue: catalogue.update(more=1),
        lambda catalogue: catalogue.pop("classes"),
        lambda catalogue: catalogue["cases"].append(catalogue["cases"][0]),
        lambda catalogue: catalogue["readings"].append(
            {"reader_id": "r", "case_id": "gone", "question": "q", "score": 1.0, "label": None,
             "arm": None, "seconds": None}
        ),
    ],
)  # fmt: skip
def test_a_catalogue_of_another_shape_is_not_taken(change, changed):
    with pytest.raises(ResultError):
        changed(change)


def test_a_catalogue_that_its_hash_does_not_fit_is_not_taken(changed):
    with pytest.raises(ResultError, match="hash"):
        changed(set_case(label="dark", patient_id="other"), hashed=False)


def test_a_catalogue_of_another_hash_than_the_child_says_is_not_taken(cohort):
    out, result = cohort

    with pytest.raises(ResultError, match="hash"):
        catalogue_left(out, result | {"sha256": "0" * 64})


@pytest.mark.parametrize("data", [b"", b"[1]", b"{", b"[" * 100_000, b'{"a": NaN}', b"\xff"])
def test_what_is_no_json_object_is_not_taken(data, cohort):
    out, result = cohort
    (out / "catalogue.json").write_bytes(data)

    with pytest.raises(ResultError):
        catalogue_left(out, result)


@pytest.mark.parametrize("name", ["../catalogue.json", "/etc/passwd", "", "gone.json", None])
def test_a_catalogue_is_taken_from_the_folder_alone(name, cohort):
    out, result = cohort

    with pytest.raises(ResultError):
        catalogue_left(out, result | {"catalogue": name})


def test_a_catalogue_too_large_is_not_read(cohort, monkeypatch):
    monkeypatch.setattr("ml.intake.left.MOST_CATALOGUE", 100)

    with pytest.raises(ResultError, match="larger"):
        catalogue_left(*cohort)


def test_masks_are_named_too(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    result = read_cohort(blobs.cohort_folder(tmp_path / "masks", n=2), out, QUIET)

    found = catalogue_left(out, result)

    assert set(files_of(found)) == {path.name for path in (out / "files").iterdir()}


@pytest.fixture
def predictions(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    return out, read_predictions(predictions_folder(tmp_path / "p", TABLE), out, QUIET)


def test_honest_predictions_are_taken(predictions):
    out, result = predictions

    meta, data = predictions_left(out, result)

    assert meta == result["meta"]
    assert data == (out / "predictions.parquet").read_bytes()


def table(ids=("a", "b"), width=2, errors=None):
    return outputs_table(list(ids), [[0.5] * width for _ in ids], errors)


@pytest.mark.parametrize(
    "made",
    [
        table(("a",)),
        table(("a", "b", "c")),
        table(("a", "a")),
        table(width=3),
        table(errors={"a": "no_image"}),
        outputs_table(["a", "b"], [[0.5, None], [0.5, 0.5]]),
        outputs_table(["a", "b"], [[0.5, float("nan")], [0.5, 0.5]]),
        table().append_column("secret", pa.array(["x", "y"])),
    ],
)
def test_another_table_is_not_taken(made, predictions):
    out, result = predictions
    write_table(made, out / "predictions.parquet")

    with pytest.raises(ResultError, match="table"):
        predictions_left(out, result)


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 3}, {"n": "2"}, {"n": 0}, {"table": "../out/predictions.parquet"}, {"more": 1},
        {"meta": {"kind": "probabilities"}}, {"meta": {"kind": "masks"}}, {"sha256": "x"},
    ],
)  # fmt: skip
def test_another_account_of_predictions_is_not_taken(changes, predictions):
    out, result = predictions

    with pytest.raises(ResultError):
        predictions_left(out, result | changes)


@pytest.fixture
def several(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    rows = "case_id,member,dark,bright\na,1,0.2,0.8\na,2,0.4,0.6\nb,1,0.5,0.5\nb,2,0.6,0.4\n"
    return out, read_predictions(predictions_folder(tmp_path / "p", rows), out, QUIET)


def test_several_answers_are_taken_case_by_case(several):
    out, result = several

    assert predictions_left(out, result)[0] == result["meta"]


@pytest.mark.parametrize(
    "changes",
    [{"names": ["1"]}, {"names": ["1", "2", "3"]}, {"several": "vote"}, {"names": None}],
)
def test_another_number_of_answers_is_not_taken(changes, several):
    out, result = several

    with pytest.raises(ResultError):
        predictions_left(out, result | {"meta": result["meta"] | changes})


def test_answers_in_another_order_are_not_taken(several):
    out, result = several
    made = pq.read_table(out / "predictions.parquet")
    write_table(made.take([0, 2, 1, 3]), out / "predictions.parquet")

    with pytest.raises(ResultError, match="case by case"):
        predictions_left(out, result)


def test_masks_must_be_named_by_their_hash(tmp_path):
    meta = {"kind": "masks", "classes": ["x"], "model": {"name": "m", "version": "1"}}

    def told(mask):
        columns = {"case_id": ["a"], "mask": [mask], "error": [None]}
        made = pa.table({name: pa.array(one, pa.string()) for name, one in columns.items()})
        sha256 = write_table(made, tmp_path / "t.parquet")
        return predictions_left(
            tmp_path, {"meta": meta, "table": "t.parquet", "sha256": sha256, "n": 1}
        )

    assert told("0" * 64)[0]["kind"] == "masks"
    for mask in ("../x", None, "0" * 63):
        with pytest.raises(ResultError):
            told(mask)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    out = tmp_path_factory.mktemp("model") / "out"
    out.mkdir()
    return json.loads(json.dumps(read_model(model_folder(out.parent / "m"), out, QUIET)))


def test_an_honest_model_is_taken(told):
    assert model_left(told) == told


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.update(sha256="../x"),
        lambda told: told.update(manifest_sha256="0" * 64),
        lambda told: told["manifest"].update(name="Another"),
        lambda told: told["manifest"].update(format="pickle"),
        lambda told: told["card"].update(parameters=5),
        lambda told: told.update(card=sealed(told["card"] | {"notes": ["x" * 2**20]})),
        lambda told: told.update(card=[]),
        lambda told: told.update(more=1),
        lambda told: told.pop("files"),
    ],
)
def test_another_account_of_a_model_is_not_taken(change, told):
    other = copy.deepcopy(told)
    change(other)

    with pytest.raises(ResultError):
        model_left(other)
