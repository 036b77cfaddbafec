"""A training cohort at the command line: measured like the audited one, and held against it."""

import json

import pytest

from ml.cli import shards
from ml.cli.main import main
from ml.zoo import memory
from tests.ml.cli.test_audit_passes import Here

N = 60


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("memory")
    memory.cohort_folder(home / "cohort", n=N, seed=2)
    memory.cohort_folder(home / "training", n=N, seed=1, title="Training")
    memory.model_folder(home / "model", memorised=True, n=N, seed=1)
    (home / "protocol.yaml").write_text("checks: [memorisation]\ndraws: 200\n")
    return home


def audit(home, out, *more):
    code = main(
        ["audit", "--model", str(home / "model"), "--cohort", str(home / "cohort"),
         "--out", str(out), *map(str, more)]
    )  # fmt: skip
    return code, out / "audit.json"


def test_a_network_that_knows_its_training_cohort_by_heart_fails(home, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "WarmChild", Here)
    code, written = audit(
        home, tmp_path / "out",
        "--reference", home / "training", "--protocol", home / "protocol.yaml",
    )  # fmt: skip
    document = json.loads(written.read_text())
    (check,) = document["checks"]
    measured = {one["id"]: one for one in check["measures"]}

    assert (code, check["state"]) == (1, "fail")
    assert measured["membership_auroc"]["n"] == 2 * N
    assert measured["membership_auroc"]["low"] > 0.5
    assert measured["generalisation_gap:accuracy"]["value"] > 0.1
    (copies,) = [one for one in check["findings"] if one["id"] == "memorisation.copies"]
    assert copies["state"] == "pass", "pixels were compared, not only files"
    rows = check["series"][-1]["rows"]
    assert all(row[1] and row[2] is not None for row in rows)
    assert [row["role"] for row in document["cohort"]["beside"]] == ["reference"]


def test_a_reference_that_nothing_would_look_at_is_refused(home, tmp_path, capsys):
    assert audit(home, tmp_path / "out", "--reference", home / "training")[0] == 2
    refused = json.loads(capsys.readouterr().out)["refused"]
    assert refused[0]["code"] == "option_invalid"
    assert "memorisation" in refused[0]["message"]
