"""Several masks of every case: those of the plain loop, and of no batch of patches."""

import numpy as np
import pytest
import torch
import yaml
from monai.inferers import SlidingWindowInferer

from ml.engine import sampled_masks as engine
from ml.engine import segment
from ml.engine.cases import Case, prepared
from ml.engine.cost import Sizes
from ml.engine.dropout import seeded
from ml.engine.dropout_session import open_dropout
from ml.engine.passes import check_of, cost_of, most_bytes_of
from ml.engine.sampled_form import SUMMARIES, sampled_masks_table
from ml.engine.sampled_masks import rows_of, sample_fields, weights_of, window_key
from ml.engine.samples import samples_job
from ml.engine.sampling import samples_params, why_no_samples
from ml.engine.session import ModelError
from ml.evidence.sampled_masks import SampledRow, sampled_masks_of
from ml.evidence.store import EvidenceError, table, write_table
from ml.imaging.uncertainty_map import unpack
from ml.intake.model import read_model
from ml.intake.model_manifest import ModelManifest
from ml.protocol import Protocol
from ml.sandbox.messages import Job
from ml.sandbox.parent import run
from tests.ml.engine.unsure import MANIFEST, model, unet
from tests.ml.imaging.test_mask import nifti, png
from tests.ml.intake.build import QUIET, merged

SAMPLES, SEED = 5, 3
RNG = np.random.default_rng(7)
VOLUME = RNG.integers(0, 256, (21, 18, 10), dtype=np.uint8)
PICTURE = RNG.integers(0, 256, (37, 41), dtype=np.uint8)
PATCH_3D = {"size": None, "patch": {"size": [8, 8, 8], "overlap": 0.5, "mode": "gaussian"}}
PATCH_2D = {"size": None, "patch": {"size": [16, 16], "overlap": 0.25, "mode": "constant"}}
LARGER = {"size": [16, 16, 8]}

# name -> image, sides that the network takes, what the manifest adds
SHAPES = {
    "2-D, whole": (png(PICTURE), (32, 32), {}),
    "2-D, by patches": (png(PICTURE), (16, 16), PATCH_2D),
    "3-D, whole": (nifti(VOLUME), (16, 16, 8), LARGER),
    "3-D, by patches": (nifti(VOLUME), (8, 8, 8), PATCH_3D),
}


class Setting:
    """A model on disk, opened with its dropout on, and one case."""

    def __init__(self, tmp_path, name, *, samples=SAMPLES, seed=SEED, **changes):
        data, self.sides, more = SHAPES[name]
        self.folder = model(tmp_path / "m", self.sides, **merged({"input": more}, changes))
        declared = yaml.safe_load((self.folder / "model.yaml").read_text())
        self.manifest = ModelManifest.model_validate(declared)
        self.path = tmp_path / "image"
        self.path.write_bytes(data)
        self.image = prepared(Case("c", (self.path,)), self.manifest.input)
        self.session = open_dropout(
            self.folder / "model.pt2", self.manifest, samples=samples, seed=seed
        )

    def fields(self, case_id="c"):
        return np.stack(list(sample_fields(self.session, self.manifest, case_id, self.image)))

    def rows(self):
        return rows_of(self.session, self.manifest, "c", self.image)

    def job(self, tmp_path, **changes):
        inputs = {
            "model": {"path": str(self.folder / "model.pt2"),
                      "manifest": self.manifest.model_dump(mode="json")},
            "cases": [{"case_id": "c", "images": [str(self.path)]},
                      {"case_id": "none", "images": []}],
            "kind": "dropout", "samples": SAMPLES, "seed": SEED, "structures": 1,
        }  # fmt: skip
        return {**inputs, **changes}


class Drops(torch.nn.Module):
    """A site that drops what it is told to."""

    def __init__(self, masks):
        super().__init__()
        self.masks = masks

    def forward(self, x):
        return x * self.masks.pop(0)


