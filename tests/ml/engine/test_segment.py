"""Networks that segment: their masks lie on the image's grid, by the piece or as a whole."""

import json
import warnings

import numpy as np
import pytest
import torch
import yaml

from ml.cli.main import main
from ml.engine.cases import Case, prepared
from ml.engine.predict import predict_job
from ml.engine.segment import by_patches, class_maps, labels_of, segment
from ml.engine.session import open_session
from ml.evidence.checked import check_masks
from ml.evidence.store import EvidenceError, masks_of, masks_table, table
from ml.imaging.declared import Patch
from ml.imaging.mask import decode_mask, unpack
from ml.intake.model import read_model
from ml.intake.model_manifest import ModelManifest, Scores
from ml.verdict import verdict_of
from tests.ml.imaging.test_mask import nifti, png
from tests.ml.intake.build import QUIET, merged
from tests.ml.intake.test_model import codes, refused

OUTPUT = {
    "kind": "logits", "classes": ["nothing", "spot"], "activation": "softmax", "positive": ["spot"],
}  # fmt: skip
INPUT = {"size": [16, 16], "colour": "gray", "resize": {"mode": "nearest"},
         "intensity": {"scale": 255}}  # fmt: skip
MANIFEST = {
    "name": "Spots", "version": "1", "format": "pt2", "file": "model.pt2", "task": "segmentation",
    "input": INPUT, "output": OUTPUT,
}  # fmt: skip
VOLUME = {"dims": 3, "size": [8, 8, 8], "resize": {"mode": "nearest"}}


