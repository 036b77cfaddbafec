"""One forward leaves outputs and features, and the outputs are the predict pass's own."""

import io

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from ml.engine.cases import Case, prepare_case
from ml.engine.features import layers_of, outputs_alone, pooled, tapped
from ml.engine.passes import MOST_FEATURES, feature_columns
from ml.engine.predict import TABLE, predict_job
from ml.engine.program_session import as_session
from ml.engine.session import ModelError, open_session
from ml.engine.smoke import noise
from ml.evidence.checked import check_outputs
from ml.evidence.packed import packed, unpacked
from ml.evidence.passes import FEATURES, features_of
from ml.evidence.store import EvidenceError, joined, write_table
from ml.intake.model_manifest import ModelManifest
from ml.intake.pt2 import read_pt2
from ml.program.walk import Walker
from ml.zoo.shades import model_folder as shades_folder
from tests.ml.engine.small import small
from tests.ml.engine.test_predict import model_file, stored_image
from tests.ml.engine.test_samples import OfVolumes
from tests.ml.imaging.test_mask import nifti
from tests.ml.intake.build import MANIFEST, QUIET, merged
from tests.ml.intake.exported import DOUBTFUL
from tests.ml.program.networks import exported
from tests.ml.program.test_walk import apart

LAYERS = ["penultimate", "early"]


def manifest_of(name, **changes):
    net = small(name)
    classes = ["a", "b"] if name == "tiny" else ["a", "b", "c"]
    output = {"kind": "logits", "classes": classes, "positive": ["b"]}
    given = {"format": "pt2", "file": "m.pt2", "input": {"size": net.shape[1:]}, "output": output}
    return ModelManifest.model_validate(merged(merged(MANIFEST, given), changes))


@pytest.mark.parametrize("name", ["densenet", "resnet", "vit", "tiny"])
def test_outputs_keep_every_bit_and_features_are_the_modules(name):
    net, manifest = small(name), manifest_of(name)
    program = read_pt2(net.path)
    session = as_session(program, manifest)
    found = tapped(session, program, manifest, LAYERS)
    batch = noise(manifest.input, 5)

    outputs, features = found.run(batch)

    assert found.same_forward, "the penultimate value and the first map cost no second forward"
    assert np.array_equal(outputs, session.run(batch))
    names = [layer.value for layer in found.layers]
    with torch.no_grad():
        plain = Walker(program).run([torch.from_numpy(batch)], taps=names)
    assert features["penultimate"].shape[0] == 5
    assert apart(torch.from_numpy(features["penultimate"]), plain[names[0]]) <= 1e-4
    early = plain[names[1]]
    around = list(range(2, early.dim()))
    expected = torch.cat([early.mean(around), early.std(around, unbiased=False)], dim=1)
    assert apart(torch.from_numpy(features["early"]), expected) <= 1e-4


def test_a_layer_that_would_change_the_outputs_is_walked_apart(monkeypatch):
    """A convolution that is read before its normalisation is not computed together with it."""
    net, manifest = small("tiny"), manifest_of("tiny")
    program = read_pt2(net.path)
    first = next(node.name for node in program.nodes if node.operation.base == "conv2d")
    session = as_session(program, manifest)
    batch = noise(manifest.input, 4)
    found = tapped(session, program, manifest, [first])

    outputs, features = found.run(batch)

    assert np.array_equal(outputs, session.run(batch))
    with torch.no_grad():
        plain = Walker(program).run([torch.from_numpy(batch)], taps=[first])[first]
    assert apart(torch.from_numpy(features[first]), plain.mean((2, 3))) <= 1e-4
    # The way out is taken whenever one bit differs.
    run = type(session).run
    monkeypatch.setattr(type(session), "run", lambda self, cases: run(self, cases) + 1e-12)
    monkeypatch.setattr("ml.engine.features.np.array_equal", lambda a, b: False)
    assert not tapped(session, program, manifest, ["penultimate"]).same_forward


def test_onnxruntime_computes_the_outputs_and_the_program_the_features(tmp_path):
    manifest = ModelManifest.model_validate(MANIFEST)
    session = open_session(model_file(tmp_path), manifest)
    from ml.engine.program_session import program_of

    program = program_of(tmp_path / "weights", manifest)
    found = tapped(session, program, manifest, ["penultimate"])
    batch = noise(manifest.input, 3)

    outputs, features = found.run(batch)

    assert np.array_equal(outputs, session.run(batch))
    assert features["penultimate"] == pytest.approx(batch.mean((1, 2, 3))[:, None], rel=1e-5)


def test_layers_are_named_or_refused():
    program = read_pt2(small("tiny").path)
    asked = layers_of(program, ["penultimate", "early", "second"], program.outputs[0])

    assert len({layer.value for layer in asked}) == 3
    with pytest.raises(ModelError, match="no layer 'third'"):
        layers_of(program, ["third"], program.outputs[0])


def test_channels_last_are_pooled_along_the_others():
    value = np.arange(12.0).reshape(1, 3, 4)

    assert pooled(value, 2).tolist() == [[4, 5, 6, 7]]
    assert pooled(value, 1).tolist() == [[1.5, 5.5, 9.5]]


@pytest.fixture
def job(tmp_path):
    net = small("tiny")
    cases = [
        {"case_id": f"c{shade}", "images": [str(stored_image(tmp_path, shade))]}
        for shade in (3, 90, 200)
    ]
    cases.insert(1, {"case_id": "gone", "images": [str(tmp_path / "nowhere")]})
    model = {"path": str(net.path), "manifest": manifest_of("tiny").model_dump(mode="json")}
    return {"model": model, "cases": cases, "batch": 2}