def naive(setting):
    """What a user writes: MONAI's inferer on the module with its dropout on, T times."""
    masks, module = [], unet(len(setting.sides), out=len(setting.manifest.output.classes))
    for part in list(module.modules()):
        for name, child in part.named_children():
            if isinstance(child, torch.nn.Dropout):
                setattr(part, name, Drops(masks))
    draw, sites = seeded(SEED), setting.session.sampler.sites
    image = torch.from_numpy(setting.image.array)[None]
    patch = setting.manifest.input.patch
    found = []
    with torch.no_grad():
        for sample in range(SAMPLES):
            windows = iter(range(10_000))

            def network(window, sample=sample, windows=windows):
                key = "c" if patch is None else window_key("c", next(windows))
                masks.extend(draw(sample, [key], sites))
                return module(window)

            if patch is None:
                found.append(network(image))
            else:
                inferer = SlidingWindowInferer(patch.size, 1, patch.overlap, patch.mode)
                found.append(inferer(image, network))
    return torch.cat(found).numpy()


@pytest.mark.parametrize("name", SHAPES)
def test_samples_are_those_of_the_plain_loop_over_the_module(name, tmp_path):
    setting = Setting(tmp_path, name)

    found, expected = setting.fields(), naive(setting)

    assert found.shape == (SAMPLES, 2, *setting.image.array.shape[1:])
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert found.std(axis=0).min() > 0
    assert np.abs(naive(setting) - expected).max() == 0, "the same masks again"


@pytest.mark.parametrize("name", ["2-D, by patches", "3-D, by patches"])
def test_masks_are_of_seed_case_patch_and_number_whatever_is_computed_beside(
    name, tmp_path, monkeypatch
):
    whole = Setting(tmp_path / "a", name)
    fields = whole.fields()
    scale = np.abs(fields).max()

    for patches, most in ((1, 1 << 30), (7, 1), (3, 50_000)):
        monkeypatch.setattr(segment, "PATCHES_AT_ONCE", patches)
        monkeypatch.setattr(engine, "MOST_BYTES", most)
        assert np.abs(whole.fields() - fields).max() <= 1e-5 * scale, (patches, most)
    other = Setting(tmp_path / "b", name, seed=SEED + 1).fields()
    more = Setting(tmp_path / "c", name, samples=SAMPLES + 4).fields()

    assert np.abs(other - fields).max() > 0.01 * scale
    assert np.abs(whole.fields("d") - fields).max() > 0.01 * scale
    assert np.abs(more[:SAMPLES] - fields).max() <= 1e-5 * scale


def test_patches_of_one_picture_draw_masks_of_their_own(tmp_path):
    """Of a picture without content all patches are alike, and their answers are not."""
    setting = Setting(tmp_path, "2-D, by patches")
    alike = np.zeros((4, 1, 16, 16), np.float32)
    keys = [window_key("c", number) for number in range(4)]

    raw = setting.session.sample_maps(alike, keys, first=0, count=2)

    assert raw.shape == (2, 4, 2, 16, 16)
    assert min(np.abs(raw[:, 0] - raw[:, at]).max() for at in (1, 2, 3)) > 1e-3


def entropy(p):
    p = np.clip(p, 1e-300, 1 - 1e-16)
    return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_left_of_the_samples_is_what_all_of_them_say(name, tmp_path):
    setting = Setting(tmp_path, name)
    raw = setting.fields().astype(np.float64)
    (row,) = setting.rows()

    powers = np.exp(raw - raw.max(axis=1, keepdims=True))
    p = (powers / powers.sum(axis=1, keepdims=True))[:, 1]
    back = np.stack([setting.image.placed.back(one) for one in (p >= 0.5).astype(np.uint8)])
    total, aleatoric = entropy(p.mean(axis=0)), entropy(p).mean(axis=0)
    marked = p.mean(axis=0) > 0.5
    at = np.ix_(*setting.image.placed.nearest)

    np.testing.assert_array_equal(row.voxels, back.reshape(SAMPLES, -1).sum(axis=1))
    for region, where in (("inside", marked), ("outside", ~marked)):
        for kind, bits in (
            ("total", total), ("aleatoric", aleatoric), ("epistemic", total - aleatoric)
        ):  # fmt: skip
            values = bits[at][where[at]]
            assert row.numbers[f"{kind}_{region}_mean"] == pytest.approx(values.mean(), abs=1e-9)
            assert row.numbers[f"{kind}_{region}_max"] == pytest.approx(values.max(), abs=1e-9)
            q95 = np.quantile(values, 0.95, method="inverted_cdf")
            assert row.numbers[f"{kind}_{region}_q95"] == pytest.approx(q95, abs=1e-5)
        assert row.numbers[f"voxels_{region}"] == where[at].sum()
    dice = [
        2 * (back[a] & back[b]).sum() / (back[a].sum() + back[b].sum())
        for a in range(SAMPLES) for b in range(a)
    ]  # fmt: skip
    assert row.numbers["dice_mean"] == pytest.approx(np.mean(dice))
    assert row.numbers["dice_least"] == pytest.approx(min(dice))
    picture = unpack(row.map)
    assert (picture.step, picture.shape) == (1, back.shape[1:])
    turned = np.stack([setting.image.placed.back(np.rint(bits * 255).astype(np.uint8))
                       for bits in (total, total - aleatoric)])  # fmt: skip
    assert np.abs(picture.codes.astype(int) - turned).max() <= 1
    spaced = name.startswith("3-D")
    assert row.numbers["voxel_ml"] == (pytest.approx(0.001) if spaced else None)


