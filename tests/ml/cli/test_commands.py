"""The command line as a developer uses it, in this process; jobs still run in children."""

import json
import re

import pytest

from ml.cli.main import main
from ml.cli.shards import settled
from ml.zoo import readers as reader_zoo
from tests.ml.intake.build import cohort_folder, model_folder, predictions_folder

PROTOCOL = """\
checks: [discrimination, operating-point, intake, determinism]
limits:
- {check: discrimination, measure: auroc, value: 0.6, direction: min, origin: pre-registered,
   reference: a test}
draws: 200
"""


def audit(*arguments):
    return main(["audit", *map(str, arguments)])


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "protocol.yaml").write_text(PROTOCOL)
    model_folder(tmp_path / "model")
    cohort_folder(tmp_path / "cohort", n=60)
    return tmp_path


def measures(out):
    document = json.loads((out / "audit.json").read_text())
    return {
        f"{check['id']}.{measure['id']}": measure["value"]
        for check in document["checks"]
        for measure in check["measures"]
    }


def test_an_audit_writes_document_and_evidence_and_reuses_it(folders, capsys):
    arguments = ["--model", folders / "model", "--cohort", folders / "cohort"]
    arguments += ["--protocol", folders / "protocol.yaml", "--out", folders / "out"]

    first = audit(*arguments, "--workers", 2)
    document = json.loads((folders / "out" / "audit.json").read_text())
    said = capsys.readouterr().err
    second = audit(*arguments)

    assert first == second == 0
    assert (document["schema"], document["verdict"]) == (1, "pass")
    assert document["model"]["name"] == "Brightness"
    assert document["cohort"]["n_patients"] == 30
    assert document["engine"]["device"] == "cpu"
    assert document["engine"]["providers"][0] in ("CPUExecutionProvider", "fused program on cpu")
    assert [(check["id"], check["state"]) for check in document["checks"]] == [
        ("discrimination", "pass"),
        ("operating-point", "info"),
        ("intake", "info"),
        ("determinism", "info"),
    ]
    assert measures(folders / "out")["determinism.repeat_difference"] == 0
    assert measures(folders / "out")["determinism.program_difference"] < 1e-5
    assert measures(folders / "out")["discrimination.auroc"] == 1.0
    assert "shard 2: 10 of 10 cases" in said
    assert "shard 2: reused" in capsys.readouterr().err
    kept = [path.name for path in (folders / "out" / "evidence").iterdir()]
    assert all(re.fullmatch(r"[0-9a-f]{64}\.(parquet|json|runtime\.json)", name) for name in kept)
    assert len(kept) == 5
    assert sorted(path.name for path in (folders / "out").iterdir()) == ["audit.json", "evidence"]


def test_evidence_goes_on_with_the_runtime_it_was_begun_with(tmp_path):
    model = {"sha256": "m", "manifest_sha256": "f", "card": {"runtime": {"chosen": "program"}}}
    other = {**model, "card": {"parameters": 3, "runtime": {"chosen": "onnxruntime"}}}

    assert settled(model, tmp_path / "evidence") == model["card"]
    assert settled(other, tmp_path / "evidence") == {"parameters": 3, **model["card"]}
    assert settled({**other, "sha256": "n"}, tmp_path / "evidence") == other["card"]


def test_damaged_evidence_is_computed_again(folders, capsys):
    arguments = ["--model", folders / "model", "--cohort", folders / "cohort"]
    arguments += ["--protocol", folders / "protocol.yaml", "--out", folders / "out"]
    audit(*arguments)
    before = measures(folders / "out")
    for path in (folders / "out" / "evidence").glob("*.parquet"):
        path.write_bytes(path.read_bytes()[:-5])
    capsys.readouterr()

    assert audit(*arguments) == 0

    assert "reused" not in capsys.readouterr().err
    assert measures(folders / "out") == before


def test_a_failed_limit_is_exit_one(folders):
    rows = ["case_id,dark,bright", *(f"c{n},{n % 2},{1 - n % 2}" for n in range(60))]
    predictions_folder(folders / "p", "\n".join(rows))

    code = audit(
        "--predictions", folders / "p", "--cohort", folders / "cohort",
        "--protocol", folders / "protocol.yaml", "--out", folders / "out",
    )  # fmt: skip

    document = json.loads((folders / "out" / "audit.json").read_text())
    assert code == 1
    assert document["verdict"] == "fail"
    assert document["model"]["kind"] == "predictions"
    states = {check["id"]: check["state"] for check in document["checks"]}
    assert states["intake"] == states["determinism"] == "not assessed"
    assert document["engine"]["device"] is None