class Spots(torch.nn.Module):
    """Marks what is brighter than a half, seen through a convolution of one pixel."""

    def __init__(self, dims: int, *, last: bool = False) -> None:
        super().__init__()
        self.last = last
        self.conv = (torch.nn.Conv2d if dims == 2 else torch.nn.Conv3d)(1, 2, 1)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([-1.0, 1.0]).reshape(2, *[1] * (dims + 1)))
            self.conv.bias.copy_(torch.tensor([0.5, -0.5]))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if self.last:
            return self.conv(image.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.conv(image)


def exported(path, module, sides, *, last=False, onnx=False):
    example = torch.zeros(2, *((*sides, 1) if last else (1, *sides)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        if onnx:
            torch.onnx.export(
                module.eval(), (example,), path, dynamo=False, input_names=["image"],
                dynamic_axes={"image": {0: "cases"}},
            )  # fmt: skip
            return path
        free = ({0: torch.export.Dim("batch")},)
        torch.export.save(torch.export.export(module.eval(), (example,), dynamic_shapes=free), path)
    return path


def model(folder, *, sides=(16, 16), onnx=False, **changes):
    """A folder to hand in; its network takes ``sides`` at once."""
    folder.mkdir(parents=True, exist_ok=True)
    file = "model.onnx" if onnx else "model.pt2"
    manifest = merged(
        MANIFEST, {"format": "onnx" if onnx else "pt2", "file": file, **changes}
    )  # fmt: skip
    last = manifest["input"].get("layout") == "NHWC"
    module = Spots(len(sides), last=last)
    exported(folder / file, module, sides, last=last, onnx=onnx)
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest))
    return folder


def opened(folder):
    manifest = ModelManifest.model_validate(yaml.safe_load((folder / "model.yaml").read_text()))
    return open_session(folder / str(manifest.file), manifest), manifest


def spot(shape, *where):
    pixels = np.zeros(shape, np.uint8)
    pixels[where] = 200
    return pixels


PIXELS = spot((32, 48), slice(8, 16), slice(30, 42))
VOXELS = spot((16, 12, 10), slice(2, 9), slice(4, 8), slice(6, 10))


def case_of(tmp_path, data):
    path = tmp_path / "image"
    path.write_bytes(data)
    return Case("c", (path,))


def mask_of(folder, case):
    session, manifest = opened(folder)
    ((_, mask, error, _),) = segment(session, manifest, [case], QUIET)
    assert error == ""
    return unpack(mask)


@pytest.mark.parametrize("onnx", [False, True])
def test_a_mask_lies_on_the_pixels_of_its_picture(onnx, tmp_path):
    """The network saw 16 x 16 pixels of 32 x 48."""
    found = mask_of(model(tmp_path / "m", onnx=onnx), case_of(tmp_path, png(PIXELS)))

    np.testing.assert_array_equal(found.labels, PIXELS > 0)
    assert found.same_grid(decode_mask(png(PIXELS), 1))


@pytest.mark.parametrize("mode", ["constant", "gaussian"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_by_the_piece_nothing_is_resized(layout, mode, tmp_path):
    patch = {"size": [16, 16], "overlap": 0.5, "mode": mode}
    changes = {"input": {"size": None, "patch": patch, "layout": layout}}
    pixels = spot((37, 41), slice(3, 20), slice(30, 41))  # no whole number of patches

    found = mask_of(model(tmp_path / "m", **changes), case_of(tmp_path, png(pixels)))

    np.testing.assert_array_equal(found.labels, pixels > 0)


def test_a_picture_smaller_than_a_patch_is_surrounded_and_cut_again(tmp_path):
    changes = {"input": {"size": None, "patch": {"size": [16, 16]}}}
    pixels = spot((5, 40), slice(2, 5), slice(10, 20))

    found = mask_of(model(tmp_path / "m", **changes), case_of(tmp_path, png(pixels)))

    np.testing.assert_array_equal(found.labels, pixels > 0)


class Sums:
    """Answers for each pixel of a patch the sum of the patch: what averaging does is seen."""

    def run(self, batch):
        total = batch.sum(axis=(2, 3), keepdims=True)
        return np.broadcast_to(total, batch.shape).astype(np.float64)


@pytest.mark.parametrize("mode", ["constant", "gaussian"])
def test_overlapping_patches_are_averaged_as_monai_does(mode):
    from monai.inferers import SlidingWindowInferer

    image = np.random.default_rng(1).normal(size=(1, 20, 26)).astype(np.float32)
    inferer = SlidingWindowInferer((8, 8), overlap=0.5, mode=mode)
    sums = Sums()

    found = by_patches(sums, image, Patch(size=(8, 8), overlap=0.5, mode=mode))
    expected = inferer(
        torch.from_numpy(image)[None], lambda x: torch.from_numpy(sums.run(x.numpy()))
    )
    again = by_patches(sums, image, Patch(size=(8, 8), overlap=0.25, mode=mode))

    np.testing.assert_allclose(found, expected[0].numpy(), rtol=1e-5)
    assert np.abs(found - again).max() > 0.1, "the overlap plays no part"


@pytest.mark.parametrize(
    "more",
    [{}, {"orientation": "LPS"}, {"orientation": "SAL", "spacing_mm": [1.5, 1.0, 1.0]},
     {"size": None, "patch": {"size": [8, 8, 8], "mode": "gaussian"}}],
)  # fmt: skip
def test_a_volume_is_marked_on_its_own_grid(more, tmp_path):
    given = {**VOLUME, "intensity": {"scale": 255}, **more}
    if "patch" not in more:  # twice as fine as the image, so that nothing is lost
        given["size"] = [32, 24, 20] if more.get("orientation") != "SAL" else [20, 24, 32]
    sides = (given.get("patch") or {"size": given["size"]})["size"]
    affine = np.diag([-1.0, 1.0, 1.5, 1.0])
    folder = model(tmp_path / "m", sides=tuple(sides))
    manifest = yaml.safe_load((folder / "model.yaml").read_text()) | {"input": given}
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest))

    data = nifti(VOXELS, affine)
    found = mask_of(folder, case_of(tmp_path, data))

    reference = decode_mask(data, 1)
    assert found.same_grid(reference)
    np.testing.assert_array_equal(found.labels, reference.labels)


def test_a_mask_is_of_the_images_grid_even_where_the_network_saw_less(tmp_path):
    folder = model(tmp_path / "m", sides=(8, 8, 8), input=VOLUME)
    (folder / "model.yaml").write_text(
        yaml.safe_dump(MANIFEST | {"input": {**VOLUME, "intensity": {"scale": 255}}})
    )
    case = case_of(tmp_path, nifti(VOXELS, np.eye(4)))
    session, manifest = opened(folder)

    image = prepared(case, manifest.input)

    assert image.array.shape == (1, 8, 8, 8)
    assert class_maps(session, manifest, image).shape == (2, 8, 8, 8)
    assert image.mask(np.zeros((8, 8, 8), np.uint8)).shape == (16, 12, 10)


@pytest.mark.parametrize(
    ("kind", "activation", "maps", "labels"),
    [
        ("logits", "softmax", [[3, 0, 0], [1, 1, 0], [2, 0, 4]], [0, 2, 1]),
        ("logits", "sigmoid", [[9, 9, 9], [-1, 1, 2], [-2, 0, 1]], [0, 2, 2]),
        ("probabilities", "sigmoid", [[0.9, 0.1, 0.2], [0.4, 0.6, 0.3], [0.3, 0.7, 0.5]],
         [0, 1, 1]),
        ("probabilities", "softmax", [[0.5, 0.1, 0.1], [0.3, 0.8, 0.1], [0.2, 0.1, 0.8]],
         [0, 2, 1]),
    ],
)  # fmt: skip
def test_labels_are_the_structures_in_their_own_order(kind, activation, maps, labels):
    """``positive`` names b before a, so b is 1 and a is 2, wherever they stand among classes."""
    declared = Scores(
        kind=kind, classes=["rest", "a", "b"], activation=activation, positive=["b", "a"]
    )

    assert labels_of(np.array(maps, float), declared).tolist() == labels


def job(tmp_path, folder, data=None):
    manifest = ModelManifest.model_validate(yaml.safe_load((folder / "model.yaml").read_text()))
    path = tmp_path / "picture"
    path.write_bytes(data or png(PIXELS))
    cases = [{"case_id": "a", "images": [str(path)]}, {"case_id": "b", "images": []}]
    inputs = {
        "model": {"path": str(folder / str(manifest.file)),
                  "manifest": manifest.model_dump(mode="json")},
        "cases": cases,
    }  # fmt: skip
    return predict_job(inputs, tmp_path, QUIET)


def test_the_pass_leaves_a_mask_or_an_error_for_each_case(tmp_path):
    result = job(tmp_path, model(tmp_path / "m"))

    data = (tmp_path / result["table"]).read_bytes()
    check_masks(data, ["a", "b"])
    found = table(data)
    assert found["error"].to_pylist() == [None, "no_image"]
    np.testing.assert_array_equal(unpack(masks_of(found)["a"]).labels, PIXELS > 0)
    assert (result["failed"], result["reusable"]) == (1, True)
    assert result["runtime"]["device"] == "cpu"


def test_a_table_of_masks_is_held_against_what_was_asked(tmp_path):
    job(tmp_path, model(tmp_path / "m"))
    data = (tmp_path / "predict.parquet").read_bytes()

    for cases in (["b", "a"], ["a"], ["a", "b", "c"]):
        with pytest.raises(EvidenceError):
            check_masks(data, cases)
    import pyarrow as pa

    from ml.evidence.store import write_table

    write_table(masks_table(["a"], {"a": b"x"}, {"a": "no_image"}), tmp_path / "both.parquet")
    write_table(pa.table({"case_id": ["a"], "mask": [b"x"]}), tmp_path / "less.parquet")
    for name in ("both", "less"):
        with pytest.raises(EvidenceError):
            check_masks((tmp_path / f"{name}.parquet").read_bytes(), ["a"])


@pytest.mark.parametrize("data", [nifti(VOXELS), png(PIXELS)], ids=["volume", "picture"])
def test_an_image_of_other_dimensions_costs_its_case_alone(data, tmp_path):
    flat = data[:2] == b"\x1f\x8b"
    changes = {} if flat else {"input": {**VOLUME, "intensity": {"scale": 255}}}
    folder = model(tmp_path / "m", sides=(16, 16) if flat else (8, 8, 8), **changes)

    job(tmp_path, folder, data)

    errors = table((tmp_path / "predict.parquet").read_bytes())["error"].to_pylist()
    assert errors == ["several_frames" if flat else "image_unsupported", "no_image"]


@pytest.mark.parametrize("onnx", [False, True])
def test_intake_accepts_them_and_runs_them_on_noise(onnx, tmp_path):
    changes = {"input": {"size": None, "patch": {"size": [16, 16]}}}
    (tmp_path / "out").mkdir()

    result = read_model(model(tmp_path / "m", onnx=onnx, **changes), tmp_path / "out", QUIET)

    assert result["card"]["smoke"]["deterministic"] is True
    assert result["manifest"]["input"]["patch"]["size"] == [16, 16]
    if onnx:
        assert result["card"]["program_difference"] < 1e-5


def test_a_volume_network_is_accepted_too(tmp_path):
    (tmp_path / "out").mkdir()
    given = {**VOLUME, "orientation": "SAL", "spacing_mm": [1, 2, 3]}
    folder = model(tmp_path / "m", sides=(8, 8, 8), input=given)

    assert read_model(folder, tmp_path / "out", QUIET)["card"]["smoke"]["finite"] is True


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"input": {"size": [16, 8]}}, "model_shape"),
        ({"output": {"classes": ["nothing", "spot", "more"]}}, "model_shape"),
        ({"output": {"kind": "probabilities"}}, "output_kind"),
        ({"task": "classification"}, "model_shape"),
        ({"task": "classification", "input": {"patch": {"size": [16, 16]}}}, "manifest_invalid"),
        ({"output": {"positive": ["nothing", "spot"]}}, "manifest_invalid"),
        ({"output": {"positive": ["spot", "spot"]}}, "manifest_invalid"),
    ],
)
def test_what_is_declared_must_be_what_the_network_gives(changes, code, tmp_path):
    assert codes(refused(model(tmp_path / "m", **changes), tmp_path)) == [code]