def test_every_voxel_of_the_image_counts_once(tmp_path):
    """The network saw 32 x 32 of 37 x 41."""
    setting = Setting(tmp_path, "2-D, whole")

    weights = weights_of(setting.image, last=False)

    assert weights.shape == (32, 32)
    assert weights.sum() == PICTURE.size
    assert set(np.unique(weights)) == {1, 2, 4}


def test_batch_normalisation_stays_at_rest_and_its_statistics_as_they_are(tmp_path):
    setting = Setting(tmp_path, "3-D, by patches")
    walkers = (setting.session.sampler.trunk, setting.session.sampler.tail)
    before = [{name: one.clone() for name, one in each.weights.items()} for each in walkers]

    setting.fields()

    for each, was in zip(walkers, before, strict=True):
        assert any("running" in name for name in was) or each is not walkers[0]
        assert all(torch.equal(one, was[name]) for name, one in each.weights.items())
    # Wholly in training the module would normalise by the batch, and say something else.
    module, image = unet(3), torch.from_numpy(setting.image.array[None, :, :8, :8, :8])
    at_rest = module(image)
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm3d):
            part.train()
    assert (module(image) - at_rest).abs().max() > 0.05


ENSEMBLE = {"format": "ensemble", "members": ["a.pt2", "b.pt2", "c.pt2"]}


def handed_in(tmp_path, name, **changes):
    """Manifest, card and folder of files of a model that intake took."""
    _, sides, more = SHAPES[name]
    (tmp_path / "out").mkdir()
    folder = model(tmp_path / "m", sides, **merged({"input": more}, changes))
    return read_model(folder, tmp_path / "out", QUIET), tmp_path / "out" / "files"


@pytest.mark.parametrize("name", ["2-D, by patches", "3-D, whole"])
def test_members_of_an_ensemble_are_its_samples(name, tmp_path):
    result, files = handed_in(tmp_path, name, **ENSEMBLE)
    params = samples_params(Protocol.default(), result["manifest"], result["card"])
    assert params == {"kind": "members", "samples": 3, "structures": 1}
    path = tmp_path / "image"
    path.write_bytes(SHAPES[name][0])
    inputs = {
        "model": {"path": str(files / result["sha256"]), "manifest": result["manifest"]},
        "cases": [{"case_id": "c", "images": [str(path)]}],
        **params,
    }

    done = samples_job(inputs, tmp_path, QUIET)
    found = table((tmp_path / done["table"]).read_bytes())

    of = sampled_masks_of(found, ["c"], ["spot"], "members")
    manifest = ModelManifest.model_validate(result["manifest"])
    image = prepared(Case("c", (path,)), manifest.input)
    for at in range(3):
        alone = ModelManifest.model_validate(
            merged(result["manifest"], {"format": "pt2", "members": None, "file": "x"})
        )
        session = segment_session(files, result, at, alone)
        maps = segment.class_maps(session, alone, image)
        marked = image.placed.back(segment.labels_of(maps, alone.output))
        assert of.voxels[0, 0, at] == marked.sum()
    assert len(set(of.voxels[0, 0])) == 3
    with pytest.raises(ModelError, match="no ensemble of 4 members"):
        samples_job({**inputs, "samples": 4}, tmp_path, QUIET)


