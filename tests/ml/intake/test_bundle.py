"""MONAI bundles: read as data, their network built by name, nothing of theirs run."""

import json
import shutil
import time
import warnings
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from ml.engine.cases import Case, prepare_case
from ml.engine.program_session import open_program
from ml.imaging.declared import Input
from ml.intake.bundle import read_bundle
from ml.intake.bundle_config import Config
from ml.intake.folder import open_folder
from ml.intake.model_manifest import ModelManifest
from ml.intake.refusal import Refused
from tests.ml.intake.build import codes, merged, zipped
from tests.ml.intake.test_model import read, refused
from tests.ml.program.builders import own

METADATA = {
    "name": "Breast density", "version": "0.1.4", "task": "Breast density classification",
    "network_data_format": {
        "inputs": {"image": {"type": "image", "num_channels": 1, "spatial_shape": [40, 32]}},
        "outputs": {"pred": {"type": "probabilities", "num_channels": 2,
                             "channel_def": {"0": "A", "1": "B"}}},
    },
}  # fmt: skip
INFERENCE = {
    "imports": ["$import glob"],
    "bundle_root": ".",
    "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
    "dims": 2,
    "width": "$@dims * 4",
    "network_def": {
        "_target_": "monai.networks.nets.DenseNet", "spatial_dims": "@dims", "in_channels": 1,
        "out_channels": "%classes", "init_features": "@width", "growth_rate": "$(@width // 2)",
        "block_config": "$[@dims] + [1 + 1]",
    },
    "classes": 2,
    "network": "$@network_def.to(@device)",
    "preprocessing": {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "LoadImaged", "keys": ["image"]},
            {"_target_": "EnsureChannelFirstd", "keys": "image"},
            {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": 0, "a_max": 255,
             "b_min": -1.0, "b_max": 1.0, "clip": True},
            {"_target_": "Resized", "keys": "image", "spatial_size": [40, 32], "mode": "bilinear"},
        ],
    },
    "postprocessing": {
        "_target_": "Compose",
        "transforms": [{"_target_": "Activationsd", "keys": "pred", "softmax": True}],
    },
    "evaluator": {"_target_": "SupervisedEvaluator", "device": "@device"},
}  # fmt: skip
ARGUMENTS = {
    "spatial_dims": 2, "in_channels": 1, "out_channels": 2, "init_features": 8, "growth_rate": 4,
    "block_config": [2, 2],
}  # fmt: skip
POSITIVE = {"output": {"positive": ["B"]}}


@cache
def module():
    return own("DenseNet", ARGUMENTS)


@cache
def weights() -> Path:
    path = Path(mkdtemp(prefix="plumbline-bundle-"))
    save_file(dict(module().state_dict()), path / "model.safetensors")
    torch.save(module().state_dict(), path / "model.pt")
    return path


def bundle(folder, *, inference=None, metadata=None, model=POSITIVE, file="model.safetensors",
           as_yaml=False):  # fmt: skip
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    config = merged(INFERENCE, inference or {})
    if as_yaml:
        (folder / "configs" / "inference.yaml").write_text(yaml.safe_dump(config))
    else:
        (folder / "configs" / "inference.json").write_text(json.dumps(config))
    (folder / "configs" / "metadata.json").write_text(json.dumps(merged(METADATA, metadata or {})))
    if file:
        shutil.copy(weights() / file, folder / "models" / file)
    if model is not None:
        (folder / "model.yaml").write_text(yaml.safe_dump(model))
    return folder


def found(folder, model=POSITIVE):
    with open_folder(folder, folder) as opened:
        return read_bundle(opened, model)


def why(folder, model=POSITIVE):
    with pytest.raises(Refused) as caught:
        found(folder, model)
    return caught.value.refusals


@pytest.mark.parametrize("as_yaml", [False, True])
def test_what_a_bundle_says_becomes_a_manifest(as_yaml, tmp_path):
    read = found(bundle(tmp_path / "b", as_yaml=as_yaml))

    assert read.manifest["architecture"] == {
        "name": "monai.DenseNet", "arguments": ARGUMENTS, "axes": "xy",
    }  # fmt: skip
    assert read.manifest["input"] == {
        "colour": "gray", "size": [32, 40], "resize": {"mode": "bilinear", "antialias": "none"},
        "intensity": {"scale": 255.0, "mean": 0.5, "std": 0.5},
    }  # fmt: skip
    assert read.manifest["output"] == {
        "kind": "logits", "activation": "softmax", "classes": ["A", "B"], "positive": ["B"],
    }  # fmt: skip
    assert (read.manifest["name"], read.manifest["version"]) == ("Breast density", "0.1.4")
    assert any("x before y" in note for note in read.notes)


