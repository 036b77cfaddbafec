"""Several answers to corrupted copies: those of the sampler, on the copies of the corrupt pass."""

from dataclasses import replace

import numpy as np
import pytest

from ml.beside import wanting
from ml.checks import all_checks
from ml.corruptions import corruption
from ml.engine.cases import Case, prepare_case
from ml.engine.copies import each_copy
from ml.engine.corrupt import corrupt_job
from ml.engine.corrupt_samples import corrupt_samples_job
from ml.engine.cost import Sizes
from ml.engine.dropout_session import open_dropout
from ml.engine.passes import PASSES, check_of, cost_of, most_bytes_of
from ml.engine.plan import plan
from ml.engine.requested_form import CORRUPT_SAMPLES, sampled_versions
from ml.engine.samples import samples_job
from ml.evidence.passes import outputs_of
from ml.evidence.sampled_copies import sampled_copies_of
from ml.evidence.store import EvidenceError, table, write_table
from ml.intake.model_manifest import ModelManifest
from ml.protocol import Protocol, ProtocolError
from ml.scores import activated
from tests.ml.engine.small import stored_noise
from tests.ml.intake.build import QUIET
from tests.ml.intake.ensembles import ensemble_folder
from tests.ml.intake.exported import DOUBTFUL, doubtful
from tests.ml.intake.test_model import read

IDS = ["c0", "gone", "c1"]
NAMES = ["gaussian-noise", "gamma"]
DRAWN = {"kind": "dropout", "samples": 5, "seed": 3}


@pytest.fixture
def cases(tmp_path):
    return stored_noise(tmp_path, IDS)


def job(cases, manifest=DOUBTFUL, path=None, sampled=DRAWN, **changes):
    model = {"path": str(path or doubtful()), "manifest": manifest}
    params = PASSES[CORRUPT_SAMPLES].params | {"corruptions": NAMES, "sampled": sampled}
    return {"model": model, "cases": cases, "threads": 1, "device": "cpu", **params, **changes}


def left(asked, tmp_path):
    result = corrupt_samples_job(asked, tmp_path, QUIET)
    data = (tmp_path / result["table"]).read_bytes()
    check_of(CORRUPT_SAMPLES, asked, 2)(data, [one["case_id"] for one in asked["cases"]])
    assert len(data) < most_bytes_of(CORRUPT_SAMPLES, asked, 2, len(asked["cases"]))
    return result, data


def test_each_copy_is_answered_as_its_sampler_answers_it(cases, tmp_path):
    result, data = left(job(cases), tmp_path)
    found = sampled_copies_of(table(data), IDS)

    assert found.outputs.shape == (3, 11, 5, 2)
    assert found.keys["corruption"][:2] == ("none", "gaussian-noise")
    assert found.keys["severity"] == (0, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5)
    assert np.isnan(found.outputs[1]).all()
    assert found.failures == {"gone": "no_image"}
    assert result["failed"] == 1
    assert result["runtime"]["dropout_sites"] == 2
    # The image as it is: what the samples pass leaves with this number and seed.
    asked = {**job(cases), **DRAWN}
    plain = samples_job(asked, tmp_path, QUIET)
    rows = [one for one in table((tmp_path / plain["table"]).read_bytes()).to_pylist()
            if one["case_id"] == "c1"]  # fmt: skip
    own = np.array([[one["output_0"], one["output_1"]] for one in rows])
    assert found.outputs[2, 0] == pytest.approx(own, abs=1e-5)
    # A copy: the same masks on the copy that the corrupt pass makes.
    declared = ModelManifest.model_validate(DOUBTFUL).input
    case = Case("c1", (tmp_path / "c1.png",))
    array = np.empty((1, *declared.shape), np.float32)
    prepare_case(case, declared, array[0])
    wanted = [(corruption("gamma"), 4)]
    (copy,) = each_copy([case], array, declared, wanted, PASSES[CORRUPT_SAMPLES].params["seed"])
    session = open_dropout(
        doubtful(), ModelManifest.model_validate(DOUBTFUL), samples=5, seed=3
    )  # fmt: skip
    expected = session.sample(copy, ["c1"])[:, 0]
    assert found.outputs[2, 9] == pytest.approx(expected, abs=1e-5)
    assert np.abs(expected - own).max() > 1e-3
    assert found.outputs[2, 9].std(axis=0).min() > 1e-3


