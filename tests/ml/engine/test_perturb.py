"""What the perturb pass does with several methods, linear fillings, and random subsets."""

import numpy as np
import pytest

from ml.engine.baselines import filled_in, noise_of
from ml.engine.cost import Sizes
from ml.engine.explain import Explainer
from ml.engine.explain_form import (
    explaining,
    methods_of,
    perturb_rows,
    subset_percents,
    tried_methods,
)
from ml.engine.passes import PASSES, check_of, cost_of
from ml.engine.perturb import _coarse, perturb_job
from ml.engine.predict import Asked, prepare_case
from ml.engine.rankings import Ranked, brought_to, patches_of, subset
from ml.evidence.orders import LERF, MORF, ranking_of, size_of_subset
from ml.evidence.passes import outputs_of
from ml.evidence.store import EvidenceError, table
from ml.intake.pt2 import read_pt2
from ml.protocol import Protocol
from tests.ml.checks.tried_maps import noise_file
from tests.ml.engine.small import small
from tests.ml.engine.test_features import manifest_of
from tests.ml.intake.build import QUIET

IDS = ["c1", "gone", "c2"]
OLD = {
    "batch": 8, "method": "grad-cam", "target": "positive", "baselines": ["mean", "blur"],
    "rankings": ["map", "random", "centre", "edges"], "steps": 10, "seed": 20261127,
}  # fmt: skip


@pytest.fixture
def job(tmp_path):
    cases = [{"case_id": f"c{n}", "images": [str(noise_file(tmp_path, n, (8, 8)))]} for n in (1, 2)]
    cases.insert(1, {"case_id": "gone", "images": []})
    manifest = manifest_of("tiny").model_dump(mode="json")
    return {"model": {"path": str(small("tiny").path), "manifest": manifest}, "cases": cases}


def done(job, folder, **changes):
    params = PASSES["perturb"].params | changes
    result = perturb_job({**job, **params}, folder, QUIET)
    data = (folder / result["table"]).read_bytes()
    check_of("perturb", params, 2)(data, IDS)
    return data, outputs_of(table(data), IDS), params


def test_a_row_says_what_is_gone_of_its_map_and_the_maps_range(job, tmp_path):
    _, found, params = done(job, tmp_path, steps=4, patches=4, draws=3)
    cases = [one for one in Asked.of({**job, **params}).cases if one.images]
    arrays = np.stack([prepare_case(one, manifest_of("tiny").input) for one in cases])
    maps = Explainer(read_pt2(small("tiny").path), manifest_of("tiny")).maps(arrays).maps

    for row, one in ((0, maps[0]), (2, maps[1])):
        full = brought_to(one, (8, 8))
        (half,) = found.version(baseline="noisy-linear", order="morf", step=2)
        assert found.of_map["map_sum"][row, half] == pytest.approx(np.sort(full)[-32:].sum())
        (drawn,) = found.version(order="subset-20", step=3)
        mask = subset((8, 8), 4, 20, 3, params["seed"], IDS[row])
        assert found.of_map["map_sum"][row, drawn] == pytest.approx(full[mask.ravel()].sum())
        assert found.of_map["map_low"][row, half] == one.min()
        assert found.of_map["map_high"][row, drawn] == one.max()
    assert np.isnan(found.of_map["map_sum"][1]).all(), "the case without an image"
    assert np.isnan(found.outputs[1]).all()


def test_further_methods_stand_beside_and_change_nothing(job, tmp_path):
    _, alone, _ = done(job, tmp_path, steps=3, draws=2)
    both = tried_methods(["grad-cam", "gradient"])
    _, found, params = done(job, tmp_path, steps=3, draws=2, **both)

    assert methods_of(params) == {"map": "grad-cam", "gradient": "gradient"}
    for at, key in enumerate(zip(*alone.keys.values(), strict=True)):
        (same,) = found.version(**dict(zip(alone.keys, key, strict=True)))
        assert np.array_equal(found.outputs[:, same], alone.outputs[:, at], equal_nan=True)
    (theirs,) = found.version(baseline="mean", order="gradient morf", step=1)
    (ours,) = found.version(baseline="mean", order="morf", step=1)
    assert (found.outputs[0, theirs] != found.outputs[0, ours]).any()
    one = cost_of("perturb", PASSES["perturb"].params, Sizes())
    two = cost_of("perturb", PASSES["perturb"].params | both, Sizes())
    assert (two.backwards, two.forwards - one.forwards) == (1, 1 + 3 * 18 + 2 * 18)