def test_readings_alone_have_no_model(folders):
    (folders / "cohort" / "readings.csv").write_text(
        "reader_id,case_id,label\n"
        + "".join(f"r{r},c{n},{'bright' if n % 2 else 'dark'}\n" for n in range(60) for r in (1, 2))
    )
    (folders / "protocol.yaml").write_text("checks: [agreement]\nlimits: []\ndraws: 200\n")

    code = audit(
        "--cohort", folders / "cohort",
        "--protocol", folders / "protocol.yaml", "--out", folders / "out",
    )  # fmt: skip

    document = json.loads((folders / "out" / "audit.json").read_text())
    assert code == 0
    assert document["model"] is None
    assert any(key.startswith("agreement.alpha") for key in measures(folders / "out"))


@pytest.mark.parametrize(
    ("extra", "codes"),
    [
        (["--ood", "x"], ["not_found", "option_invalid"]),
        (["--reference", "x"], ["not_found"]),  # which needs no model, as --ood does
        (["--protocol", "nowhere.yaml"], ["not_found"]),
        (["--model", "nowhere"], ["not_found"]),
        (["--workers", "0"], ["option_invalid"]),
        (["--out", "/etc/passwd"], ["option_invalid"]),
        (["--out", "/etc/passwd/x", "--cohort", "no/where"], ["not_found", "option_invalid"]),
    ],
)
def test_refusals_are_exit_two_with_reasons_as_json(extra, codes, folders, capsys):
    code = audit("--cohort", folders / "cohort", "--out", folders / "out", *extra)

    assert code == 2
    assert [r["code"] for r in json.loads(capsys.readouterr().out)["refused"]] == codes
    assert not (folders / "out" / "audit.json").exists()


@pytest.mark.parametrize("text", ["checks: [no-such-check]\n", "limits: 3\ntypo: 1\n"])
def test_a_bad_protocol_is_refused_before_anything_is_read(text, folders, capsys):
    (folders / "protocol.yaml").write_text(text)
    (folders / "empty").mkdir()

    code = audit(
        "--cohort", folders / "empty", "--out", folders / "out",
        "--protocol", folders / "protocol.yaml",
    )  # fmt: skip

    assert code == 2
    refused = json.loads(capsys.readouterr().out)["refused"]
    assert {reason["code"] for reason in refused} == {"protocol_invalid"}