def monais_own():
    """The preprocessing of the configuration, by MONAI itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of readers that are not installed
        from monai import transforms as t

        return t.Compose([
            t.LoadImage(reader="PILReader", image_only=True), t.EnsureChannelFirst(),
            t.ScaleIntensityRange(0, 255, -1.0, 1.0, clip=True),
            t.Resize([40, 32], mode="bilinear"),
        ])  # fmt: skip


@pytest.mark.parametrize("file", ["model.safetensors", "model.pt"])
def test_a_bundle_gives_the_scores_that_monai_gives(file, tmp_path):
    """From the file of a picture to the logits: MONAI's own transforms and network beside ours."""
    result = read(bundle(tmp_path / "b", file=file), tmp_path)
    card = result["card"]
    assert (card["format"], card["architecture"]) == ("monai-bundle", "monai.DenseNet")
    assert card["smoke"]["deterministic"] is True
    assert card["producer"].startswith("monai 1.")
    assert any("rewritten" in note for note in card["notes"]) is (file == "model.pt")
    manifest = ModelManifest.model_validate(result["manifest"])
    session = open_program(tmp_path / "out" / "files" / result["sha256"], manifest)
    noise = np.random.default_rng(1).integers(0, 256, (50, 61), dtype=np.uint8)
    picture = tmp_path / "picture.png"
    Image.fromarray(noise).save(picture)

    ours = session.run(prepare_case(Case("a", (picture,)), manifest.input)[None])
    steps = monais_own()
    with torch.no_grad():
        theirs = module()(steps(picture).as_tensor()[None]).numpy()

    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


def test_a_zip_with_its_folder_inside_is_known_too(tmp_path):
    folder = bundle(tmp_path / "b", model=None)
    packed = zipped(folder, tmp_path / "b.zip", top="bundle-1/")

    assert codes(refused(packed, tmp_path)) == ["bundle_untranslated"]
    assert read(packed, tmp_path, dict(POSITIVE))["manifest"]["format"] == "monai-bundle"


def test_which_classes_are_a_finding_is_never_guessed(tmp_path):
    (refusal,) = why(bundle(tmp_path / "b"), {})

    assert refusal.code == "bundle_untranslated"
    assert "output.positive" in refusal.message
    assert "model.yaml" in refusal.message


LOAD = INFERENCE["preprocessing"]["transforms"][0]
RANGE, RESIZE = INFERENCE["preprocessing"]["transforms"][2:]


@pytest.mark.parametrize(
    ("step", "word"),
    [
        ({"_target_": "ScaleIntensityd", "keys": "image"}, "own lowest and highest"),
        ({"_target_": "NormalizeIntensityd", "keys": "image"}, "own statistics"),
        ({"_target_": "NormalizeIntensity", "subtrahend": 1, "divisor": 2, "nonzero": True},
         "own statistics"),
        ({**RESIZE, "mode": "area"}, "'area'"),
        ({**RESIZE, "spatial_size": [40, -1]}, "its size"),
        ({**RESIZE, "align_corners": True}, "with its options"),
        ({**RANGE, "a_max": 1000, "clip": False}, "a range that is not cut off"),
        ({**RANGE, "a_min": 5, "a_max": 5}, "its range"),
        ({"_target_": "Spacingd", "pixdim": [1, 1]}, "millimetres"),
        ({"_target_": "Orientationd", "axcodes": "RAS"}, "millimetres"),
        ({"_target_": "scripts.Crop"}, "scripts.Crop has no words"),
        ({"_target_": "os.system"}, "os.system has no words"),
        ({"_target_": "Lambdad", "func": "$lambda x: x"}, "$lambda"),
        ({**LOAD, "reader": "ITKReader"}, "ITKReader"),
    ],
)  # fmt: skip
def test_a_transform_without_words_is_said_and_a_model_yaml_takes_its_place(step, word, tmp_path):
    folder = bundle(
        tmp_path / "b",
        inference={"preprocessing": {"transforms": [LOAD, step]}},
    )
    refusals = why(folder)

    assert {one.code for one in refusals} == {"bundle_untranslated"}
    assert any(word in one.message for one in refusals)
    declared = {"input": {"size": [32, 40]}, "architecture": {"axes": "yx"}, **POSITIVE}
    assert found(folder, declared).manifest["architecture"]["axes"] == "yx"


