"""Further cohorts at the command line: read, run through the same model, and kept apart."""

import argparse
import json

import pytest
from PIL import Image

from ml.checks import all_checks
from ml.cli import beside, shards
from ml.cli.main import main
from ml.limits import FOREIGN_LIMITS
from ml.protocol import Protocol
from tests.ml.cli.test_audit_passes import Here
from tests.ml.intake.build import cohort_folder, model_folder, predictions_folder

PROTOCOL = "checks: [discrimination, ood-detection]\nlimits: []\ndraws: 200\n"


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "protocol.yaml").write_text(PROTOCOL)
    model_folder(tmp_path / "model")
    for name, n, title in (("cohort", 40, "Own"), ("ct", 12, "chest CT"), ("us", 11, "chest CT"),
                           ("dev", 30, "Development")):  # fmt: skip
        cohort_folder(tmp_path / name, n=n, title=title)
    for side, name in enumerate(("ct", "us", "dev"), 11):  # pictures of their own
        for path in (tmp_path / name / "images").iterdir():
            if (name, path.name) != ("us", "c0.png"):
                Image.open(path).resize((side, side)).save(path)
    return tmp_path


def audit(folders, *more, protocol="protocol.yaml"):
    given = ["--protocol", folders / protocol] if protocol else []
    return main([
        "audit", "--model", str(folders / "model"), "--cohort", str(folders / "cohort"),
        "--out", str(folders / "out"), *map(str, (*given, *more)),
    ])  # fmt: skip


def refused(capsys):
    return [(one["code"], one["message"]) for one in json.loads(capsys.readouterr().out)["refused"]]


def test_foreign_cohorts_reach_the_check_and_their_evidence_is_reused(folders, capsys, monkeypatch):
    monkeypatch.setattr(shards, "WarmChild", Here)
    more = ["--ood", f"far={folders / 'ct'}", "--ood", folders / "us"]
    more += ["--reference", folders / "dev"]

    first = audit(folders, *more)
    document = json.loads((folders / "out" / "audit.json").read_text())
    capsys.readouterr()
    assert audit(folders, *more) == first == 0

    said = capsys.readouterr().err
    assert said.count("reused") == 4
    assert [(row["name"], row["role"], row["n_cases"]) for row in document["cohort"]["beside"]] == [
        ("chest CT", "foreign", 12), ("chest CT (2)", "foreign", 11),
        ("Development", "reference", 30),
    ]  # fmt: skip
    assert [row.get("kind") for row in document["cohort"]["beside"]] == ["far", None, None]
    check = document["checks"][1]
    assert check["id"] == "ood-detection"
    measured = {one["id"]: one for one in check["measures"]}
    assert measured["confident_findings"]["n"] == 22
    (shared,) = [one for one in check["findings"] if one["id"] == "ood-detection.shared-images"]
    assert shared["cases"] == ["chest CT (2)/c0"]
    assert any("chest CT (2)/" in name for name in measured)
    again = json.loads((folders / "out" / "audit.json").read_text())["checks"][1]
    assert again["measures"] == check["measures"]


def test_the_default_protocol_asks_one_check_more_only_where_cohorts_are_given():
    plain = Protocol.default()
    given = argparse.Namespace(ood=[], reference=None)
    assert beside.asked(plain, all_checks(), given) is plain
    given.ood = ["ct"]
    asked = beside.asked(plain, all_checks(), given)

    assert "ood-detection" not in plain.checks
    assert asked.checks == (*plain.checks, "ood-detection")
    assert asked.is_default
    assert asked.sha256 != plain.sha256
    assert asked.limits == (*plain.limits, *FOREIGN_LIMITS)
    needs = {check.id: check.needs for check in beside.wanting(all_checks(), given)}
    assert set(needs["ood-detection"]) == {
        *("prediction", "foreign", "features", "samples", "gradient-scores")
    }
    assert needs["discrimination"] == ("labels", "prediction")


def test_cohorts_that_nothing_would_look_at_are_refused(folders, capsys):
    (folders / "other.yaml").write_text("checks: [discrimination]\nlimits: []\n")
    assert audit(folders, "--ood", folders / "ct", protocol="other.yaml") == 2
    assert refused(capsys)[0][0] == "option_unsupported"

    assert audit(folders, "--reference", folders / "dev") == 2
    assert "--reference takes --ood" in refused(capsys)[0][1]

    predictions_folder(folders / "p", "case_id,dark,bright\nc0,0,1\n")
    code = main([
        "audit", "--predictions", str(folders / "p"), "--cohort", str(folders / "cohort"),
        "--ood", str(folders / "ct"), "--out", str(folders / "out"),
    ])  # fmt: skip
    assert code == 2
    assert "--ood takes --model" in refused(capsys)[0][1]