def test_the_mean_of_members_is_what_the_corrupt_pass_leaves(cases, tmp_path):
    model = read(ensemble_folder(tmp_path / "m"), tmp_path)
    path = tmp_path / "out" / "files" / model["sha256"]
    asked = job(cases, model["manifest"], path, {"kind": "members", "samples": 3})

    _, data = left(asked, tmp_path)

    found = sampled_copies_of(table(data), IDS)
    assert found.outputs.shape == (3, 11, 3, 2)
    declared = ModelManifest.model_validate(model["manifest"]).output
    mean = activated(found.outputs, declared).mean(axis=2)
    theirs = corrupt_job({**asked, "seed": PASSES["corrupt"].params["seed"]}, tmp_path, QUIET)
    alone = outputs_of(table((tmp_path / theirs["table"]).read_bytes()), IDS).outputs
    assert mean[[0, 2], 1:] == pytest.approx(activated(alone, declared)[[0, 2]], abs=1e-6)


def test_a_shard_says_what_the_whole_says_and_cases_that_were_not_run_take_no_room(cases, tmp_path):
    _, whole = left(job(cases), tmp_path)
    _, part = left(job(cases[2:]), tmp_path)

    both, one = sampled_copies_of(table(whole), IDS), sampled_copies_of(table(part), IDS)

    assert one.outputs[0] == pytest.approx(both.outputs[2], abs=1e-5)
    assert one.place.tolist() == [-1, -1, 0]
    told = replace(one, score=one.outputs[..., 1])
    assert np.isnan(told.scores_of(np.array([0, 1]), 3)).all()
    assert told.scores_of(np.array([1, 2]), 3)[1] == pytest.approx(one.outputs[0, 3, :, 1])


def test_a_table_that_lies_is_refused(cases, tmp_path):
    asked = job(cases)
    _, data = left(asked, tmp_path)
    honest = table(data)

    def refused(changed, match, of=asked):
        write_table(changed, tmp_path / "lie")
        with pytest.raises(EvidenceError, match=match):
            check_of(CORRUPT_SAMPLES, of, 2)((tmp_path / "lie").read_bytes(), IDS)

    def put(name, at, value):
        values = honest[name].to_pylist()
        values[at] = value
        place = honest.column_names.index(name)
        return honest.set_column(place, name, [values])

    refused(honest.slice(0, 22), "22 rows")
    refused(put("severity", 1, 2), "its column severity")
    refused(put("corruption", 0, "gamma"), "its column corruption")
    refused(put("draws", 0, 4), "sides of its maps")
    refused(honest, "its columns are not", {**asked, "sampled": {**DRAWN, "samples": 2}})


def planned(protocol, samples, **more):
    checks = wanting(all_checks(), foreign=False)
    passes = plan(protocol, checks, has_model=True, samples=samples, **more)
    return {one.name: one.params for one in passes}


def test_it_is_planned_where_the_protocol_asks_and_the_model_can():
    members = {"kind": "members", "samples": 3}
    dropout = {"kind": "dropout", "samples": 30, "seed": 7}
    base = {"checks": ["stress"], "limits": [], "corruptions": ["gamma"], "stress_cases": 20}
    asked = Protocol.parse({**base, "stress_samples": 10})

    params = planned(asked, dropout)[CORRUPT_SAMPLES]
    assert params["sampled"] == {"kind": "dropout", "samples": 10, "seed": 7}
    assert (params["corruptions"], params["most_cases"]) == (["gamma"], 20)
    beside = planned(asked, dropout)["corrupt"]
    assert {name: params[name] for name in ("seed", "cases_seed")} == {
        name: beside[name] for name in ("seed", "cases_seed")
    }
    assert planned(asked, members)[CORRUPT_SAMPLES]["sampled"] == members
    assert CORRUPT_SAMPLES not in planned(asked, None)
    assert CORRUPT_SAMPLES not in planned(Protocol.parse(base), dropout)
    assert planned(asked, dropout, pictures=False)[CORRUPT_SAMPLES] == params
    other = Protocol.parse({"checks": ["calibration"], "stress_samples": 10})
    assert CORRUPT_SAMPLES not in planned(other, dropout)


def test_its_cost_is_declared():
    dropout = {"corruptions": NAMES, "sampled": {"kind": "dropout", "samples": 10, "seed": 1}}
    members = {"corruptions": NAMES, "sampled": {"kind": "members", "samples": 3}}

    assert len(sampled_versions(dropout)) == 11
    assert cost_of(CORRUPT_SAMPLES, dropout, Sizes()).forwards == 110
    assert cost_of(CORRUPT_SAMPLES, members, Sizes()).forwards == 11, "all members are one forward"
    assert cost_of(CORRUPT_SAMPLES, dropout, Sizes()).bytes == 11 * (64 + 4 * 10 * 2)


@pytest.mark.parametrize("wrong", [0, 3, 201, "many", True])
def test_the_number_of_samples_is_bounded(wrong):
    with pytest.raises(ProtocolError, match="stress_samples"):
        Protocol.parse({"stress_samples": wrong})