def translated(*steps):
    from ml.intake.bundle_transforms import read_input

    read = read_input([LOAD, *steps], 1)
    assert read.problems == []
    return read.value


def test_intensities_that_have_words():
    ct = {"_target_": "ScaleIntensityRanged", "a_min": -1000, "a_max": 400, "b_min": 0.0,
          "b_max": 1.0, "clip": True}  # fmt: skip
    plain = {"_target_": "NormalizeIntensityd", "subtrahend": [0.4], "divisor": [0.2]}
    assert translated(ct, RESIZE, plain)["intensity"] == {
        "window": [-1000.0, 400.0], "mean": [0.4], "std": [0.2],
    }  # fmt: skip
    factor = {"_target_": "ScaleIntensityd", "minv": None, "maxv": None, "factor": -0.5}
    assert translated(factor, RESIZE)["intensity"] == {"scale": 2.0}
    assert translated({"_target_": "Resized", "spatial_size": 64, "mode": "nearest"})["size"] == [
        64, 64,
    ]  # fmt: skip
    Input.model_validate({**translated(ct, RESIZE, plain), "size": [32, 40]})


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ("$1 + 2 * 3", 7), ("$-(7 // 2)", -3), ("$7 % 4 / 2", 1.5), ("$(1, 2.5, [True, None])",
        [1, 2.5, [True, None]]), ("@a", 4), ("%a", 4), ("$@b::c::0 - @a", 6), ("@b#c#0", 10),
        ("plain", "plain"), ("$[@a] + [1]", [4, 1]), ({"x": ["@a", "$@a"]}, {"x": [4, 4]}),
    ],
)  # fmt: skip
def test_references_and_arithmetic(value, answer):
    config = Config({"a": 4, "b": {"c": ["$@a + 6"]}}, "inference.json")

    assert config.resolved(value) == answer


EXPRESSIONS = [
    "$__import__('os').system('touch MARKER')", "$open('MARKER', 'w')", "$(lambda: 1)()",
    "$().__class__.__bases__[0].__subclasses__()", "$[x for x in [1]]", "$'a' * 10",
    "$@a.__class__", "$@a if True else 1", "$2 ** 999999999", "$[0] * 1000000000", "$1 << 99",
    "$reference_0", "$monai.bundle.load('x')", "$exec('x')", "$f'{1}'", "$b'x'", "$...", "$1; 2",
    "$", "$1 +", "$(a := 1)", "$9 * 10**9", "$1 / 0", "$1 % 0", "$" + "(" * 300 + ")" * 300,
    "$" + "-" * 499 + "1", "$99999999999999999999 * 2", "@a.b", "@../x", "%other.json::a", "$1j",
    "$" + "1+" * 1000 + "1", "$1e308 * 10", "$@a @ @a", "$True + 1 if 1 else 0",
]  # fmt: skip


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_other_expressions_are_refused_with_their_text(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = Config({"a": 4}, "inference.json")

    with pytest.raises(Refused) as caught:
        config.resolved(text)

    (refusal,) = caught.value.refusals
    assert refusal.code == "bundle_expression"
    assert repr(text[:120]) in refusal.message
    assert not list(tmp_path.iterdir())


DEEP: list[object] = []
for _ in range(500):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("root", "value"),
    [
        ({"a": "@a"}, "@a"),
        ({"a": "$@b + 1", "b": "%a"}, "@a"),
        ({"a": {"x": "@a"}}, "@a"),
        ({f"a{n}": f"@a{n + 1}" for n in range(200)} | {"a200": 1}, "@a0"),
        ({f"a{n}": [f"@a{n + 1}"] * 2 for n in range(30)} | {"a30": 1}, "@a0"),
        ({f"a{n}": f"$@a{n + 1} + @a{n + 1}" for n in range(30)} | {"a30": [1]}, "@a0"),
        ({"a": 1}, "@b"),
        ({"a": [1]}, "@a::1"),
        ({"a": [1]}, "@a::x"),
        ({"a": DEEP}, "@a"),
    ],
)
def test_references_that_lead_nowhere_or_on_without_end_are_refused(root, value):
    began = time.process_time()
    with pytest.raises(Refused) as caught:
        Config(root, "inference.json").resolved(value)

    assert caught.value.refusals[0].code == "bundle_invalid"
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("inference", "code"),
    [
        ({"network_def": {"_target_": "os.system"}}, "architecture_unknown"),
        ({"network_def": {"_target_": "scripts.net.Net"}}, "architecture_unknown"),
        ({"network_def": {"_target_": "$__import__('os').system"}}, "bundle_expression"),
        ({"network_def": {"_target_": "monai.networks.nets.densenet.DenseNet121.__init__"}},
         "architecture_unknown"),
        ({"network_def": {"in_channels": "$__import__('os').system('touch marker')"}},
         "bundle_expression"),
        ({"network_def": "$monai.bundle.load('x')"}, "bundle_expression"),
        ({"network_def": None, "network": None}, "bundle_invalid"),
        ({"network_def": {"_mode_": "debug"}}, "bundle_invalid"),
        ({"network_def": {"pickled": 1}}, "architecture_invalid"),
        ({"network_def": {"out_channels": 10**6}}, "architecture_invalid"),
        ({"network_def": {"growth_rate": 4096, "init_features": 4096, "bn_size": 16,
                          "block_config": [64] * 6}}, "model_limit"),
    ],
)  # fmt: skip
def test_hostile_networks_are_refused_and_nothing_runs(inference, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    caught = refused(bundle(tmp_path / "b", inference=inference), tmp_path)

    assert codes(caught)[0] == code
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    "metadata",
    [
        {"network_data_format": {"outputs": {"pred": {
            "channel_def": {str(n): f"c{n}" for n in range(20_000)}}}}},
        {"network_data_format": {"outputs": {"pred": {"channel_def": {"1": None, "2": "B"}}}}},
        {"network_data_format": {"outputs": []}},
        {"network_data_format": "x"},
    ],
)  # fmt: skip
def test_classes_that_are_not_named_one_by_one_are_asked_for(metadata, tmp_path):
    refusals = why(bundle(tmp_path / "b", metadata=metadata))

    assert "output.classes" in " ".join(one.message for one in refusals)


