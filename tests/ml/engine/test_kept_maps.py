"""Maps of volumes, and of what a network marks: as autograd has them, and as a table."""

import numpy as np
import pytest
import torch

from ml.engine.cost import Sizes
from ml.engine.explain import Explainer, attribute_job
from ml.engine.explain_form import MOST_POSITIONS, kept_params, map_form
from ml.engine.kept_maps import BY_PIECES, MarkedExplainer, binned, kept_job, kept_sides
from ml.engine.passes import PASSES, check_of, cost_of, most_bytes_of
from ml.engine.plan import plan
from ml.engine.predict import CaseError
from ml.engine.program_session import program_of
from ml.evidence.passes import NOTHING_MARKED, maps_of
from ml.evidence.store import EvidenceError, table
from ml.intake.model_manifest import ModelManifest
from ml.protocol import Protocol
from tests.ml.engine.volume_networks import (
    MANIFEST,
    SIDES,
    Cnn,
    Net,
    Weighed,
    folder_of,
    grad_cam_by_hooks,
    monai,
    settled,
)
from tests.ml.imaging.test_mask import nifti, png
from tests.ml.intake.build import QUIET, merged

SEGMENTS = merged(
    MANIFEST,
    {"task": "segmentation", "output": {"classes": ["nothing", "organ", "lesion"],
                                        "positive": ["organ", "lesion"]}},
)  # fmt: skip


APART = merged(MANIFEST, {"output": {"activation": "sigmoid"}})  # a logit is a score of its own


def opened(folder, manifest, kind=Explainer, **how):
    read = ModelManifest.model_validate(manifest)
    return kind(program_of(folder / str(read.file), read), read, **how)