def test_the_table_of_predict_is_in_it_to_the_last_byte(job, tmp_path):
    plain, more = tmp_path / "plain", tmp_path / "more"
    plain.mkdir()
    more.mkdir()
    without = predict_job(job, plain, QUIET)
    with_them = predict_job({**job, "features": LAYERS}, more, QUIET)
    data = (more / with_them["table"]).read_bytes()
    table = pq.read_table(io.BytesIO(data))

    assert write_table(outputs_alone(table), tmp_path / "again") == without["sha256"]
    assert with_them["runtime"]["features"] == "same forward"
    assert not with_them["reusable"]
    found = unpacked(table[FEATURES + "penultimate"])
    assert found.shape == (4, 6)
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 2, 3]]).all()
    ids = [case["case_id"] for case in job["cases"]]
    check_outputs(data, ids, 2, feature_columns({"features": LAYERS}))


def test_a_shard_of_failed_cases_alone_fits_the_others(job, tmp_path):
    whole = predict_job({**job, "features": LAYERS}, tmp_path, QUIET)
    first = (tmp_path / whole["table"]).read_bytes()
    failed = predict_job({**job, "cases": job["cases"][1:2], "features": LAYERS}, tmp_path, QUIET)
    second = (tmp_path / failed["table"]).read_bytes()

    assert unpacked(joined([first, second])[FEATURES + "early"]).shape == (5, 8)


def test_a_table_that_lies_about_its_features_is_refused(job, tmp_path):
    result = predict_job({**job, "features": LAYERS}, tmp_path, QUIET)
    table = pq.read_table(tmp_path / result["table"])
    ids = [case["case_id"] for case in job["cases"]]
    at = table.column_names.index(FEATURES + "early")

    def refused(changed, match):
        write_table(changed, tmp_path / "lie")
        with pytest.raises(EvidenceError, match=match):
            check_outputs(
                (tmp_path / "lie").read_bytes(), ids, 2, feature_columns({"features": LAYERS})
            )

    refused(table.remove_column(at), "its columns")
    refused(table.set_column(at, FEATURES + "early", table["error"]), "its columns")
    large = packed([np.zeros(MOST_FEATURES + 1, np.float32)] * 4)
    refused(table.set_column(at, FEATURES + "early", large), "its columns")
    refused(table.append_column("more", packed([np.zeros(1, np.float32)] * 4)), "further columns")
    with pytest.raises(EvidenceError, match="further columns"):
        check_outputs((tmp_path / result["table"]).read_bytes(), ids, 2)


def test_features_of_volumes_are_the_modules(tmp_path):
    """From files to columns: what the head reads, and each channel of the first map."""
    module, sides = OfVolumes().eval(), (8, 6, 4)
    path = exported(module, (1, *sides), tmp_path / "model.pt2")
    given = {"dims": 3, "size": list(sides), "resize": {"mode": "nearest", "antialias": "none"}}
    manifest = ModelManifest.model_validate(merged(DOUBTFUL, {"input": given}))
    cases = []
    for number in range(3):
        volume = np.random.default_rng(number).integers(0, 256, sides, dtype=np.uint8)
        (tmp_path / f"c{number}").write_bytes(nifti(volume))
        cases.append({"case_id": f"c{number}", "images": [str(tmp_path / f"c{number}")]})
    model = {"path": str(path), "manifest": manifest.model_dump(mode="json")}

    asked = {"model": model, "cases": cases, "features": LAYERS}
    result = predict_job(asked, tmp_path, QUIET)

    data = (tmp_path / result["table"]).read_bytes()
    check_outputs(data, ["c0", "c1", "c2"], 2, feature_columns({"features": LAYERS}))
    table = joined([data])
    arrays = np.stack([
        prepare_case(Case(one["case_id"], (tmp_path / one["case_id"],)), manifest.input)
        for one in cases
    ])  # fmt: skip
    with torch.no_grad():
        early = module.norm(module.conv(torch.from_numpy(arrays)))
        read = torch.relu(early).mean((2, 3, 4))
        expected = module.head(read)
    found = unpacked(table[FEATURES + "penultimate"])
    assert found == pytest.approx(read.numpy(), abs=1e-5)
    assert found.std(axis=0).max() > 1e-3
    assert table["output_0"].to_pylist() == pytest.approx(expected[:, 0].tolist(), abs=1e-5)
    assert unpacked(table[FEATURES + "early"]).shape == (3, 12)


def test_a_network_of_two_branches_has_no_early_layer_and_is_run_all_the_same(tmp_path):
    """Nobody named that layer: its lack once failed every shard of an audit."""
    folder = shades_folder(tmp_path / "model", channels=4)
    manifest = yaml.safe_load((folder / "model.yaml").read_text())
    cases = [{"case_id": "c1", "images": [str(stored_image(tmp_path, 90))]}]
    model = {
        "path": str(folder / "model.onnx"),
        "manifest": ModelManifest.model_validate(manifest).model_dump(mode="json"),
    }
    job = {"model": model, "cases": cases, "batch": 8}
    asked = job | {"features": ["penultimate", "early"]}

    predict_job(asked, tmp_path, QUIET)

    data = (tmp_path / TABLE).read_bytes()
    check_outputs(data, ["c1"], 2, feature_columns(asked))
    table = pq.read_table(io.BytesIO(data))
    assert table["features.early"].null_count == 1
    assert np.isfinite(table["output_0"].to_pylist()[0])
    found = features_of(table, ["c1"])
    assert list(found) == ["penultimate"]
    assert np.isfinite(found["penultimate"]).all()