def test_a_method_that_the_network_has_none_of_leaves_rows_without_numbers(job, tmp_path):
    """Attention rollout, of a network without attention."""
    _, found, _ = done(
        job, tmp_path, steps=2, draws=1, **tried_methods(["grad-cam", "attention-rollout"])
    )
    rolled = np.array([ranking_of(one) == "attention-rollout" for one in found.keys["order"]])

    assert np.isnan(found.outputs[0, rolled]).all()
    assert np.isfinite(found.outputs[0, ~rolled]).all()


def test_protocols_written_before_ask_for_the_rows_they_asked_for(job, tmp_path):
    """Old params have an old table, without columns of maps; a new one is refused for them."""
    assert subset_percents(OLD) == []
    assert len(perturb_rows(OLD)) == 2 * 8 * 11
    _, found, _ = done(job, tmp_path, subset_percents=[], baselines=["mean", "blur"])
    assert found.of_map == {}
    data, _, _ = done(job, tmp_path, baselines=["mean", "blur"])
    with pytest.raises(EvidenceError):
        check_of("perturb", OLD, 2)(data, IDS)


def test_a_protocol_names_methods_and_steps():
    plain = Protocol.parse({"checks": ["explanation-faithfulness"]})
    asked = Protocol.parse(
        {"checks": ["explanation-faithfulness"], "explanation_steps": 5,
         "explanation_methods": ["gradient", "grad-cam"]}
    )  # fmt: skip

    assert explaining("perturb", asked)["rankings"] == [
        "map", "grad-cam", "random", "centre", "edges",
    ]  # fmt: skip
    assert explaining("perturb", asked)["method"] == "gradient"
    assert explaining("perturb", asked)["steps"] == 5
    assert explaining("attribute", asked) == {"method": "gradient"}
    assert explaining("move", asked) == {}
    same = PASSES["perturb"].params | explaining("perturb", plain)
    assert same == PASSES["perturb"].params


def test_noise_on_a_filling_is_of_the_picture_and_the_same_for_all_holes():
    picture = np.random.default_rng(1).normal(size=(40, 30, 2)) * [1, 50]
    one = noise_of(picture, 3, "a")
    assert one.std(axis=(0, 1)) == pytest.approx(0.01 * picture.std(axis=(0, 1)), rel=0.1)
    assert (one == noise_of(picture, 3, "a")).all()
    assert (one != noise_of(picture, 3, "b")).any()
    first, more = np.zeros((40, 30), bool), np.zeros((40, 30), bool)
    first[:10], more[:20] = True, True
    few, many = (filled_in(picture, gone, 3, "a") for gone in (first, more))
    assert (few[~first] == picture[~first]).all()
    assert (many[~more] == picture[~more]).all()
    assert (few[first] != picture[first]).all()


def test_subsets_are_of_whole_patches_and_hang_on_nothing_else():
    patches = patches_of((30, 44), 14)
    assert np.unique(patches).size == 14 * 14
    one = subset((30, 44), 14, 20, 1, 7, "a")
    for patch in range(14 * 14):
        assert len(set(one[patches == patch].tolist())) == 1
    taken = {int(patch) for patch in np.unique(patches[one])}
    assert len(taken) == round(0.2 * 196)
    assert (one == subset((30, 44), 14, 20, 1, 7, "a")).all()
    for other in ((20, 2, 7, "a"), (20, 1, 8, "a"), (20, 1, 7, "b"), (50, 1, 7, "a")):
        assert (one != subset((30, 44), 14, *other)).any()
    assert np.unique(patches_of((3, 5), 14)).size == 15, "of a small picture a patch is a pixel"


def test_the_halves_of_an_order_are_those_of_the_map():
    one = Ranked.of(np.array([[0.0, 3], [2, 1]], np.float32), (2, 2))
    assert one.gone(MORF, 0.5).tolist() == [False, True, True, False]
    assert one.gone(LERF, 0.25).tolist() == [True, False, False, False]
    assert Ranked.of(np.array([[np.nan]], np.float32), (2, 2)) is None
    assert [size_of_subset(one) for one in ("gradient subset-5", "gradient lerf")] == [5, None]


def test_a_random_map_is_no_finer_than_the_patches():
    fine, coarse = PASSES["perturb"].params, {"patches": 14}
    assert _coarse((224, 224), coarse) == _coarse((224, 224), fine) == (14, 14)
    assert _coarse((7, 7), coarse) == (7, 7)
    assert _coarse((224, 224), OLD) == (224, 224), "as evidence of old params was made"