def noise(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def of_classes(module, found):
    return found[0, 1]


# Volumes.


@pytest.mark.parametrize("onnx", [False, True])
@pytest.mark.parametrize(
    ("make", "part"),
    [
        (Cnn, lambda m: m.second),
        (lambda: monai("resnet"), lambda m: m.layer3),
        (lambda: monai("densenet"), lambda m: m.class_layers.relu),
    ],
    ids=["cnn", "resnet", "densenet"],
)
def test_a_map_of_a_volume_is_autograds_on_the_module(make, part, onnx, tmp_path):
    torch.manual_seed(3)
    module = settled(make())
    cases = noise(3, 1, *SIDES)
    folder, manifest = folder_of(tmp_path, module, MANIFEST, SIDES, onnx=onnx)
    ours = opened(folder, manifest)
    found = ours.maps(cases)

    if isinstance(module, Cnn):  # its ReLU is no part
        expected = _of_cnn(module, cases)
    else:
        expected = grad_cam_by_hooks(
            module, part(module), torch.from_numpy(cases), lambda out: log_odds(out)[0]
        )
    assert found.maps.shape == (3, *ours.sides) == expected.shape
    assert found.maps.dtype == np.float32
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(found.maps, expected, atol=2e-5 * np.abs(expected).max())
    with torch.inference_mode():
        expected = log_odds(module(torch.from_numpy(cases))).numpy()
        np.testing.assert_allclose(found.score, expected, atol=1e-4)


def log_odds(logits):
    """Of the second of three classes that exclude each other."""
    return logits[:, 1] - logits[:, [0, 2]].logsumexp(1)


def _of_cnn(module, cases):
    """By hand: of the log-odds the gradient is the head's weights less those of the others."""
    with torch.no_grad():
        given = torch.relu(module.first(torch.from_numpy(cases)))
        value = torch.relu(module.second(given))
        shares = module(torch.from_numpy(cases))[:, [0, 2]].softmax(1)
        slope = (module.head.weight[1] - shares @ module.head.weight[[0, 2]]) / value[0, 0].numel()
        return torch.einsum("nc,nc...->n...", slope, value).numpy()


@pytest.mark.parametrize("method", ["hires-cam", "gradient", "integrated-gradients"])
def test_of_a_linear_network_the_maps_are_its_weights_times_the_volume(method, tmp_path):
    weights = torch.from_numpy(noise(3, *SIDES, seed=5))
    folder, manifest = folder_of(tmp_path, Weighed(weights), APART, SIDES)
    cases = noise(2, 1, *SIDES)
    manifest = {**manifest, "target_layer": "conv3d"}
    found = opened(folder, manifest, method=method).maps(cases)

    slope = np.broadcast_to(1.5 * weights[1].numpy(), (2, *SIDES))
    expected = slope if method == "gradient" else slope * cases[:, 0]
    np.testing.assert_allclose(found.maps, expected, atol=1e-5)
    if method == "integrated-gradients":
        gap = found.maps.sum(axis=(1, 2, 3)) - (found.score - found.baseline_score)
        assert np.abs(gap).max() < 1e-3


@pytest.mark.parametrize("octant", range(8))
def test_a_network_that_sees_one_octant_has_no_map_elsewhere(octant, tmp_path):
    inside = tuple(
        slice(None, side // 2) if octant >> at & 1 else slice(side // 2, None)
        for at, side in enumerate(SIDES)
    )
    weights = torch.zeros(3, *SIDES)
    weights[(1, *inside)] = 1
    weights[0] = 1  # the other classes see everything
    folder, manifest = folder_of(tmp_path, Weighed(weights), APART, SIDES)
    manifest = {**manifest, "target_layer": "conv3d"}
    (found,) = opened(folder, manifest, method="hires-cam").maps(noise(1, 1, *SIDES)).maps

    assert np.all(found[inside] != 0)
    found[inside] = 0
    assert not found.any()


def stored(folder, name, values):
    path = folder / f"{name}.nii.gz"
    path.write_bytes(nifti(values))
    return {"case_id": name, "images": [str(path)]}


def job_of(folder, manifest, cases, **params):
    model = {"path": str(folder / manifest["file"]), "manifest": manifest}
    return {"model": model, "cases": cases, **PASSES["attribute"].params, **params}


IDS = ["one", "gone", "two"]


def done(job, out, n_outputs=3, **more):
    result = attribute_job(job, out, QUIET)
    data = (out / result["table"]).read_bytes()
    check_of("attribute", job, n_outputs)(data, IDS)
    assert len(data) <= most_bytes_of("attribute", job, n_outputs, len(IDS))
    return result, data, maps_of(table(data), IDS)


@pytest.fixture
def volumes(tmp_path):
    voxels = [np.rint(100 * noise(*SIDES, seed=seed)).astype(np.int16) for seed in (7, 8)]
    one, two = (stored(tmp_path, name, v) for name, v in zip(("one", "two"), voxels, strict=True))
    return [one, {"case_id": "gone", "images": []}, two], voxels


def test_the_table_of_volumes_says_how_deep_its_maps_are(tmp_path, volumes):
    torch.manual_seed(3)
    module = settled(Cnn())
    cases, voxels = volumes
    folder, manifest = folder_of(tmp_path / "m", module, MANIFEST, SIDES)
    job = job_of(folder, manifest, cases, **kept_params(pictures=False))
    result, data, found = done(job, tmp_path)

    assert table(data)["depth"].to_pylist() == [8, None, 8]
    assert result["runtime"]["map_sides"] == [8, 6, 4]
    assert "map_sides_undivided" not in result["runtime"]
    assert found.maps.shape == (3, 1, 8, 6, 4)
    assert found.failures == {"gone": "no_image"}
    assert np.isnan(found.maps[1]).all()
    arrays = np.stack([one.astype(np.float32)[None] for one in voxels])
    np.testing.assert_allclose(found.maps[[0, 2], 0], _of_cnn(module, arrays), rtol=1e-4)
    with pytest.raises(EvidenceError):  # as maps of pictures they are not what was asked for
        map_form({}, 3).check(data, IDS)


def test_maps_of_pictures_are_kept_as_they_were():
    assert kept_params(pictures=True) == {}
    assert map_form({}, 2).sides == ("rows", "columns")
    assert map_form({}, 2).keys == {}
    assert map_form(kept_params(pictures=False), 2).sides == ("depth", "rows", "columns")


def test_a_map_too_large_to_keep_is_divided_and_says_so(tmp_path):
    sides = (80, 64, 60)
    weights = torch.from_numpy(noise(3, *sides, seed=5))
    manifest = merged(APART, {"input": {"size": list(sides)}})
    folder, manifest = folder_of(tmp_path / "m", Weighed(weights), manifest, sides)
    cases = [stored(tmp_path, name, np.ones(sides, np.int16)) for name in IDS]
    job = job_of(folder, manifest, cases, method="gradient", **kept_params(pictures=False))
    result, _, found = done(job, tmp_path)

    assert result["runtime"]["map_sides_undivided"] == [80, 64, 60]
    assert kept_sides(sides) == (40, 32, 30) == found.maps.shape[2:]
    expected = weights[1].reshape(40, 2, 32, 2, 30, 2).mean((1, 3, 5)).numpy() * 1.5
    np.testing.assert_allclose(found.maps[0, 0], expected, atol=1e-5)
    assert np.prod(kept_sides((300, 300, 300))) <= MOST_POSITIONS
    assert binned(found.maps[:, 0], (40, 32, 30)) is not None


# What a network marks.


def marked_by_hand(module, cases, dims):
    """(n, 2, ...) seg-Grad-CAM of the middle layer by autograd, from what the paper says."""
    maps, scores = [], []
    for case in cases:
        value = module.features(case[None]).detach().requires_grad_()
        logits = module.head(module.up(value))
        labels = logits.argmax(1)[0]
        of_case, sums = [], []
        for structure in (1, 2):
            score = logits[0, structure][labels == structure].sum()
            (slope,) = torch.autograd.grad(score, value, retain_graph=True)
            weights = slope.mean(dim=tuple(range(2, 2 + dims)), keepdim=True)
            of_case.append((weights * value).sum(1)[0].detach().numpy())
            sums.append(score.item())
        maps.append(of_case)
        scores.append(sums)
    return np.array(maps), np.array(scores)


@pytest.mark.parametrize("onnx", [False, True])
@pytest.mark.parametrize("sides", [(16, 12), (16, 12, 8)])
def test_the_map_of_a_structure_explains_its_logits_where_it_is_marked(sides, onnx, tmp_path):
    torch.manual_seed(4)
    dims = len(sides)
    module = Net(dims).eval()
    wanted = {"input": {"dims": dims, "size": list(sides)}}
    folder, manifest = folder_of(tmp_path, module, merged(SEGMENTS, wanted), sides, onnx=onnx)
    read = ModelManifest.model_validate(manifest)
    program = program_of(folder / manifest["file"], read)
    layer = _relu_of_the_middle(program)
    ours = opened(folder, {**manifest, "target_layer": layer}, MarkedExplainer)
    cases = noise(3, 1, *sides)
    expected, scores = marked_by_hand(module, torch.from_numpy(cases), dims)
    found = ours.marked(cases)

    assert [len(row) for row in found] == [2, 2, 2]
    for row, maps, sums in zip(found, expected, scores, strict=True):
        for one, by_hand, score in zip(row, maps, sums, strict=True):
            np.testing.assert_allclose(one.map, by_hand, atol=1e-5 * np.abs(by_hand).max() + 1e-6)
            assert one.score == pytest.approx(score, rel=1e-4)


def _relu_of_the_middle(program):
    """The last ReLU before the grid grows again."""
    return [node.outputs[0] for node in program.nodes if "relu" in node.operation.base][-1]


def test_it_is_what_hooks_on_the_module_give(tmp_path):
    """As MedCAM does it: the output is masked by its own labels, and hooks keep the layer."""
    torch.manual_seed(4)
    module = Net(3).eval()
    folder, manifest = folder_of(tmp_path, module, SEGMENTS, SIDES)
    ours = opened(folder, manifest, MarkedExplainer)
    cases = noise(2, 1, *SIDES)

    def score(found, structure=2):
        chosen = (found.argmax(1, keepdim=True) == structure).float()
        return (found[:, structure : structure + 1] * chosen).sum()

    expected = grad_cam_by_hooks(module, module.up, torch.from_numpy(cases), score)
    assert ours.sides == SIDES, "without a name the layer is the last that all passes through"
    for row, by_hand in zip(ours.marked(cases), expected, strict=True):
        np.testing.assert_allclose(row[1].map, by_hand, atol=1e-5)


def test_probabilities_and_channels_that_come_last_are_explained_alike(tmp_path):
    torch.manual_seed(4)
    sides = (16, 12)
    module = Net(2, sigmoid=True, last=True).eval()
    wanted = {
        "input": {"dims": 2, "size": list(sides), "layout": "NHWC"},
        "output": {"kind": "probabilities", "activation": "sigmoid"},
    }
    folder, manifest = folder_of(tmp_path, module, merged(SEGMENTS, wanted), sides, last=True)
    manifest = {**manifest, "target_layer": "upsample_nearest2d"}
    ours = opened(folder, manifest, MarkedExplainer)
    cases = noise(2, *sides, 1)
    found = ours.marked(cases)

    for case, row in zip(torch.from_numpy(cases), found, strict=True):
        value = module.up(module.features(case.movedim(-1, 0)[None])).detach().requires_grad_()
        logits = module.head(value)
        two = logits[0, 1:]  # of these the larger, where it is above a probability of a half
        for at, one in enumerate(row):
            chosen = (two.argmax(0) == at) & (two.max(0).values >= 0)
            assert chosen.any()
            score = two[at][chosen].sum()
            (slope,) = torch.autograd.grad(score, value, retain_graph=True)
            by_hand = (slope.mean((2, 3), keepdim=True) * value).sum(1)[0].detach().numpy()
            np.testing.assert_allclose(one.map, by_hand, atol=1e-5)
            assert one.score == pytest.approx(score.item(), rel=1e-4)


def test_what_is_marked_nowhere_has_no_score_and_no_map(tmp_path, volumes):
    torch.manual_seed(4)
    module = Net(3).eval()
    with torch.no_grad():
        module.head.bias[2] = -1e6  # the second structure is found nowhere
    cases, _ = volumes
    folder, manifest = folder_of(tmp_path / "m", module, SEGMENTS, SIDES)
    job = job_of(folder, manifest, cases, **kept_params(pictures=False, structures=2))
    _, data, found = done(job, tmp_path)

    assert table(data)["error"].to_pylist() == [
        None, NOTHING_MARKED, "no_image", "no_image", None, NOTHING_MARKED,
    ]  # fmt: skip
    assert table(data)["structure"].to_pylist() == [0, 1] * 3
    assert found.maps.shape == (3, 2, *SIDES)
    assert found.keys == {"structure": (0, 1)}
    assert found.failures == {"gone": "no_image"}, "a structure that is not there is no failure"
    assert np.isfinite(found.maps[0, 0]).all()
    assert np.isnan(found.maps[:, 1]).all()
    assert np.isnan(found.score[0, 1])


def test_a_picture_that_is_marked_has_maps_without_a_depth(tmp_path):
    torch.manual_seed(4)
    sides = (16, 12)
    wanted = {"input": {"dims": 2, "size": list(sides)}}
    folder, manifest = folder_of(tmp_path / "m", Net(2).eval(), merged(SEGMENTS, wanted), sides)
    cases = []
    for seed, name in enumerate(IDS):
        path = tmp_path / name
        path.write_bytes(png(np.abs(100 * noise(*sides, seed=seed)).astype(np.uint8)))
        cases.append({"case_id": name, "images": [str(path)]})
    job = job_of(folder, manifest, cases, **kept_params(pictures=True, structures=2))
    _, data, found = done(job, tmp_path)

    assert "depth" not in table(data).column_names
    assert found.maps.shape == (3, 2, *sides)


def test_a_network_that_takes_a_case_by_the_piece_has_no_map_of_the_whole(tmp_path, volumes):
    cases, _ = volumes
    wanted = {"input": {"size": None, "patch": {"size": list(SIDES)}}}
    folder, manifest = folder_of(tmp_path / "m", Net(3).eval(), merged(SEGMENTS, wanted), SIDES)
    job = job_of(folder, manifest, cases, **kept_params(pictures=False, structures=2))
    _, data, found = done(job, tmp_path)

    assert set(table(data)["error"].to_pylist()) == {BY_PIECES}
    assert np.isnan(found.maps).all()
    assert set(found.failures) == set(IDS)


def test_a_value_that_is_not_finite_is_an_error_and_not_nothing_marked(tmp_path):
    torch.manual_seed(4)
    module = Net(3).eval()
    folder, manifest = folder_of(tmp_path, module, SEGMENTS, SIDES)
    cases = noise(2, 1, *SIDES)
    cases[1, 0, 3, 3, 3] = np.inf
    first, second = opened(folder, manifest, MarkedExplainer).marked(cases)

    assert all(one is not None and not isinstance(one, CaseError) for one in first)
    assert None in second


# What asks for them.


def passes_of(protocol, **how):
    asked = {"has_model": True, "walks": True, "pictures": False, **how}
    return {one.name: one.params for one in plan(protocol, **asked)}


def test_maps_of_volumes_are_made_where_the_protocol_asks_for_them():
    checks = ["explanation-faithfulness", "discrimination"]
    plain = Protocol.parse({"checks": checks})
    asked = Protocol.parse({"checks": checks, "keep_maps": True})

    assert "attribute" not in passes_of(plain)
    assert passes_of(asked)["attribute"]["volumes"] is True
    assert "attribute" not in passes_of(asked, walks=False)
    assert "volumes" not in passes_of(asked, pictures=True)["attribute"]
    assert passes_of(plain, pictures=True)["attribute"] == PASSES["attribute"].params, "one key"
    assert passes_of(asked, pictures=True)["attribute"] == PASSES["attribute"].params


def test_maps_of_what_is_marked_are_made_where_the_protocol_asks_for_them():
    asked = Protocol.parse({"checks": ["segmentation"], "keep_maps": True})
    plain = Protocol.parse({"checks": ["segmentation"]})
    cohort = {"catalogue": {"classes": ["organ", "lesion"]}, "has_masks": True}

    found = passes_of(asked, **cohort)
    assert list(found) == ["predict", "attribute", "compare-masks"]
    assert found["attribute"]["structures"] == 2
    assert "attribute" not in passes_of(plain, **cohort)
    assert "attribute" not in passes_of(asked, walks=False, **cohort)
    one, two = (
        cost_of("attribute", PASSES["attribute"].params | kept_params(pictures=True, structures=n),
                Sizes())
        for n in (1, 2)
    )  # fmt: skip
    assert (two.forwards, two.bytes) == (2 * one.forwards, 2 * one.bytes)


def test_a_job_of_volumes_is_not_one_of_pictures(tmp_path, volumes):
    cases, _ = volumes
    folder, manifest = folder_of(tmp_path / "m", settled(Cnn()), MANIFEST, SIDES)
    job = job_of(folder, manifest, cases, **kept_params(pictures=False))
    (tmp_path / "out").mkdir()
    direct = kept_job(job, tmp_path / "out", QUIET)
    assert direct["sha256"] == attribute_job(job, tmp_path, QUIET)["sha256"]
