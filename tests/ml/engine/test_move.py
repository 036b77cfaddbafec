"""The move pass: outputs of copies that lie elsewhere, and whether the maps lie there too."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from scipy import stats

from ml.engine.cases import Case
from ml.engine.copies import outputs_on_copies
from ml.engine.cost import Sizes
from ml.engine.explain import Explainer
from ml.engine.move import agreement, looking_at_maps, move_job, versions
from ml.engine.move_form import move_params, move_rows
from ml.engine.passes import MOVE, PASSES, asked_for, check_of, cost_of, most_bytes_of
from ml.engine.predict import predict, prepare_case
from ml.engine.program_session import as_session
from ml.evidence.passes import outputs_of
from ml.evidence.store import EvidenceError, table, write_table
from ml.imaging.intensity import from_unit, to_unit
from ml.intake.pt2 import read_pt2
from ml.moves import Way, move
from ml.protocol import FLIPS
from tests.ml.engine.small import small
from tests.ml.engine.test_features import manifest_of
from tests.ml.engine.test_predict import model_file
from tests.ml.intake.build import MANIFEST, QUIET

SIDE = 32
IDS = ["c1", "gone", "c2", "c3"]


@pytest.fixture
def stored(tmp_path):
    """Soft noise of a size, per seed; the size of the network by default."""

    def store(seed, side=SIDE):
        rng = np.random.default_rng(seed)
        coarse = rng.integers(40, 216, (8, 8), dtype=np.uint8)
        path = tmp_path / f"{seed}-{side}.png"
        Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(path)
        return path

    return store


def job_of(model, manifest, stored, **params):
    cases = [{"case_id": f"c{n}", "images": [str(stored(n))]} for n in (1, 2, 3)]
    cases.insert(1, {"case_id": "gone", "images": []})
    inputs = {"model": {"path": str(model), "manifest": manifest}, "cases": cases}
    return {**inputs, **PASSES[MOVE].params, **params}


@pytest.fixture
def looked_into(stored):
    """A DenseNet whose maps are taken."""
    manifest = manifest_of("densenet").model_dump(mode="json")
    return job_of(small("densenet").path, manifest, stored, **move_params(maps=True))


def done(job, folder, n_outputs):
    result = move_job(job, folder, QUIET)
    data = (folder / result["table"]).read_bytes()
    check_of(MOVE, job, n_outputs)(data, IDS)
    assert len(data) <= most_bytes_of(MOVE, job, n_outputs, len(IDS))
    return result, table(data)


class Linear:
    """A model whose outputs are known: the sum of the pixels with weights."""

    fixed_batch, n_classes = None, 1

    def __init__(self, weights):
        self.weights, self.calls = weights, 0

    def run(self, batch):
        self.calls += len(batch)
        return (batch[:, 0] * self.weights).sum((1, 2))[:, None].astype(float)


def test_the_outputs_are_those_of_the_moved_picture(stored):
    """Shifts and mirrors by hand, at the model's own size, whatever the image's."""
    declared = manifest_of("densenet").input
    weights = np.random.default_rng(5).normal(size=(SIDE, SIDE))
    model, case = Linear(weights), Case("a", (stored(1, side=50),))
    wanted = versions({"moves": ["translation", "mirror-left-right", "mirror-up-down"]})

    found = outputs_on_copies(model, declared, [case], wanted, seed=4, reporter=QUIET).rows["a"]

    clean = prepare_case(case, declared)[0].astype(float)
    wide = np.pad(clean, 8, mode="edge")
    for step, pixels in ((2, 1), (3, 2), (4, 4), (5, 8)):
        down, right = (int(n) for n in move("translation").drawn_way(step, "a", 4).shift)
        assert abs(down) + abs(right) == pixels
        shifted = wide[8 + down : 8 + down + SIDE, 8 + right : 8 + right + SIDE]
        assert found[step - 1] == pytest.approx([(shifted * weights).sum()], abs=1e-3)
    assert found[5] == pytest.approx([(clean[:, ::-1] * weights).sum()], abs=1e-3)
    assert found[6] == pytest.approx([(clean[::-1] * weights).sum()], abs=1e-3)
    assert model.calls == len(wanted) == 7


def test_a_row_for_each_copy_whatever_the_shard(looked_into, tmp_path):
    result, found = done(looked_into, tmp_path, 3)
    versions_ = outputs_of(found, IDS)

    assert versions_.outputs.shape == (4, 20, 3)
    assert np.isnan(versions_.outputs[1]).all()
    assert np.isnan(versions_.map_agreement[1]).all()
    assert versions_.failures == {"gone": "no_image"}
    assert versions_.version(move="rotation", step=2).tolist() == [6]
    assert (result["failed"], result["runtime"]["map_sides"]) == (1, [4, 4])
    alone = {**looked_into, "cases": looked_into["cases"][2:3], "batch": 1}
    other = outputs_of(table((tmp_path / move_job(alone, tmp_path, QUIET)["table"]).read_bytes()),
                       ["c2"])  # fmt: skip
    assert other.outputs[0] == pytest.approx(versions_.outputs[2], abs=1e-5)
    assert other.map_agreement[0] == pytest.approx(versions_.map_agreement[2], abs=1e-3)


def test_the_agreement_is_the_correlation_of_two_maps(looked_into, tmp_path):
    """By hand for one case, of a shift by four pixels: half a place of the map layer."""
    _, found = done(looked_into, tmp_path, 3)
    versions_ = outputs_of(found, IDS)
    manifest = manifest_of("densenet")
    explainer = Explainer(read_pt2(small("densenet").path), manifest)
    one, seed = move("translation"), looked_into["seed"]
    image = Path(looked_into["cases"][3]["images"][0])
    clean = prepare_case(Case("c3", (image,)), manifest.input)
    copy = from_unit(one(to_unit(clean, manifest.input), 4, "c3", seed), manifest.input)

    def full(array):
        grid = explainer.maps(array[None]).maps[0]
        image = Image.fromarray(grid)  # bilinear, pixel centres aligned to the edges, as ours is
        return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=float)

    down, right = (int(n) for n in one.drawn_way(4, "c3", seed).shift)
    rows = slice(max(0, -down), SIDE - max(0, down))
    columns = slice(max(0, -right), SIDE - max(0, right))
    moved_along = np.roll(full(clean), (-down, -right), (0, 1))
    expected = stats.pearsonr(moved_along[rows, columns].ravel(), full(copy)[rows, columns].ravel())

    (at,) = versions_.version(move="translation", step=4)
    assert versions_.map_agreement[3, at] == pytest.approx(expected.statistic, abs=1e-4)
    assert -1 <= np.nanmin(versions_.map_agreement) <= np.nanmax(versions_.map_agreement) <= 1


@pytest.mark.parametrize(
    ("maps", "least", "most"),
    [
        (lambda arrays: arrays[:, 0], 0.999, 1.0),  # looks at the picture, wherever it lies
        (lambda arrays: np.repeat(np.indices((SIDE, SIDE))[1:] % 7, len(arrays), 0), -0.6, 0.4),
    ],
)
def test_maps_that_move_along_agree_and_those_that_stay_do_not(maps, least, most, stored):
    declared = manifest_of("densenet").input
    wanted = versions({"moves": ["translation", "mirror-left-right"]})[2:]
    look = looking_at_maps(
        lambda arrays: maps(arrays).astype(np.float32), (SIDE, SIDE), wanted, seed=1
    )
    # A row shift leaves columns as they are: only cases that are shifted along a row tell.
    cases = [
        Case(f"c{n}", (stored(n),)) for n in range(20)
        if move("translation").drawn_way(1, f"c{n}", 1).shift[1]
    ][:3]  # fmt: skip

    found = outputs_on_copies(
        Linear(np.ones((SIDE, SIDE))), declared, cases, wanted, seed=1, reporter=QUIET, look=look
    )

    agreed = np.array([[row[1] for row in found.rows[case.case_id]] for case in cases])
    assert agreed.shape == (3, 4)
    assert least <= agreed[:, :3].min() <= agreed[:, :3].max() <= most


def test_maps_that_do_not_vary_agree_with_nothing():
    ramp, flat = np.arange(16.0).reshape(4, 4), np.full((4, 4), 0.3)

    assert agreement(-ramp, ramp, Way()) == pytest.approx(-1)
    for pair in ((flat, ramp), (ramp, flat), (ramp * np.nan, ramp)):
        assert np.isnan(agreement(*pair, Way()))
    # Four rows further on there is nothing of the picture left.
    assert np.isnan(agreement(ramp, ramp, Way(shift=(4.0, 0.0))))
    edge = ramp.copy()
    edge[3] = 99.0  # beyond the border: made up, and not looked at
    assert agreement(edge, np.roll(ramp, 1, axis=0), Way(shift=(1.0, 0.0))) == pytest.approx(1)


def test_a_black_box_has_outputs_and_no_maps(stored, tmp_path):
    job = job_of(model_file(tmp_path), MANIFEST, stored)
    result, found = done(job, tmp_path, 2)

    assert found["map_agreement"].null_count == len(found) == 4 * 20
    assert np.isfinite(outputs_of(found, IDS).outputs[[0, 2, 3]]).all()
    assert "map_layer" not in result["runtime"]


def test_a_network_without_a_map_layer_says_so_and_answers_all_the_same(looked_into, tmp_path):
    looked_into["model"]["manifest"]["target_layer"] = "nowhere"
    result, found = done(looked_into, tmp_path, 3)

    assert "no layer called" in result["runtime"]["no_map"]
    assert found["map_agreement"].null_count == len(found)
    assert found["output_0"].null_count == 20


def test_a_table_that_lies_is_refused(stored, tmp_path):
    job = job_of(model_file(tmp_path), MANIFEST, stored)
    _, honest = done(job, tmp_path, 2)

    def refused(name, at, value, match):
        values = honest[name].to_pylist()
        values[at] = value
        column = pa.array(values, honest[name].type)
        write_table(honest.set_column(honest.column_names.index(name), name, column),
                    tmp_path / "lie")  # fmt: skip
        with pytest.raises(EvidenceError, match=match):
            check_of(MOVE, job, 2)((tmp_path / "lie").read_bytes(), IDS)

    refused("step", 3, 9, "its column step")
    refused("move", 0, "crop", "its column move")
    refused("map_agreement", 0, float("inf"), "no number")
    refused("map_agreement", 20, 0.5, "has not one value")
    refused("output_1", 0, None, "has not one value")


def test_a_pass_declares_what_it_runs(stored):
    declared, plain = manifest_of("densenet").input, PASSES[MOVE].params
    seen, model = [], Linear(np.ones((SIDE, SIDE)))
    wanted = versions(plain)

    def maps(arrays):
        seen.append(len(arrays))
        return arrays[:, 0]

    look = looking_at_maps(maps, (SIDE, SIDE), wanted, seed=1)
    cases = [Case(f"c{n}", (stored(n),)) for n in (1, 2)]
    outputs_on_copies(model, declared, cases, wanted, seed=1, reporter=QUIET, look=look)

    assert model.calls / 2 == cost_of(MOVE, plain, Sizes()).forwards == 20
    looked = plain | move_params(maps=True)
    assert (model.calls + sum(seen)) / 2 == cost_of(MOVE, looked, Sizes()).forwards == 41
    mirrored = plain | move_params(maps=False, flips=FLIPS)
    assert cost_of(MOVE, mirrored, Sizes()).forwards == len(move_rows(mirrored)) == 22


@pytest.mark.parametrize("walks", [True, False])
def test_maps_are_asked_of_what_can_be_looked_into(walks):
    ((name, params),) = asked_for(["moves"], walks=walks, flips=["up-down"], running={"batch": 4})

    assert (name, params["maps"], params["batch"]) == (MOVE, walks, 4)
    assert params["moves"][-1] == "mirror-up-down"
    assert params["method"] == "grad-cam"
    ((_, of_volumes),) = asked_for(["moves"], walks=walks, pictures=False)
    assert of_volumes["maps"] is False


def test_copies_of_no_move_are_the_answers_of_predict(looked_into, stored, tmp_path):
    """A shift by nothing is not among the moves; a flat picture is the same wherever it lies."""
    flat = tmp_path / "flat.png"
    Image.fromarray(np.full((SIDE, SIDE), 90, np.uint8)).save(flat)
    case = Case("flat", (flat,))
    manifest = manifest_of("densenet")
    session = as_session(read_pt2(small("densenet").path), manifest)
    wanted = versions(PASSES[MOVE].params)
    found = outputs_on_copies(session, manifest.input, [case], wanted, seed=1, reporter=QUIET)
    clean = predict(session, manifest.input, [case], reporter=QUIET)

    for row in found.rows["flat"]:
        assert row == pytest.approx(clean.rows["flat"], abs=1e-5)
