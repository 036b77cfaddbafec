"""Bundles of volumes: what MONAI does before and after a network, in words of model.yaml."""

import json
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ml.engine.cases import Case, prepared
from ml.engine.program_session import open_program
from ml.engine.segment import by_patches, labels_of
from ml.imaging.declared import Input
from ml.intake.bundle import read_bundle
from ml.intake.bundle_inference import read_inferer, read_masks
from ml.intake.bundle_volumes import read_volume
from ml.intake.folder import open_folder
from ml.intake.model_manifest import ModelManifest
from ml.intake.refusal import Refused
from tests.ml.imaging.test_mask import nifti
from tests.ml.intake.test_model import read
from tests.ml.intake.zoo import (
    ARGMAX,
    FIRST,
    INVERT,
    LOAD,
    RAS,
    SOFTMAX,
    ZOO,
    after,
    sliding,
    spaced,
    step,
    window,
)
from tests.ml.program.builders import own

CLOSE = 2e-5  # of the largest number: MONAI interpolates in another order


def monais_own(steps):
    """The transforms of a configuration, by MONAI itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of readers that are not installed
        from monai import transforms as t

        return t.Compose([
            getattr(t, one["_target_"])(**{k: v for k, v in one.items() if k != "_target_"})
            for one in steps
        ])  # fmt: skip


def scan(folder, shape=(23, 19, 11), spacing=(1.1, 0.9, 3.0), turned=True):
    """A NIfTI file of a tilted scan whose axes run to left, back and up."""
    smooth = np.random.default_rng(3).normal(0, 40, shape).cumsum(0).cumsum(2)
    affine = np.diag([*spacing, 1.0])
    if turned:
        tilt = np.deg2rad(8)
        turn = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0],
                         [0, 0, 1]])  # fmt: skip
        affine[:3, :3] = np.diag([-1, -1, 1]) @ turn @ np.diag(spacing)
        affine[:3, 3] = [40, 30, -20]
    path = folder / "scan.nii.gz"
    path.write_bytes(nifti((smooth - smooth.mean()).astype(np.float32), affine))
    return path


CHAINS = {
    "spleen": ZOO["spleen_ct_segmentation"].before,
    "organs": [LOAD, *ZOO["swin_unetr_btcv_segmentation"].before[1:]],  # itk is not installed
    "turned otherwise": [LOAD, FIRST, step("Orientationd", axcodes="SPL"), spaced(2.0, 1.0, 0.7)],
    "two numbers": [LOAD, FIRST, RAS, step("Spacingd", pixdim=[1.0, 2.0], mode="bilinear")],
    "one number": [LOAD, FIRST, RAS, step("Spacingd", pixdim=1.3)],
    "nearest": [LOAD, FIRST, RAS, step("Spacingd", pixdim=[1.37] * 3, mode="nearest"),
                step("Resized", spatial_size=[12, 14, 16], mode="nearest")],
    "resized": [LOAD, FIRST, RAS, window(-100, 100),
                step("Resized", spatial_size=[12, 14, 16], mode="trilinear")],
    "not cut off": [LOAD, FIRST, RAS,
                    step("ScaleIntensityRanged", a_min=-50, a_max=150, b_min=-1, b_max=3),
                    spaced(1.5, 1.5, 2.0)],
    "scaled thrice": [LOAD, FIRST, window(-200, 300), RAS, step("NormalizeIntensityd",
                      subtrahend=0.4, divisor=0.2), step("ScaleIntensityd", minv=None, maxv=None,
                      factor=-0.5)],
    "from -1 to 1": [LOAD, FIRST, RAS, {**window(-200, 300), "b_min": -1.0}],
    "nearly as it is": [LOAD, FIRST, RAS, spaced(1.1005, 0.9, 2.9995)],
}  # fmt: skip


@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("name", CHAINS)
def test_a_volume_becomes_what_monais_own_transforms_make_of_it(name, turned, tmp_path):
    path = scan(tmp_path, turned=turned)
    found = read_volume(CHAINS[name], 1)
    assert found.problems == []
    patch = {"patch": {"size": [8, 8, 8]}} if "size" not in found.value else {}

    ours = prepared(Case("a", (path,)), Input.model_validate(found.value | patch)).array

    theirs = monais_own(CHAINS[name])({"image": str(path)})["image"].numpy()
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= CLOSE * np.abs(theirs).max()


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([LOAD, FIRST, spaced(1, 1, 1)], ["its place before Orientation", "No Orientation says"]),
        ([LOAD, RAS, window(0, 1), spaced(1, 1, 1)], ["behind values that were cut off"]),
        ([LOAD, RAS, step("Resized", spatial_size=[8] * 3)], ["mode 'area'"]),
        ([LOAD, RAS, step("Resized", spatial_size=[8, 8, -1], mode="trilinear")],
         ["spatial_size [8, 8, -1]"]),
        ([LOAD, RAS, step("Resized", spatial_size=8, mode="trilinear", align_corners=True)],
         ["align_corners True"]),
        ([LOAD, RAS, step("Resized", spatial_size=8, mode="trilinear"), window(0, 1)],
         ["cut off behind Resize"]),
        ([LOAD, RAS, {**spaced(1, 1, 1), "padding_mode": "zeros"}], ["padding_mode 'zeros'"]),
        ([LOAD, RAS, {**spaced(1, 1, 1), "diagonal": True}], ["diagonal True"]),
        ([LOAD, RAS, {**spaced(1, 1, 1), "mode": 3}], ["mode '3'"]),
        ([LOAD, RAS, spaced(-1, 1, 1)], ["pixdim [-1, 1, 1]"]),
        ([LOAD, RAS, {**spaced(1, 1, 1), "lazy": True}], ["lazy evaluation"]),
        ([LOAD, RAS, spaced(1, 1, 1), spaced(2, 2, 2)], ["another Spacing"]),
        ([LOAD, RAS, RAS], ["another Orientation"]),
        ([LOAD, step("Orientationd", axcodes="RSX")], ["axcodes 'RSX'"]),
        ([LOAD, RAS, step("NormalizeIntensityd", nonzero=True, channel_wise=True)],
         ["own statistics (nonzero: true, channel_wise: true)"]),
        ([LOAD, RAS, step("ScaleIntensityd")], ["own lowest and highest"]),
        ([LOAD, RAS, step("CropForegroundd", source_key="image")],
         ["CropForeground has no words", "where it is not empty"]),
        ([LOAD, RAS, step("DivisiblePadd", k=16)], ["DivisiblePad has no words", "borders"]),
        ([LOAD, RAS, step("ScaleIntensityRangePercentilesd", lower=1)], ["own distribution"]),
        ([step("LoadImaged", reader="NumpyReader"), RAS], ["its reader 'NumpyReader'"]),
        ([LOAD, RAS, step("CastToTyped", dtype="$torch.uint8")], ["dtype '$torch.uint8'"]),
        ([LOAD, RAS, step("scripts.Own")], ["scripts.Own has no words"]),
    ],
)  # fmt: skip
def test_what_model_yaml_has_no_words_for_is_said_by_its_key(steps, words):
    from ml.intake.bundle_config import Config

    config = Config({"preprocessing": steps}, "inference.json")
    found = read_volume(config.leave("preprocessing"), 1)

    for word in words:
        assert any(word in one for one in found.problems), found.problems


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ({"_target_": "SliceInferer"}, "'SliceInferer' has no words"),
        (sliding(roi=(96, 96, -1)), "roi_size"),
        (sliding(roi=(96, 96)), "roi_size"),
        (sliding([0.5, 0.5, 0.25]), "overlap"),
        (sliding(0.95), "overlap"),
        (sliding(mode="linear"), "mode 'linear'"),
        (sliding(sigma_scale=0.25), "sigma_scale"),
        (sliding(with_coord=True), "with_coord"),
        ("$scripts.Inferer()", "'None' has no words"),
    ],
)
def test_inferers_without_words(value, word):
    assert any(word in one for one in read_inferer(value, 3).problems)


def test_inferers_that_have_words():
    assert read_inferer(None, 3).value == {}
    assert read_inferer({"_target_": "SimpleInferer"}, 3).value == {}
    short = {"_target_": "monai.inferers.SlidingWindowInferer", "roi_size": 32}
    assert read_inferer(short, 3).value == {
        "size": [32, 32, 32], "overlap": 0.25, "mode": "constant",
    }  # fmt: skip
    padded = read_inferer(sliding([0.5] * 3, mode="gaussian", padding_mode="replicate"), 3)
    assert padded.value == {"size": [96, 96, 96], "overlap": 0.5, "mode": "gaussian"}
    assert any("'replicate'" in note for note in padded.notes)


@pytest.mark.parametrize(
    ("steps", "said", "problem", "note"),
    [
        ([SOFTMAX, ARGMAX], "softmax", "", ""),
        ([ARGMAX], "softmax", "", "argmax"),
        ([SOFTMAX, INVERT, ARGMAX], "softmax", "", "edges may differ"),
        ([after("Activationsd", sigmoid=True), after("AsDiscreted", threshold=0.5)], "sigmoid", "",
         "reach 0.5 at one voxel"),
        ([after("Activationsd", sigmoid=True), after("AsDiscreted", threshold=0.3)], "sigmoid",
         "threshold 0.3", ""),
        ([after("Activationsd", sigmoid=True), ARGMAX], "sigmoid", "argmax of sigmoids", ""),
        ([SOFTMAX, ARGMAX, after("KeepLargestConnectedComponentd")], "softmax",
         "KeepLargestConnectedComponent of the postprocessing would change", ""),
        ([INVERT], None, "No Activations and no argmax", ""),
    ],
)  # fmt: skip
def test_what_becomes_of_the_answers(steps, said, problem, note):
    found = read_masks(steps)

    assert found.value.get("activation") == said
    assert any(problem in one for one in found.problems) is bool(problem)
    assert any(note in one for one in found.notes) is bool(note)


def of_zoo(folder, name, own_words=None, **changes):
    told = ZOO[name]
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "inference.json").write_text(json.dumps(told.inference | changes))
    (folder / "configs" / "metadata.json").write_text(json.dumps(told.metadata))
    (folder / "models" / "model.safetensors").write_bytes(b"")
    words = {"output": {"positive": list(told.classes[1:])}} | (own_words or {})
    with open_folder(folder, folder) as opened:
        return read_bundle(opened, words)


def test_the_zoos_spleen_is_translated_as_a_whole(tmp_path):
    found = of_zoo(tmp_path, "spleen_ct_segmentation")

    assert found.manifest["task"] == "segmentation"
    assert found.manifest["input"] == {
        "dims": 3, "orientation": "RAS", "spacing_mm": [1.5, 1.5, 2.0],
        "intensity": {"window": [-57.0, 164.0]}, "resize": {"mode": "bilinear"},
        "patch": {"size": [96, 96, 96], "overlap": 0.5, "mode": "constant"},
    }  # fmt: skip
    assert found.manifest["output"] == {
        "kind": "logits", "activation": "softmax", "classes": ["background", "spleen"],
        "positive": ["spleen"],
    }  # fmt: skip
    ModelManifest.model_validate(found.manifest)
    assert any("amp" in note for note in found.notes)


def test_the_zoos_organs_are_translated_as_a_whole(tmp_path):
    found = of_zoo(tmp_path, "swin_unetr_btcv_segmentation")

    manifest = ModelManifest.model_validate(found.manifest)
    assert manifest.input.intensity.window == (-175, 250)
    assert "img_size" not in manifest.architecture.arguments
    assert any("img_size" in note for note in found.notes)


REFUSED = {
    "wholeBody_ct_segmentation": [
        "the expression '$[1.5, 1.5, 1.5] if", "own statistics (nonzero: true)",
        "own lowest and highest",
    ],
    "brats_mri_segmentation": [
        "Volumes of 4 channels", "own statistics (nonzero: true, channel_wise: true)",
        "No Orientation says", "Lambda (with '$lambda x: torch.where",
    ],
    "prostate_mri_anatomy": [
        "own lowest and highest", "own statistics", "KeepLargestConnectedComponent",
    ],
    "ventricular_short_axis_3label": ["own lowest and highest", "'SliceInferer'", "No Resize"],
    "endoscopic_inbody_classification": [
        "own statistics (nonzero: true, channel_wise: true)", "No Activations",
    ],
    "breast_density_classification": ["'TorchVisionFCModel', which is none of those built by name"],
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_the_others_of_the_zoo_are_refused_by_the_keys_that_caused_it(name, tmp_path):
    with pytest.raises(Refused) as caught:
        of_zoo(tmp_path, name)

    messages = [one.message for one in caught.value.refusals]
    for word in REFUSED[name]:
        assert any(word in one for one in messages), messages
    assert len(messages) == len(REFUSED[name])


def test_a_model_yaml_takes_the_place_of_what_was_refused(tmp_path):
    words = {
        "input": {"dims": 3, "spacing_mm": [0.5] * 3, "patch": {"size": [96] * 3}},
        "output": {"kind": "logits", "activation": "softmax",
                   "positive": ["central gland", "peripheral zone"]},
    }  # fmt: skip
    found = of_zoo(tmp_path, "prostate_mri_anatomy", words)

    assert ModelManifest.model_validate(found.manifest).input.axes == "RAS"


NETWORK = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "channels": [4, 8],
           "strides": [2], "num_res_units": 1, "norm": "batch"}  # fmt: skip


def test_from_a_scan_to_its_mask_a_bundle_gives_what_monai_gives(tmp_path):
    """The zoo's spleen with a smaller network and patch, as MONAI runs it beside ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai.inferers import SlidingWindowInferer

    module, folder = own("UNet", NETWORK), tmp_path / "b"
    patch = sliding(roi=(16, 16, 8), mode="gaussian")
    of_zoo(folder, "spleen_ct_segmentation", network_def={"_target_": "UNet", **NETWORK},
           inferer=patch)  # fmt: skip
    save_file(dict(module.state_dict()), folder / "models" / "model.safetensors")
    result = read(folder, tmp_path, {"output": {"positive": ["spleen"]}})
    manifest = ModelManifest.model_validate(result["manifest"])
    session = open_program(tmp_path / "out" / "files" / result["sha256"], manifest)
    path = scan(tmp_path)

    case = prepared(Case("a", (path,)), manifest.input)
    ours = by_patches(session, case.array, manifest.input.patch)

    image = monais_own(ZOO["spleen_ct_segmentation"].before)({"image": str(path)})["image"]
    inferer = SlidingWindowInferer(roi_size=(16, 16, 8), overlap=0.5, mode="gaussian")
    with torch.no_grad():
        theirs = inferer(image.as_tensor()[None], module)[0]
    assert np.abs(ours - theirs.numpy()).max() <= 1e-4 * float(theirs.abs().max())
    mask = torch.softmax(theirs, 0).argmax(0).numpy()
    assert 0 < mask.mean() < 1
    assert (labels_of(ours, manifest.output) == mask).mean() > 0.9999