def test_a_million_classes_are_refused(tmp_path):
    folder = bundle(tmp_path / "b")
    classes = [f"c{n}" for n in range(10**6)]
    given = {"output": {"positive": ["c1"], "classes": classes}}
    (folder / "model.yaml").unlink()

    assert codes(refused(folder, tmp_path, given)) == ["manifest_invalid"]
    (folder / "configs" / "metadata.json").write_text(json.dumps({"channel_def": classes}))
    assert codes(refused(folder, tmp_path)) == ["too_large"]


def test_files_that_are_missing_or_of_another_kind(tmp_path):
    assert why(bundle(tmp_path / "none", file=""))[0].code == "file_missing"
    script = bundle(tmp_path / "ts", file="")
    (script / "models" / "model.ts").write_bytes(b"PK")
    assert why(script)[0].code == "pickle_refused"
    assert "torch.export.save" in why(script)[0].message
    empty = bundle(tmp_path / "empty")
    (empty / "configs" / "inference.json").unlink()
    assert why(empty)[0].code == "bundle_invalid"
    broken = bundle(tmp_path / "broken")
    (broken / "configs" / "inference.json").write_text("[" * 100_000)
    assert why(broken)[0].code == "bundle_invalid"
    onnx = bundle(tmp_path / "onnx", model={"format": "onnx", **POSITIVE})
    assert codes(refused(onnx, tmp_path)) == ["manifest_invalid"]
    image = bundle(tmp_path / "image", metadata={"network_data_format": {"outputs": {
        "pred": {"type": "image"}}}})  # fmt: skip
    assert codes(refused(image, tmp_path)) == ["model_shape"]  # of one that segments


def test_a_pickled_module_in_place_of_weights_is_refused(tmp_path):
    folder = bundle(tmp_path / "b", file="model.pt")
    torch.save(torch.nn.Linear(1, 1), folder / "models" / "model.pt")

    assert codes(refused(folder, tmp_path)) == ["pickle_refused"]


def test_paths_out_of_the_bundle_lead_nowhere(tmp_path):
    (tmp_path / "secret").write_text("x")
    folder = bundle(tmp_path / "b", model={"file": "../secret", **POSITIVE})

    assert codes(refused(folder, tmp_path)) == ["manifest_invalid"]
    outside = bundle(tmp_path / "l", file="")
    (outside / "models" / "model.safetensors").symlink_to(tmp_path / "secret")
    assert codes(refused(outside, tmp_path)) == ["archive_link"]