def test_intake_of_each_kind(folders, capsys):
    predictions_folder(folders / "p", "case_id,dark,bright\na,0,1\n")
    for name, kind in (("model", "model"), ("cohort", "cohort"), ("p", "predictions")):
        assert main(["intake", str(folders / name), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["kind"] == kind
        assert main(["intake", str(folders / name)]) == 0
        assert capsys.readouterr().out.startswith("accepted")


def test_intake_of_a_model_gives_its_verdict(folders, capsys):
    assert main(["intake", str(folders / "model"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert main(["intake", str(folders / "model")]) == 0
    said = capsys.readouterr().out

    points = {row["id"]: row["state"] for row in found["verdict"]["points"]}
    assert points["repeat"] == points["batch-mates"] == "pass"
    assert {row["id"] for row in found["verdict"]["capabilities"]} >= {"runtime", "batch", "head"}
    assert {row["id"]: row["state"] for row in found["verdict"]["checks"]}["intake"] == "pass"
    assert found["card"]["scan"]["n_files"] == 2
    assert "Same input, same output: two runs, 2 cases: identical" in said
    assert "-> Declare the threshold it is used at" in said


def test_intake_of_a_lone_file_shows_its_card(folders, capsys):
    assert main(["intake", str(folders / "model" / "model.onnx")]) == 0

    said = capsys.readouterr().out
    assert "add a model.yaml" in said
    assert "opset 17" in said


def test_intake_refuses_a_pickle(tmp_path, capsys):
    (tmp_path / "net.pt").write_bytes(b"\x80\x02cposix\nsystem\n")

    assert main(["intake", str(tmp_path / "net.pt")]) == 2
    assert json.loads(capsys.readouterr().out)["refused"][0]["code"] == "pickle_refused"


def test_stats_of_scores(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text("score,present\n0.1,0\n0.4,0\n0.35,1\n0.8,1\n")

    assert main(["stats", "auroc", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["value"] == 0.75


def test_stats_of_readings(tmp_path, capsys):
    """Krippendorff's own example of two readers and ten binary cases."""
    answers = zip("0101000000", "1110010000", strict=True)
    rows = [f"{r},c{n},{v}" for n, pair in enumerate(answers) for r, v in enumerate(pair)]
    (tmp_path / "t.csv").write_text("reader_id,case_id,score\n" + "\n".join(rows))

    assert main(["stats", "alpha", str(tmp_path / "t.csv"), "--scale", "nominal"]) == 0
    assert json.loads(capsys.readouterr().out)["value"] == pytest.approx(0.095, abs=5e-4)


@pytest.mark.parametrize(
    ("rows", "options", "code"),
    [
        ("score,present\nx,1\n", ["auroc"], "label_value"),
        ("score,present\n0.1,7\n", ["auroc"], "label_value"),
        ("a,b\n1,2\n", ["auroc"], "csv_header"),
        ("reader_id,case_id,score\nr,c,1\nr,c,2\n", ["alpha"], "reading_duplicate"),
        ("reader_id,case_id,score\nr,c,1\n", ["alpha", "--scale", "ordinal"], "question_unknown"),
    ],
)
def test_stats_refuse_bad_tables(rows, options, code, tmp_path, capsys):
    (tmp_path / "t.csv").write_text(rows)

    assert main(["stats", options[0], str(tmp_path / "t.csv"), *options[1:]]) == 2
    assert json.loads(capsys.readouterr().out)["refused"][0]["code"] == code


def test_an_unexpected_fault_is_no_failed_limit(folders, capsys, monkeypatch):
    def broken(path):
        raise RuntimeError("unforeseen")

    monkeypatch.setattr("ml.cli.audit.read_protocol", broken)

    assert audit("--cohort", folders / "cohort", "--out", folders / "out") == 3
    assert "RuntimeError: unforeseen" in capsys.readouterr().err


def test_missing_and_unknown_predictions_are_counted_apart(folders, capsys):
    rows = ["case_id,dark,bright", *(f"c{n},{1 - n % 2},{n % 2}" for n in range(3, 60)), "x,0,1"]
    predictions_folder(folders / "p", "\n".join(rows))

    audit(
        "--predictions", folders / "p", "--cohort", folders / "cohort",
        "--protocol", folders / "protocol.yaml", "--out", folders / "out",
    )  # fmt: skip

    said = capsys.readouterr().err
    assert "3 cases of the cohort are not predicted" in said
    assert "1 predictions are of cases that the cohort does not have" in said


def test_a_reader_study_keeps_its_arms_from_table_to_report(tmp_path):
    """Simulated readings of the zoo, marked so, in two arms; patients with two cases each."""
    reader_zoo.cohort_folder(tmp_path / "cohort")
    (tmp_path / "protocol.yaml").write_text("{checks: [mrmc], limits: [], draws: 200}")
    arguments = ["--protocol", tmp_path / "protocol.yaml", "--out", tmp_path / "out"]

    assert audit("--cohort", tmp_path / "cohort", *arguments) == 0
    found = measures(tmp_path / "out")
    document = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert document["cohort"]["simulated"]
    difference = found["mrmc.auroc_difference:aided-unaided"]
    assert difference == pytest.approx(found["mrmc.auroc:aided"] - found["mrmc.auroc:unaided"])
    assert difference > 0
    assert len([name for name in found if name.startswith("mrmc.auroc:r")]) == 10
    methods = {one["id"]: one["method"] for one in document["checks"][0]["measures"]}
    assert "45 patients" in methods["auroc_difference:aided-unaided"]


def test_readers_of_one_arm_beside_the_predictions_of_the_zoo(tmp_path):
    reader_zoo.cohort_folder(tmp_path / "cohort", arms=("",))
    reader_zoo.predictions_folder(tmp_path / "predictions")
    (tmp_path / "protocol.yaml").write_text("{checks: [mrmc], limits: [], draws: 200}")
    arguments = ["--protocol", tmp_path / "protocol.yaml", "--out", tmp_path / "out"]

    subject = ["--predictions", tmp_path / "predictions"]
    assert audit("--cohort", tmp_path / "cohort", *subject, *arguments) == 0
    found = measures(tmp_path / "out")
    mean = found["mrmc.auroc:model"] - found["mrmc.auroc:readers"]
    assert found["mrmc.auroc_difference:model-readers"] == pytest.approx(mean)