def cohort(folder, structures=("spot",)):
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    rows = ["case_id,image,mask"]
    for number in range(12):
        pixels = spot((32, 32), slice(4, 12 + 2 * (number % 4)), slice(8, 20))
        (folder / f"images/c{number}.png").write_bytes(png(pixels))
        marked = (pixels > 0).astype(np.uint8)
        marked[30:, 30:] = number == 11  # in one case the reference has more
        (folder / f"masks/c{number}.png").write_bytes(png(marked))
        rows.append(f"c{number},images/c{number}.png,masks/c{number}.png")
    (folder / "cases.csv").write_text("\n".join(rows))
    manifest = {"title": "Spots", "task": "segmentation", "classes": list(structures)}
    (folder / "cohort.yaml").write_text(yaml.safe_dump(manifest))
    return folder


def test_an_audit_runs_the_model_and_compares_what_it_marks(tmp_path, capsys):
    out, protocol = tmp_path / "out", tmp_path / "protocol.yaml"
    protocol.write_text("checks: [segmentation]\ndraws: 200\n")
    given = {
        "model": model(tmp_path / "m"),
        "cohort": cohort(tmp_path / "cohort"),
        "protocol": protocol,
        "out": out,
    }
    words = ["audit", *(word for name, path in given.items() for word in (f"--{name}", str(path)))]

    assert main(words) in (0, 1)
    document = json.loads((out / "audit.json").read_text())
    said = capsys.readouterr().err
    assert main(words) in (0, 1)

    (check,) = [one for one in document["checks"] if one["id"] == "segmentation"]
    dice = next(one for one in check["measures"] if one["id"] == "dice")
    assert dice["n"] == 12
    assert 0.99 < dice["value"] < 1, "the case where the reference has more lowers it"
    assert "12 cases compared" in said
    assert capsys.readouterr().err.count("reused") == 2