def segment_session(files, result, at, manifest):
    from ml.engine.session import open_session
    from ml.intake.ensemble import members_in

    member = members_in((files / result["sha256"]).read_bytes())[at]
    return open_session(files / member.sha256, manifest)


def test_an_ensemble_marks_what_the_mean_of_its_members_marks(tmp_path):
    from ml.engine.ensemble import open_model

    result, files = handed_in(tmp_path, "3-D, whole", **ENSEMBLE)
    session = open_model(files / result["sha256"], ModelManifest.model_validate(result["manifest"]))
    case = np.random.default_rng(0).random((2, 1, 16, 16, 8), dtype=np.float32)

    each, mean = session.each(case), session.run(case)

    p = np.exp(each) / np.exp(each).sum(axis=2, keepdims=True)
    assert mean.shape == (2, 2, 16, 16, 8)
    assert np.exp(mean) == pytest.approx(p.mean(axis=0), abs=1e-9)
    assert session.each(case, first=1, count=1) == pytest.approx(each[1:2])


def test_a_worker_leaves_the_same_bytes_and_a_failed_case_its_error(tmp_path):
    setting = Setting(tmp_path, "3-D, by patches")
    here = samples_job(setting.job(tmp_path), tmp_path, QUIET)
    out = tmp_path / "out"
    out.mkdir()
    outcome = run(Job("samples", setting.job(out), out))

    assert outcome.state == "done", outcome.reason
    assert (outcome.result["failed"], outcome.result["reusable"]) == (1, True)
    assert outcome.result["sha256"] == here["sha256"]
    data = (out / "samples.parquet").read_bytes()
    params = {"kind": "dropout", "samples": SAMPLES, "structures": 1}
    check_of("samples", params, 2)(data, ["c", "none"])
    assert len(data) <= most_bytes_of("samples", params, 2, 2)
    found = sampled_masks_of(table(data), ["none", "c", "other"], ["spot"], "dropout")
    assert found.failures == {"none": "no_image", "other": "not_predicted"}
    (row,) = setting.rows()
    assert found.voxels[1, 0].tolist() == row.voxels.tolist()
    assert found.measures["total_band_mean"][1, 0] == row.numbers["total_band_mean"]
    assert np.isnan(found.voxels[[0, 2]]).all()


def test_a_table_is_held_against_what_was_asked(tmp_path):
    params = {"kind": "dropout", "samples": 3, "structures": 2}
    numbers = dict.fromkeys(("voxels_inside", "voxels_band", "voxels_outside", "voxel_ml",
                             "dice_mean", "dice_least", *SUMMARIES), 0.5)  # fmt: skip
    row = SampledRow(numbers, np.ones(3, np.float32))

    def written(rows, errors=None, params=params, **columns):
        content = sampled_masks_table(["a", "b"], rows, errors or {}, params)
        for name, values in columns.items():
            at = content.column_names.index(name)
            content = content.set_column(at, name, [values])
        write_table(content, tmp_path / "t")
        return (tmp_path / "t").read_bytes()

    good = {"a": [SampledRow(numbers, row.voxels, b"map"), row], "b": [row, row]}
    check = check_of("samples", params, 3)
    check(written(good), ["a", "b"])
    check(written({"a": good["a"]}, {"b": "no_image"}), ["a", "b"])
    undefined = SampledRow(numbers | {"total_inside_max": None}, row.voxels)
    check(written({**good, "b": [undefined, row]}), ["a", "b"])
    four = SampledRow(numbers, np.ones(4, np.float32))
    long = SampledRow(numbers, row.voxels, b"x" * (5 << 20))
    lost = SampledRow(numbers | {"voxels_inside": None}, row.voxels)
    late = [row, SampledRow(numbers, row.voxels, b"map")]
    for data, why in (
        (written({"a": [four, four], "b": [four, four]}, params=params | {"samples": 4}),
         "columns"),
        (written({**good, "b": late}), "column map"),
        (written({**good, "a": [long, row]}), "column map"),
        (written({**good, "b": [lost, row]}), "voxels_inside"),
        (written({"a": good["a"]}, {}), "voxels_inside"),
        (written(good, structure=[1, 0, 0, 1]), "structure"),
        (written(good, dice_mean=[float("nan")] * 4), "dice_mean"),
    ):  # fmt: skip
        with pytest.raises(EvidenceError, match=why):
            check(data, ["a", "b"])
    narrow = {name: [SampledRow(numbers, np.ones(2, np.float32))] * 2 for name in ("a", "b")}
    with pytest.raises(EvidenceError, match="2 samples"):
        check(written(narrow, params=params | {"samples": 2}), ["a", "b"])
    with pytest.raises(EvidenceError, match="cases"):
        check(written(good), ["b", "a"])


