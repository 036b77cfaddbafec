"""The passes that look into a model: what they compute, plan, cost, and whose tables are taken."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from ml.engine.attribute import Attributor, score_of
from ml.engine.baselines import BASELINES, blur_baseline, taken_away
from ml.engine.cost import Sizes
from ml.engine.explain import Explainer, attribute_job
from ml.engine.explain_form import perturb_rows
from ml.engine.passes import PASSES, check_of, cost_of, most_bytes_of
from ml.engine.perturb import insertion, perturb, perturb_job
from ml.engine.predict import Asked, Case, predict, prepare_case
from ml.engine.program_session import as_session
from ml.engine.randomise import randomise_job
from ml.engine.rankings import Ranked
from ml.engine.session import ModelError
from ml.engine.smoke import noise
from ml.evidence.packed import packed
from ml.evidence.passes import maps_of, outputs_of
from ml.evidence.store import EvidenceError, joined, table, write_table
from ml.intake.pt2 import read_pt2
from ml.program.graph import Program
from ml.program.places import activation_of
from ml.program.randomise import layers_from_the_top, learnt, randomised, stages
from ml.scores import activated
from ml.stats.explanation.faithfulness import completeness_gap, curve_auc, linear_truth, order_gap
from tests.ml.engine.known_maps import Weighted, program_of
from tests.ml.engine.small import small
from tests.ml.engine.test_features import manifest_of
from tests.ml.engine.test_predict import model_file
from tests.ml.intake.build import MANIFEST, QUIET
from tests.ml.program.test_walk import apart


@pytest.fixture
def stored(tmp_path):
    """A file of noise in the store, per shade."""

    def store(seed):
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)
        path = tmp_path / f"{seed}.png"
        Image.fromarray(pixels).save(path)
        return path

    return store


@pytest.fixture
def job(stored, tmp_path):
    cases = [{"case_id": f"c{n}", "images": [str(stored(n))]} for n in (1, 2, 3)]
    cases.insert(1, {"case_id": "gone", "images": []})
    model = {
        "path": str(small("tiny").path),
        "manifest": manifest_of("tiny").model_dump(mode="json"),
    }
    return {"model": model, "cases": cases}


IDS = ["c1", "gone", "c2", "c3"]


def done(function, inputs, name, folder, **changes):
    params = PASSES[name].params | changes
    result = function({**inputs, **params}, folder, QUIET)
    data = (folder / result["table"]).read_bytes()
    check_of(name, params, 2)(data, IDS)
    assert len(data) <= most_bytes_of(name, params, 2, len(IDS))
    return result, table(data), params


# What each computes.


def test_the_attribute_pass_keeps_the_map_of_every_case(job, tmp_path):
    result, found, _ = done(attribute_job, job, "attribute", tmp_path)
    maps = maps_of(found, IDS)
    net = small("tiny")
    ours = Attributor(read_pt2(net.path), [net.shape])
    explainer = Explainer(read_pt2(net.path), manifest_of("tiny"))

    assert maps.maps.shape == (4, 1, 8, 8)
    assert maps.failures == {"gone": "no_image"}
    assert np.isnan(maps.maps[1]).all()
    assert np.isnan(maps.baseline_score).all()
    assert result["runtime"]["map_layer"] == ours.layer.name
    # The score is the log-odds of "b", the positive class, before the softmax of the network.
    cases = noise(manifest_of("tiny").input, 3)
    logits = ours.scores(ours.forward([torch.from_numpy(cases)])).numpy()
    expected = logits[:, 1] - logits[:, 0]
    assert explainer.maps(cases).score == pytest.approx(expected, abs=1e-6)


def test_the_attribute_pass_makes_maps_by_occlusion(job, tmp_path):
    """Of cells, by forwards alone; they say what the score loses."""
    result, found, _ = done(attribute_job, job, "attribute", tmp_path, method="occlusion")
    maps = maps_of(found, IDS)
    explainer = Explainer(read_pt2(small("tiny").path), manifest_of("tiny"), method="occlusion")

    assert maps.maps.shape == (4, 1, 8, 8)  # of a picture of 8 by 8 each cell is a pixel
    assert explainer.sides == (8, 8)
    assert result["runtime"]["map_sides"] == [8, 8]
    cases = noise(manifest_of("tiny").input, 1)
    filled = cases.copy()
    filled[..., :2, :2] = cases.mean()
    # A corner cell lies in one box, so it holds what that box takes away.
    drop = explainer.maps(cases).score - explainer.maps(filled).score
    assert explainer.maps(cases).maps[0, 0, 0] == pytest.approx(drop[0], abs=1e-5)


def test_the_target_is_the_odds_of_the_positive_classes_or_the_largest_logit():
    net, manifest = small("densenet"), manifest_of("densenet")
    program, cases = read_pt2(net.path), noise(manifest.input, 4)
    manifest = manifest.model_copy(
        update={"output": manifest.output.model_copy(update={"positive": ["b", "c"]})}
    )
    ours = Attributor(program, [net.shape])
    logits = ours.scores(ours.forward([torch.from_numpy(cases)])).numpy()
    probabilities = activated(logits.astype(float), manifest.output)[:, 1:].sum(1)

    both = Explainer(program, manifest).maps(cases)
    largest = Explainer(program, manifest, target="predicted").maps(cases)
    expected = np.log(probabilities / (1 - probabilities))
    assert both.score == pytest.approx(expected, abs=1e-5)
    assert largest.score == pytest.approx(logits.max(1), abs=1e-5)
    with pytest.raises(ValueError, match="no method"):
        Explainer(program, manifest, method="lime")


def test_a_case_cut_out_of_a_reversed_batch_is_a_case_like_any():
    """numpy calls it contiguous, with a negative stride that torch refuses."""
    manifest, program = manifest_of("tiny"), read_pt2(small("tiny").path)
    cases = noise(manifest.input, 1)

    reverse = Explainer(program, manifest).maps(cases[::-1])
    assert np.array_equal(reverse.maps, Explainer(program, manifest).maps(cases).maps)
    session = as_session(program, manifest)
    assert np.array_equal(session.run(cases[::-1]), session.run(cases))


def test_a_score_is_the_sum_of_logits_in_whatever_shape_they_come():
    weights = torch.tensor([[0.0, 2.0], [1.0, 0.0]])

    for shape in ((2, 2), (2, 1, 2), (2, 2, 1, 1), (4,)):
        assert score_of(torch.arange(4.0).reshape(shape), weights).tolist() == [2, 2]
    assert score_of(torch.arange(2.0), torch.ones(2, 1)).tolist() == [0, 1]
    assert score_of(torch.ones(2, 2, 3, 3), weights).tolist() == [18, 9]
    with pytest.raises(ValueError, match="no logits of 2 classes"):
        score_of(torch.ones(2, 3), weights)


def test_a_score_with_negative_weights_is_the_log_odds_of_a_softmax_over_what_counts():
    logits = torch.tensor([[1.0, -2.0, 0.5, 90.0], [80.0, 0.0, -3.0, 1.0]], dtype=torch.float64)
    weights = torch.tensor([[1.0, 1.0, -1.0, 0.0], [-1.0, 1.0, 1.0, -1.0]])
    first = np.exp([1, -2]).sum() / np.exp(0.5)
    second = np.exp([0, -3]).sum() / np.exp([80, 1]).sum()

    for shape in ((2, 4), (2, 1, 4), (2, 4, 1, 1)):
        found = score_of(logits.reshape(shape), weights)
        assert found.tolist() == pytest.approx(np.log([first, second]).tolist(), abs=1e-6)


@pytest.mark.parametrize("ends_so", [True, False])
def test_odds_are_asked_for_only_where_classes_exclude_each_other_and_logits_are_there(ends_so):
    """Of a sigmoid a logit stands alone; of probabilities whose logits lie nowhere none is had."""
    program = read_pt2(small("tiny").path) if ends_so else program_of(Weighted)
    tiny = manifest_of("tiny")
    cases = noise(tiny.input, 2)
    ours = Attributor(program, [small("tiny").shape], layer=program.inputs[0].name)
    logits = ours.scores(ours.forward([torch.from_numpy(cases)])).numpy()

    def scored(**output):
        output = tiny.output.model_copy(update=output)
        changed = tiny.model_copy(update={"output": output, "target_layer": ours.layer.name})
        return Explainer(program, changed).maps(cases).score

    odds = logits[:, 1] - logits[:, 0]
    assert activation_of(program, program.outputs[0]) == ("softmax" if ends_so else None)
    assert scored(kind="logits", activation="softmax") == pytest.approx(odds, abs=1e-5)
    assert scored(kind="logits", activation="sigmoid") == pytest.approx(logits[:, 1], abs=1e-5)
    expected = odds if ends_so else logits[:, 1]
    assert scored(kind="probabilities", activation="softmax") == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("method", ["gradient", "integrated-gradients"])
def test_maps_of_the_input_add_up_over_channels(method, job, tmp_path):
    _, found, _ = done(attribute_job, job, "attribute", tmp_path, method=method)
    maps = maps_of(found, IDS)

    assert maps.maps.shape == (4, 1, 8, 8)
    if method == "integrated-gradients":
        for at in (0, 2, 3):
            gap = completeness_gap(
                maps.maps[at, 0].ravel(), maps.score[at, 0], maps.baseline_score[at, 0]
            )
            assert gap.value <= 0.02 * abs(maps.score[at, 0] - maps.baseline_score[at, 0]) + 1e-4
    else:
        assert np.isnan(maps.baseline_score).all()


def test_an_onnx_model_is_explained_by_its_program_and_run_by_onnxruntime(job, tmp_path):
    """All that this one has with several positions is its input; the gradient is known."""
    job["model"] = {"path": str(model_file(tmp_path)), "manifest": MANIFEST}
    _, found, _ = done(attribute_job, job, "attribute", tmp_path)
    maps = maps_of(found, IDS)
    arrays = [prepare_case(case, manifest_of("tiny").input) for case in Asked.of(job).cases[2:]]

    assert maps.maps[2:, 0] == pytest.approx(np.concatenate(arrays) * 20 / 64, abs=1e-6)
    result, found, _ = done(perturb_job, job, "perturb", tmp_path, steps=2)
    assert result["runtime"]["providers"] == ["CPUExecutionProvider"]
    assert np.isfinite(outputs_of(found, IDS).outputs[2:]).all()


def test_a_network_without_a_map_says_so(job, tmp_path):
    job["model"]["manifest"]["target_layer"] = "nowhere"
    with pytest.raises(ModelError, match="no layer called"):
        attribute_job({**job, **PASSES["attribute"].params}, tmp_path, QUIET)


class Linear:
    """A model whose outputs are known: the sum of the pixels with weights."""

    fixed_batch, n_classes = None, 1

    def __init__(self, weights):
        self.weights = weights

    def run(self, batch):
        return (batch[:, 0] * self.weights).sum((1, 2), keepdims=False)[:, None].astype(float)


def test_curves_are_those_of_the_linear_truth(stored):
    """Deletion by value, insertion as the reverse of the other order, areas by the measures."""
    declared = manifest_of("tiny").input
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(8, 8))
    model, case = Linear(weights), Case("a", (stored(1),))
    params = {"baselines": ["mean"], "steps": 64}
    seen = []

    def explain(arrays):
        seen.append(arrays[0, 0].astype(float))
        exact = weights * (arrays[:, 0] - arrays[:, 0].mean((1, 2), keepdims=True))
        return exact.astype(np.float32)

    found = perturb(model, explain, declared, [case], params, reporter=QUIET)
    rows = perturb_rows(params)
    curve = {
        order: np.array([found.rows["a"][at][0] for at, row in enumerate(rows) if row[1] == order])
        for order in ("morf", "lerf")
    }
    x = seen[0]
    truth = linear_truth(weights.ravel(), x.ravel(), np.full(64, x.mean()))

    assert curve["morf"] == pytest.approx(truth.deletion, abs=1e-4)
    assert insertion(curve["lerf"]) == pytest.approx(truth.insertion, abs=1e-4)
    assert curve["morf"][-1] == curve["lerf"][-1]
    assert order_gap(curve["lerf"], curve["morf"]).value > 0
    assert curve_auc(curve["morf"]).value < curve_auc(insertion(curve["lerf"])).value


def test_pictures_that_curves_share_are_run_once(stored):
    declared, calls = manifest_of("tiny").input, []
    params = {
        "baselines": ["mean", "blur"], "steps": 4,
        "rankings": ["map", "random", "centre", "edges"],
    }  # fmt: skip

    class Counted(Linear):
        def run(self, batch):
            calls.append(len(batch))
            return super().run(batch)

    cases = [Case(f"c{n}", (stored(n),)) for n in (1, 2)]
    perturb(
        Counted(np.ones((8, 8))), lambda arrays: arrays[:, 0], declared, cases, params,
        reporter=QUIET,
    )  # fmt: skip

    params |= {"subset_percents": []}
    declared_cost = cost_of("perturb", {**PASSES["perturb"].params, **params}, Sizes())
    assert sum(calls) / 2 + 1 == declared_cost.forwards == 1 + 1 + 2 * (8 * 3 + 1)


def test_a_step_takes_its_share_in_all_channels_at_once():
    picture = np.arange(32.0).reshape(4, 4, 2)
    ranked = Ranked.of(np.arange(16.0, dtype=np.float32).reshape(4, 4), (4, 4))
    gone = ranked.gone("morf", 0.25).reshape(4, 4)
    found = taken_away(picture, BASELINES["mean"](picture), gone)

    changed = (found != picture).all(axis=2)
    assert changed.sum() == 4
    assert changed[3].all()
    assert found[3, 0].tolist() == [15, 16]
    assert blur_baseline(np.ones((8, 8, 1))) == pytest.approx(np.ones((8, 8, 1)))


def test_the_perturb_pass_begins_with_the_models_own_outputs(job, tmp_path):
    _, found, params = done(perturb_job, job, "perturb", tmp_path, steps=4)
    versions = outputs_of(found, IDS)
    manifest = manifest_of("tiny")
    session = as_session(read_pt2(small("tiny").path), manifest)
    clean = predict(session, manifest.input, Asked.of({**job, **params}).cases, reporter=QUIET)

    for order in ("morf", "lerf"):
        (at,) = versions.version(baseline="blur", order=order, step=0)
        assert versions.outputs[2, at] == pytest.approx(clean.rows["c2"], abs=1e-6)
    (first,) = versions.version(baseline="mean", order="morf", step=4)
    (other,) = versions.version(baseline="mean", order="lerf", step=4)
    assert versions.outputs[3, first].tolist() == versions.outputs[3, other].tolist()
    assert versions.outputs.shape == (4, 3 * 8 * 5 + 4 * 3 * 16, 2)
    assert len(perturb_rows(params)) == 312


def test_stages_go_from_the_output_down_and_keep_every_number():
    program = read_pt2(small("tiny").path)
    layers = layers_from_the_top(program, program.outputs[0])
    changed = randomised(program, layers[:1], 7)
    moved = {
        name for name in program.weights
        if not np.array_equal(program.weights[name], changed.weights[name])
    }  # fmt: skip

    assert [node.operation.base for node in layers] == ["linear", "conv2d", "batch_norm", "conv2d"]
    assert moved <= set(learnt(layers[0], program))
    assert moved
    for name in moved:
        assert np.array_equal(np.sort(program.weights[name].ravel()),
                              np.sort(changed.weights[name].ravel()))  # fmt: skip
    again, other = randomised(program, layers[:1], 7), randomised(program, layers[:1], 8)
    name = next(iter(moved))
    assert np.array_equal(again.weights[name], changed.weights[name])
    assert not np.array_equal(other.weights[name], changed.weights[name])
    whole = randomised(program, layers, 7)
    for kept in ("running_mean", "running_var"):
        reads = layers[2].arguments[kept].name
        assert np.array_equal(whole.weights[reads], program.weights[reads])
    assert [len(group) for group in stages(layers, 3)] == [1, 2, 1]
    assert sum(stages(layers, 9), ()) == layers


def test_the_randomise_pass_cascades_and_stands_alone(job, tmp_path):
    _, found, params = done(randomise_job, job, "randomise", tmp_path, stages=2)
    maps = maps_of(found, IDS)
    net, manifest = small("tiny"), manifest_of("tiny")
    program = read_pt2(net.path)
    layers = layers_from_the_top(program, program.outputs[0])
    first = Explainer(program, manifest)
    keys = list(zip(maps.keys["order"], maps.keys["stage"], strict=True))

    def expected(chosen: Program):
        case = Asked.of(job).cases[3]
        one = Explainer(
            chosen, manifest.model_copy(update={"target_layer": first.attributor.layer.name})
        )
        return one.maps(prepare_case(case, manifest.input)[None]).maps[0]

    own = expected(program)
    for order in ("cascading", "independent"):
        assert apart(torch.from_numpy(maps.maps[3, keys.index((order, 0))]),
                     torch.from_numpy(own)) <= 1e-5  # fmt: skip
    top, bottom = stages(layers, 2)
    for key, chosen in (
        (("cascading", 1), top),
        (("cascading", 2), layers),
        (("independent", 1), top),
        (("independent", 2), bottom),
    ):
        map_of = torch.from_numpy(maps.maps[3, keys.index(key)])
        alone = torch.from_numpy(expected(randomised(program, chosen, params["seed"])))
        assert apart(map_of, alone) <= 1e-4
        assert apart(map_of, torch.from_numpy(own)) > 1e-3
    assert maps.failures == {"gone": "no_image"}


def test_stages_beyond_the_layers_are_said_and_fail_no_case(job, tmp_path):
    _, found, _ = done(randomise_job, job, "randomise", tmp_path, stages=5)
    maps = maps_of(found, IDS)
    errors = [error for error in found["error"].to_pylist()[:12] if error]

    assert errors == ["no_layer"] * 2
    assert np.isnan(maps.maps[0, [5, 11]]).all()
    assert np.isfinite(maps.maps[0, :5]).all()
    assert maps.failures == {"gone": "no_image"}


# Tables that lie.


@pytest.mark.parametrize("name", ["attribute", "randomise"])
def test_maps_that_lie_are_refused(name, job, tmp_path):
    function = {"attribute": attribute_job, "randomise": randomise_job}[name]
    changes = {} if name == "attribute" else {"stages": 1}
    _, honest, params = done(function, job, name, tmp_path, **changes)

    def refused(changed, match):
        write_table(changed, tmp_path / "lie")
        with pytest.raises(EvidenceError, match=match):
            check_of(name, params, 2)((tmp_path / "lie").read_bytes(), IDS)

    def put(column, value, at=0):
        values = honest[column].to_pylist()
        values[at] = value
        kind = honest[column].type
        return honest.set_column(honest.column_names.index(column), column, pa.array(values, kind))

    infinite = np.full(64, np.inf, "<f4").tobytes()
    refused(put("map", infinite), "no number")
    refused(put("map", None), "has not one value")
    refused(put("rows", -1), "sides of its maps")
    refused(put("rows", 4), "sides of its maps")
    refused(put("columns", None), "has not one value")
    refused(put("score", float("inf")), "no number")
    refused(put("error", "because"), "has not one value")
    refused(honest.slice(1), "rows")
    texts = pa.array(["x" * 256] * len(honest))
    refused(honest.set_column(honest.column_names.index("map"), "map", texts), "its columns")
    lists = pa.array([[0.0] * 64] * len(honest), pa.list_(pa.float32()))
    refused(honest.set_column(honest.column_names.index("map"), "map", lists), "its columns")
    with pytest.raises(ValueError, match="one size"):
        maps_of(put("rows", 4), IDS)


def test_shards_whose_maps_have_other_sizes_are_not_joined(tmp_path):
    parts = []
    for width in (4, 9):
        column = packed([np.zeros(width, np.float32)])
        made = pa.table({"case_id": ["a"], "map": column, "error": pa.array([None], pa.string())})
        write_table(made, tmp_path / "part")
        parts.append((tmp_path / "part").read_bytes())

    with pytest.raises(EvidenceError, match="do not fit together"):
        joined(parts)
