"""A reference at the command line without any model: its images are measured, and compared."""

import json

import pytest
from PIL import Image

from ml.cli import shards
from ml.cli.main import main
from ml.zoo import memory
from tests.ml.cli.test_audit_passes import Here


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "WarmChild", Here)
    memory.cohort_folder(tmp_path / "cohort", n=12, seed=2)
    training = memory.cohort_folder(tmp_path / "training", n=12, seed=1, title="Training")
    with Image.open(training / "images" / "m0003.png") as shown:
        shown.save(tmp_path / "cohort" / "images" / "m0005.png", compress_level=1)
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "predictions.yaml").write_text(
        "kind: probabilities\nclasses: [dark, bright]\npositive: [bright]\n"
        "model: {name: M, version: '1'}\n"
    )
    rows = [f"m{at:04d},0.5,0.5" for at in range(12)]
    (tmp_path / "predictions" / "predictions.csv").write_text(
        "\n".join(["case_id,dark,bright", *rows]) + "\n"
    )
    return tmp_path


def audit(home, checks, *subject):
    (home / "protocol.yaml").write_text(f"checks: [{checks}]\ndraws: 200\n")
    code = main(
        ["audit", "--cohort", str(home / "cohort"), "--reference", str(home / "training"),
         "--protocol", str(home / "protocol.yaml"), "--out", str(home / "out"), *subject]
    )  # fmt: skip
    return code, home / "out" / "audit.json"


@pytest.mark.parametrize("with_predictions", [True, False])
def test_a_copy_is_found_without_a_model(home, with_predictions, capsys):
    subject = ("--predictions", str(home / "predictions")) if with_predictions else ()
    code, written = audit(home, "leakage, duplicates", *subject)
    assert code == 1, capsys.readouterr().out
    document = json.loads(written.read_text())
    states = {one["id"]: one["state"] for one in document["checks"]}
    assert states["leakage"] == "fail"
    (check,) = [one for one in document["checks"] if one["id"] == "leakage"]
    assert next(one for one in check["findings"] if one["id"] == "leakage.images")["cases"] == [
        "m0005"
    ]
    measures = {one["id"]: one["value"] for one in check["measures"]}
    assert measures["leaked:pixels"] == pytest.approx(1 / 12)
    assert ("auroc:all cases" in measures) == with_predictions
    assert [row["role"] for row in document["cohort"]["beside"]] == ["reference"]


def test_a_reference_that_takes_a_model_is_refused_without_one(home, capsys):
    code, _ = audit(home, "memorisation", "--predictions", str(home / "predictions"))
    assert code == 2
    (refused,) = json.loads(capsys.readouterr().out)["refused"]
    assert refused["code"] == "option_invalid"
    assert "leakage" in refused["message"]
