"""When samples are planned, and what their evidence depends on."""

from dataclasses import replace

import pytest

from ml.engine.plan import PREDICT, SAMPLES, key_of_shard, plan
from ml.engine.sampling import samples_params
from ml.protocol import Protocol

ENSEMBLE = {"format": "ensemble", "members": ["a", "b", "c"]}
DROPOUT = {"format": "pt2", "dropout": "allowed"}
WORKS = {"sampling": {"works": True, "reason": "", "seconds_per_case": 0.5}}


def planned(protocol, manifest, card):
    return plan(protocol, has_model=True, samples=samples_params(protocol, manifest, card))


@pytest.mark.parametrize(("manifest", "card"), [(ENSEMBLE, {}), (DROPOUT, WORKS)])
def test_samples_are_planned_where_a_check_wants_them_and_the_model_gives_them(manifest, card):
    names = [one.name for one in planned(Protocol.default(), manifest, card)]
    unasked = Protocol.parse({"checks": ["discrimination"], "limits": []})

    assert names == [PREDICT, SAMPLES]
    assert [one.name for one in planned(unasked, manifest, card)] == [PREDICT]
    assert [one.name for one in planned(Protocol.default(), DROPOUT, {})] == [PREDICT]
    params = samples_params(Protocol.default(), manifest, card)
    assert plan(Protocol.default(), has_model=True, has_images=False, samples=params) == ()


def test_seed_and_number_are_of_the_key_of_dropout_and_of_no_ensembles():
    def keys(manifest, card):
        return {
            key_of_shard(
                planned(replace(Protocol.default(), **changes), manifest, card)[1],
                model_sha256="m", manifest_sha256="n", shard=("a",), images={"a": ["i"]},
            )
            for changes in ({}, {"seed": 7}, {"dropout_samples": 50})
        }  # fmt: skip

    assert len(keys(DROPOUT, WORKS)) == 3
    assert len(keys(ENSEMBLE, {})) == 1