@pytest.mark.parametrize(
    ("changes", "structures", "says"),
    [
        ({}, ("lesion",), "structures"),
        ({"task": "classification", "output": {"name": None}}, ("spot",), "scores"),
    ],
)
def test_a_model_that_does_not_fit_the_cohort_is_refused(changes, structures, says, tmp_path):
    from ml.engine.plan import unfit

    manifest = merged(MANIFEST, changes)
    catalogue = {"task": "segmentation", "classes": list(structures)}

    assert says in (unfit(manifest, catalogue) or "")
    assert unfit(MANIFEST, {"task": "segmentation", "classes": ["spot"]}) is None
    assert "no masks" in (unfit(MANIFEST, {"task": "classification", "classes": []}) or "")


def test_the_verdict_says_what_it_takes_and_which_checks_follow():
    patch = {"size": [16, 16], "overlap": 0.5, "mode": "gaussian"}
    of_masks = merged(MANIFEST, {"input": {"patch": patch, "dims": 2}})
    of_volumes = {"input": {**VOLUME}, "output": OUTPUT, "format": "pt2"}
    card = {"gradients": True, "has_dropout": False}

    marks, scores = (verdict_of(card, manifest) for manifest in (of_masks, of_volumes))

    (takes,) = [one["says"] for one in marks["capabilities"] if one["id"] == "takes"]
    assert takes == (
        "pictures, and gives a mask of each, by patches of 16 x 16 that overlap by 50% of a side"
    )
    states = {one["id"]: one["state"] for one in marks["checks"]}
    assert states["segmentation"] == "info"
    assert "discrimination" not in states or states["discrimination"] == "not assessed"
    assert "operating-point" not in {one["id"] for one in marks["points"]}
    (takes,) = [one["says"] for one in scores["capabilities"] if one["id"] == "takes"]
    assert takes == "volumes, and gives scores of each"
    states = {one["id"]: one["state"] for one in scores["checks"]}
    assert states["discrimination"] == "info"
