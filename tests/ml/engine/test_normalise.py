"""Statistics counted again are torch's own; what layers are given adds up; batches play no part."""

import copy
import json

import numpy as np
import pytest
import torch
from PIL import Image

from ml.engine import normalise
from ml.engine.drawn_cases import cases_of
from ml.engine.normalise import normalise_job
from ml.engine.passes import NORMALISE, PASSES, check_of, most_bytes_of
from ml.engine.plan import plan, shards
from ml.engine.together import column_of, groups_of
from ml.evidence.normalised import AGAIN, OTHERS, STORED, normalised_of
from ml.evidence.store import EvidenceError, table
from ml.intake.pt2 import read_pt2
from ml.program.normalised import (
    estimated_again,
    held_at_once,
    normalisations,
    with_statistics,
)
from ml.program.walk import Walker
from ml.protocol import Protocol
from tests.ml.engine.small import small
from tests.ml.engine.test_features import manifest_of
from tests.ml.engine.test_samples import OfVolumes
from tests.ml.intake.build import QUIET
from tests.ml.program.networks import exported
from tests.ml.program.test_walk import apart

PARAMS = PASSES[NORMALISE].params | {"fewest": 3}
IDS = [f"c{at}" for at in range(12)]


def again_by_hand(module, cases):
    """Each layer's statistics from its input, with those of the layers before it in place."""
    module = copy.deepcopy(module).eval()
    with torch.no_grad():
        for part in module.modules():
            if not isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
                continue
            given = []
            hook = part.register_forward_pre_hook(lambda _, args, into=given: into.append(args[0]))
            module(cases)
            hook.remove()
            rows = given[0].transpose(0, 1).flatten(1)
            part.running_mean, part.running_var = rows.mean(1), rows.var(1)
    return module


def counted(program, cases, sizes):
    layers = [one for one in normalisations(program, program.outputs[0]) if one.stored]
    statistics = estimated_again(
        Walker(program), layers, list(cases.split(sizes)), program.outputs[0]
    )
    return layers, statistics, with_statistics(program, statistics)


@pytest.mark.parametrize("name", ["densenet", "tiny"])
def test_outputs_with_statistics_counted_again_are_those_of_the_module(name):
    net = small(name)
    program, cases = read_pt2(net.path), net.case(7)
    layers, _, again = counted(program, cases, [4, 3])

    theirs = again_by_hand(net.module, cases)

    assert len(layers) == sum(isinstance(one, torch.nn.BatchNorm2d) for one in net.module.modules())
    with torch.no_grad():
        ours = Walker(again).run([cases])[again.outputs[0]]
        assert apart(ours, theirs(cases)) <= 1e-4
        assert apart(ours, net.answer(cases)) > 1e-2, "nothing was changed"
        as_it_is = Walker(program).run([cases])[program.outputs[0]]
        assert apart(as_it_is, net.answer(cases)) <= 1e-4, "the program itself was changed"


def test_so_does_torch_count_them_in_training_of_one_whole_batch():
    """Its forward divides by n where what it stores is divided by n - 1: alike for many places."""
    net = small("densenet")
    cases, module = net.case(12), copy.deepcopy(net.module)
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.train().momentum = 1.0
    with torch.no_grad():
        module(cases)
        _, _, again = counted(read_pt2(net.path), cases, [12])
        ours = Walker(again).run([cases])[again.outputs[0]]
        assert apart(ours, module.eval()(cases)) <= 0.05


def test_no_batch_and_no_order_plays_a_part():
    net = small("densenet")
    program, cases = read_pt2(net.path), net.case(8)

    _, one, _ = counted(program, cases, [8])
    _, several, _ = counted(program, cases.flip(0), [1, 5, 2])

    for name, pair in one.items():
        for ours, other in zip(pair, several[name], strict=True):
            assert apart(ours, other) <= 1e-5