def test_structures_that_exclude_each_other_or_not(tmp_path):
    """Three classes, of which two are structures, in another order than the classes."""
    output = {"classes": ["rest", "a", "b"], "positive": ["b", "a"]}
    for number, activation in enumerate(("softmax", "sigmoid")):
        setting = Setting(
            tmp_path / str(number), "2-D, by patches", output=output | {"activation": activation}
        )
        raw = setting.fields().astype(np.float64)
        rows = setting.rows()

        powers = np.exp(raw)
        p = powers / powers.sum(axis=1, keepdims=True) if number == 0 else 1 / (1 + 1 / powers)
        b, a = p[:, 2], p[:, 1]
        mean = p.mean(axis=0)
        for row, own, place in ((rows[0], b, 2), (rows[1], a, 1)):
            other = mean[3 - place]
            marked = mean.argmax(axis=0) == place
            if activation == "sigmoid":
                marked = (mean[place] >= 0.5) & (mean[place] > other)
            bits = entropy(own.mean(axis=0)) - entropy(own).mean(axis=0)
            assert row.numbers["voxels_inside"] == marked.sum()
            assert row.numbers["epistemic_outside_mean"] == pytest.approx(bits[~marked].mean())
        assert rows[0].map
        assert rows[1].map is None


@pytest.mark.parametrize(("value", "code"), [(np.nan, "non_finite_output"), (2.0, "score_range")])
def test_a_sample_that_is_no_answer_costs_its_case(value, code, tmp_path):
    setting = Setting(tmp_path, "2-D, whole", output={"kind": "probabilities"})

    class Breaks:
        samples, runtime_json = 2, {}

        def sample_maps(self, batch, keys, *, first, count):
            del first
            raw = np.full((count, len(keys), 2, *batch.shape[2:]), 0.5, np.float32)
            raw[-1, 0, 0, 3, 3] = value
            return raw

    found = engine.sampled_masks(
        Breaks(), setting.manifest, [Case("c", (setting.path,)), Case("d", ())], QUIET
    )

    assert found.errors == {"c": code, "d": "no_image"}
    assert not found.rows


@pytest.mark.parametrize("name", ["2-D, by patches", "3-D, by patches"])
def test_intake_switches_the_dropout_of_a_patch_on(name, tmp_path):
    result, _ = handed_in(tmp_path, name)

    sampling = result["card"]["sampling"]
    assert sampling["works"] is True
    assert sampling["seconds_per_case"] > 0
    assert why_no_samples(result["manifest"], result["card"]) == ""
    params = samples_params(Protocol.default(), result["manifest"], result["card"])
    assert params == {"kind": "dropout", "samples": 30, "seed": Protocol.default().seed,
                      "structures": 1}  # fmt: skip
    cost = cost_of("samples", params, Sizes())
    assert (cost.forwards, cost.backwards) == (30, 0)
    assert cost.bytes <= most_bytes_of("samples", params, 2, 1)


def test_why_a_model_that_segments_has_one_mask_and_the_way_out():
    reason = why_no_samples(merged(MANIFEST, {"dropout": None}), {"has_dropout": False})

    assert "no dropout" in reason
    assert "'format: ensemble'" in reason
    assert "column" not in reason, "of a table of masks one is read for each case"
