from pathlib import Path

import pytest

from ml.checks import all_checks
from ml.engine.plan import (
    SHARD_CASES,
    images_by_case,
    job_of_shard,
    key_of_shard,
    limits_of,
    plan,
    shards,
)
from ml.engine.runtime import engine_block
from ml.protocol import Protocol

DEFAULT = Protocol.default()


@pytest.mark.parametrize(
    ("model", "images", "names"),
    [(True, True, ["predict"]), (True, False, []), (False, True, []), (False, False, [])],
)
def test_a_pass_needs_a_model_and_images(model, images, names):
    planned = plan(DEFAULT, all_checks(), has_model=model, has_images=images)

    assert [item.name for item in planned] == names


def test_nothing_is_planned_that_no_check_asks_for():
    assert plan(DEFAULT, [], has_model=True) == ()


def test_shards_keep_the_order_and_hold_fifty():
    case_ids = [f"c{n}" for n in range(120)]

    cut = shards(case_ids)

    assert [len(shard) for shard in cut] == [SHARD_CASES, SHARD_CASES, 20]
    assert [case_id for shard in cut for case_id in shard] == case_ids
    assert shards([]) == []


def test_key_and_job_of_a_shard():
    (planned,) = plan(DEFAULT, has_model=True)
    catalogue = {
        "cases": [{"case_id": "a", "images": [{"sha256": "x"}]}, {"case_id": "b", "images": []}]
    }
    images = images_by_case(catalogue)
    hashes = {"model_sha256": "m", "manifest_sha256": "f"}

    job = job_of_shard(
        planned,
        model_path=Path("w"),
        manifest={"name": "n"},
        shard=("a", "b"),
        images={"a": [Path("f/x")], "b": []},
        out_dir=Path("out"),
        threads=2,
    )

    assert images == {"a": ["x"], "b": []}
    assert job.kind == "predict"
    assert job.inputs["cases"] == [
        {"case_id": "a", "images": ["f/x"]},
        {"case_id": "b", "images": []},
    ]
    assert (job.inputs["batch"], job.inputs["threads"], job.inputs["device"]) == (8, 2, "cpu")
    one = key_of_shard(planned, **hashes, shard=("a",), images=images)
    assert one != key_of_shard(planned, **hashes, shard=("a", "b"), images=images)


def test_a_gpu_has_no_limit_on_address_space():
    assert limits_of("predict").memory_bytes
    assert limits_of("predict", device="cuda").memory_bytes is None
    assert limits_of("intake-cohort").memory_bytes


def test_the_engine_block_names_versions():
    block = engine_block({"device": "cpu", "providers": ["CPUExecutionProvider"]})

    assert block["version"]
    assert {"numpy", "onnxruntime", "pillow", "pyarrow", "pydicom"} <= set(block["packages"])
    assert engine_block(None)["device"] is None