def test_what_is_held_at_once_grows_with_the_case():
    net = small("densenet")
    program = read_pt2(net.path)
    held = held_at_once(program, net.shape, program.outputs[0])

    assert 4 * 8 * 16 * 16 <= held <= 4 * 1_000_000
    assert held_at_once(read_pt2(small("tiny").path), (1, 8, 8), "softmax") < held


# The pass.


@pytest.fixture
def job(tmp_path):
    """Twelve pictures of 8 x 8, those of the second site brighter; one case is gone."""
    cases = []
    for at, case_id in enumerate(IDS):
        rng = np.random.default_rng(at)
        pixels = (rng.integers(0, 128, (8, 8)) + 100 * (at >= 6)).astype(np.uint8)
        path = tmp_path / f"{case_id}.png"
        Image.fromarray(pixels).save(path)
        cases.append({"case_id": case_id, "images": [str(path)]})
    cases[3]["images"] = []
    return {
        "model": {
            "path": str(small("tiny").path),
            "manifest": manifest_of("tiny").model_dump(mode="json"),
        },
        "cases": cases,
    }


GROUPS = {"groups": {"column": "site", "cases": {"A": IDS[:6], "B": IDS[6:]}}}


def done(job, folder, **changes):
    params = PARAMS | changes
    result = normalise_job({**job, **params}, folder, QUIET)
    data = (folder / result["table"]).read_bytes()
    check_of(NORMALISE, params, 2)(data, IDS)
    assert len(data) <= most_bytes_of(NORMALISE, params, 2, len(IDS))
    return result, normalised_of(table(data), IDS)


def pictures(job):
    opened = [np.asarray(Image.open(case["images"][0])) for case in job["cases"] if case["images"]]
    return torch.from_numpy(np.stack(opened)[:, None].astype(np.float32) / 255)


def test_moments_of_cases_add_up_to_those_of_a_group(job, tmp_path):
    _, looked = done(job, tmp_path, **GROUPS)
    module = small("tiny").module
    with torch.no_grad():
        given = module.first(pictures(job)[5:])  # of site B
    rows = given.transpose(0, 1).flatten(1)
    below = module.norm.running_var + module.norm.eps

    shift, ratio = looked.shift[6:].astype(float), looked.ratio[6:].astype(float)
    mean = shift.mean(0)
    expected = (rows.mean(1) - module.norm.running_mean) / below.sqrt()
    assert mean == pytest.approx(expected.numpy(), abs=1e-5)
    variance = ratio.mean(0) + (shift**2).mean(0) - mean**2
    expected = (rows.var(1, correction=0) + module.norm.eps) / below
    assert variance == pytest.approx(expected.numpy(), rel=1e-4)
    assert [(one.kind, one.stored, one.channels, one.kept) for one in looked.layers] == [
        ("batch", True, 4, 4)
    ]
    assert looked.layers[0].name == "norm"


def test_each_group_gets_its_own_statistics(job, tmp_path):
    _, looked = done(job, tmp_path, **GROUPS)
    cases, module = pictures(job), small("tiny").module

    assert (looked.column, looked.used) == ("site", {"A": 5, "B": 6})
    assert looked.failures == {"c3": "no_image"}
    assert not looked.ran[3]
    for rows, places in ((slice(0, 5), [0, 1, 2, 4, 5]), (slice(5, 11), range(6, 12))):
        theirs = again_by_hand(module, cases[rows])
        with torch.no_grad():
            expected = theirs(cases[rows]).numpy()
        assert looked.outputs[AGAIN][list(places)] == pytest.approx(expected, abs=1e-5)
    with torch.no_grad():
        plain = module(cases).numpy()
    assert looked.outputs[STORED][looked.ran] == pytest.approx(plain, abs=1e-5)
    assert looked.outputs[OTHERS][looked.ran] == pytest.approx(plain, abs=1e-5)


def test_a_group_of_few_cases_gets_none_and_no_groups_are_one(job, tmp_path):
    _, few = done(job, tmp_path, fewest=6, **GROUPS)
    _, whole = done(job, tmp_path)

    assert few.used == {"A": 0, "B": 6}
    assert np.isnan(few.outputs[AGAIN][:6]).all()
    assert np.isfinite(few.outputs[AGAIN][6:]).all()
    assert (whole.column, whole.used) == ("", {"": 11})


def test_as_many_cases_are_used_as_fit(job, tmp_path, monkeypatch):
    _, all_of_them = done(job, tmp_path, **GROUPS)
    program = read_pt2(small("tiny").path)
    held = held_at_once(program, (1, 8, 8), program.outputs[0])
    monkeypatch.setattr(normalise, "ROOM", 3 * held)
    _, some = done(job, tmp_path, **GROUPS)

    assert some.used == {"A": 3, "B": 3}
    assert np.isfinite(some.outputs[AGAIN][6:]).all()
    assert not np.allclose(some.outputs[AGAIN][6:], all_of_them.outputs[AGAIN][6:], atol=1e-6)


def test_the_table_does_not_depend_on_the_batch_or_the_run(job, tmp_path):
    first, looked = done(job, tmp_path, **GROUPS)
    again, _ = done(job, tmp_path, **GROUPS)
    _, other = done(job, tmp_path, batch=5, **GROUPS)

    assert first["sha256"] == again["sha256"]
    for version in (STORED, OTHERS, AGAIN):
        same = np.allclose(looked.outputs[version], other.outputs[version], 0, 1e-6, equal_nan=True)
        assert same, version
    assert np.allclose(looked.shift, other.shift, 0, 1e-5, equal_nan=True)


class OfBatch(torch.nn.Module):
    """Planted: batch normalisation without stored statistics; its twin normalises by groups."""

    def __init__(self, norm):
        super().__init__()
        torch.manual_seed(3)
        self.conv, self.head = torch.nn.Conv2d(1, 4, 3), torch.nn.Linear(4, 2)
        self.norm = norm

    def forward(self, image):
        return torch.softmax(self.head(torch.relu(self.norm(self.conv(image))).mean((2, 3))), 1)


@pytest.mark.parametrize(
    ("norm", "kind", "moves"),
    [
        (torch.nn.BatchNorm2d(4, track_running_stats=False), "batch", True),
        (torch.nn.GroupNorm(2, 4), "group", False),
        (torch.nn.InstanceNorm2d(4, affine=True), "instance", False),
    ],
)
def test_only_statistics_of_the_batch_let_an_answer_depend_on_others(
    norm, kind, moves, job, tmp_path
):
    exported(OfBatch(norm).eval(), (1, 8, 8), tmp_path / "m.pt2")
    job["model"]["path"] = str(tmp_path / "m.pt2")
    _, looked = done(job, tmp_path, **GROUPS)

    apart_by = np.abs(looked.outputs[STORED] - looked.outputs[OTHERS])[looked.ran].max()
    assert bool(apart_by > 1e-3) is moves
    assert [(one.kind, one.stored, one.kept) for one in looked.layers] == [(kind, False, 0)]
    assert looked.shift.shape == (12, 0)
    assert looked.used == {"A": 0, "B": 0}
    assert np.isnan(looked.outputs[AGAIN]).all()


def test_instance_statistics_that_are_stored_are_looked_at_too(job, tmp_path):
    norm = torch.nn.InstanceNorm2d(4, track_running_stats=True)
    exported(OfBatch(norm).eval(), (1, 8, 8), tmp_path / "m.pt2")
    job["model"]["path"] = str(tmp_path / "m.pt2")
    _, looked = done(job, tmp_path, **GROUPS)

    assert [(one.kind, one.stored, one.kept) for one in looked.layers] == [("instance", True, 4)]
    assert looked.used == {"A": 5, "B": 6}


def test_channels_of_a_wide_layer_are_drawn_by_the_seed(job, tmp_path):
    _, two = done(job, tmp_path, channels=2, **GROUPS)
    _, all_of_them = done(job, tmp_path, **GROUPS)

    assert (two.layers[0].channels, two.layers[0].kept) == (4, 2)
    columns = [
        at for at in range(4)
        if any(np.array_equal(all_of_them.shift[:, at], one, equal_nan=True) for one in two.shift.T)
    ]  # fmt: skip
    assert len(columns) == 2


def test_volumes_are_looked_at(tmp_path):
    module = OfVolumes().eval()
    program = read_pt2(exported(module, (1, 8, 6, 4), tmp_path / "v.pt2"))
    cases = torch.randn((5, 1, 8, 6, 4), generator=torch.Generator().manual_seed(1))
    _, _, again = counted(program, cases, [2, 3])

    with torch.no_grad():
        ours = Walker(again).run([cases])[again.outputs[0]]
        assert apart(ours, again_by_hand(module, cases)(cases)) <= 1e-4


def test_a_table_that_lies_is_not_believed(job, tmp_path):
    result, _ = done(job, tmp_path, **GROUPS)
    found = table((tmp_path / result["table"]).read_bytes())
    at = found.column_names.index("given")
    short = [None if one is None else one[:-4] for one in found["given"].to_pylist()]
    with pytest.raises(ValueError, match="other numbers than its layers"):
        normalised_of(found.set_column(at, "given", [short]), IDS)
    at = found.column_names.index("layers")
    broken = [None if one is None else b"[" for one in found["layers"].to_pylist()]
    with pytest.raises(ValueError, match="cannot be read"):
        normalised_of(found.set_column(at, "layers", [broken]), IDS)
    with pytest.raises(EvidenceError, match="not those that were asked for"):
        check_of(NORMALISE, PARAMS, 2)((tmp_path / result["table"]).read_bytes(), IDS[::-1])


# Its plan.


def catalogue(levels, **more):
    columns = {"site": levels, **more}
    cases = [
        {"case_id": f"c{at}", "covariates": {name: of[at] for name, of in columns.items()}}
        for at in range(len(levels))
    ]
    return {"covariates": list(columns), "cases": cases}


def test_groups_are_sites_else_the_first_subgroup_else_none():
    sexes = {"sex": ["f", "m", "f"]}

    assert column_of(catalogue(["a", "b", "a"], **sexes), Protocol()) == "site"
    assert column_of(catalogue(["a", "a", "a"], **sexes), Protocol()) == ""
    named = Protocol(subgroups=("age: 50", "sex"))
    assert column_of(catalogue(["a", "a", None], **sexes), named) == "sex"
    many = [str(at) for at in range(13)]
    assert column_of(catalogue(many), Protocol()) == ""
    both = catalogue(["a", "b", "a"], Scanner=["x", "y", "y"])
    assert column_of(both, Protocol()) == "site"


def test_groups_hold_the_drawn_cases_alone():
    levels = ["a", "b"] * 30 + [None]
    params = {"most_cases": 10, "cases_seed": 7}
    found = groups_of(catalogue(levels), Protocol(), params)["groups"]

    drawn = cases_of(params, [f"c{at}" for at in range(61)])
    assert found["column"] == "site"
    named = [case_id for level in found["cases"].values() for case_id in level]
    assert sorted(named) == sorted(one for one in drawn if one != "c60")
    assert json.loads(json.dumps(found)) == found


def test_the_pass_is_one_shard_of_drawn_cases_of_pictures_or_volumes():
    protocol = Protocol.parse({"checks": ["normalisation"], "limits": []})
    for pictures_too in (True, False):
        passes = plan(
            protocol, has_model=True, pictures=pictures_too, catalogue=catalogue(["a", "b"])
        )
        assert [one.name for one in passes] == ["predict", NORMALISE]
    params = passes[1].params
    assert params["groups"]["cases"] == {"a": ["c0"], "b": ["c1"]}
    assert params["most_cases"] == 200
    assert [len(one) for one in shards(IDS * 30, params)] == [360]
    assert [len(one) for one in shards(IDS * 30, passes[0].params)] == [50] * 7 + [10]
    assert [one.name for one in plan(protocol, has_model=True, walks=False)] == ["predict"]
