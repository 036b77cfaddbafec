"""Of a pass that is too dear for all cases, the seed draws some: the same in any order."""

import numpy as np
import pyarrow as pa
import pytest

from ml.engine.drawn_cases import cases_of
from ml.engine.plan import plan
from ml.evidence.passes import outputs_of
from ml.protocol import Protocol, ProtocolError

IDS = [f"c{at:03d}" for at in range(200)]


def asked(number, seed=1):
    return {"most_cases": number, "cases_seed": seed}


def test_the_order_of_the_cohort_draws_nothing_else():
    drawn = cases_of(asked(50), IDS)
    assert len(drawn) == 50
    assert drawn == sorted(drawn)
    assert set(cases_of(asked(50), IDS[::-1])) == set(drawn)


def test_more_cases_are_these_and_more():
    assert set(cases_of(asked(50), IDS)) < set(cases_of(asked(80), IDS))


def test_the_seed_draws_and_few_are_all():
    assert cases_of(asked(50, 2), IDS) != cases_of(asked(50, 1), IDS)
    assert cases_of(asked(200), IDS) == IDS
    assert cases_of({"batch": 8}, IDS) == IDS


def test_every_case_is_as_likely_as_any_other():
    counts = np.zeros(len(IDS))
    for seed in range(400):
        chosen = set(cases_of(asked(50, seed), IDS))
        counts += [one in chosen for one in IDS]
    # 400 draws at a quarter each: 100 with a standard deviation of 8.7.
    assert counts.min() > 100 - 5 * 8.7
    assert counts.max() < 100 + 5 * 8.7


def test_only_corruption_is_drawn_and_only_where_it_is_asked_for():
    protocol = Protocol.parse({"checks": ["discrimination", "stress"], "stress_cases": 30})
    params = {one.name: one.params for one in plan(protocol, has_model=True)}
    assert (params["corrupt"]["most_cases"], params["corrupt"]["cases_seed"]) == (30, protocol.seed)
    assert "most_cases" not in params["predict"]
    assert "corrupt" not in {one.name for one in plan(Protocol.default(), has_model=True)}


def test_moved_cases_have_a_number_of_their_own():
    protocol = Protocol.parse(
        {"checks": ["shift-consistency"], "shift_cases": 20, "legal_flips": ["left-right"]}
    )
    params = {one.name: one.params for one in plan(protocol, has_model=True)}
    assert (params["move"]["most_cases"], params["move"]["cases_seed"]) == (20, protocol.seed)
    assert params["move"]["moves"][-1] == "mirror-left-right"
    assert "move" not in {one.name for one in plan(Protocol.default(), has_model=True)}


@pytest.mark.parametrize("key", ["stress_cases", "attack_cases"])
@pytest.mark.parametrize("number", [5, 2_000_000, 20.5, "all"])
def test_a_number_of_cases_that_is_none_is_refused(key, number):
    with pytest.raises(ProtocolError, match=f"'{key}' must be"):
        Protocol.parse({key: number})


def test_attacked_cases_are_counted_by_themselves_and_kept_from_old_hashes():
    asked = {"checks": ["adversarial-lite", "stress"]}
    params = {one.name: one.params for one in plan(Protocol.parse(asked), has_model=True)}
    assert (params["attack"]["most_cases"], params["corrupt"]["most_cases"]) == (40, 100)
    assert "attack_cases" not in Protocol.default().to_json()
    assert Protocol.parse(asked | {"attack_cases": 40}).sha256 == Protocol.parse(asked).sha256
    more = Protocol.parse(asked | {"attack_cases": 60})
    assert more.to_json()["attack_cases"] == 60
    assert more.sha256 != Protocol.parse(asked).sha256


def test_cases_that_were_not_drawn_are_neither_answered_nor_failed():
    table = pa.table(
        {
            "case_id": ["b", "b", "d", "d"],
            "corruption": ["blur"] * 4,
            "severity": [1, 2] * 2,
            "output_0": [0.1, 0.2, 0.3, None],
            "error": [None, None, None, "unreadable"],
        }
    )
    found = outputs_of(table, ["a", "b", "c", "d"])
    assert found.ran.tolist() == [False, True, False, True]
    assert found.outputs[1, :, 0].tolist() == [0.1, 0.2]
    assert np.isnan(found.outputs[[0, 2]]).all()
    assert dict(found.failures) == {"d": "unreadable"}
    assert outputs_of(table, ["b", "d"]).ran is None


def catalogue(present):
    return {
        "positive": ["yes"],
        "cases": [
            {"case_id": one, "label": None if of is None else ("yes" if of else "no")}
            for one, of in zip(IDS, present, strict=True)
        ],
    }


def test_a_rare_finding_is_among_the_cases_whose_maps_are_tried():
    rare = [at % 20 == 0 for at in range(200)]  # ten of two hundred
    by_label = asked(40) | {"cases_by": "label"}
    with_it = {one for one, of in zip(IDS, rare, strict=True) if of}

    assert set(cases_of(by_label, IDS, catalogue(rare))) >= with_it, "all ten, and thirty others"
    assert len(cases_of(by_label, IDS, catalogue(rare))) == 40
    even = [at % 2 == 0 for at in range(200)]
    drawn = cases_of(by_label, IDS, catalogue(even))
    assert sum(even[IDS.index(one)] for one in drawn) == 20
    more = cases_of(asked(60) | {"cases_by": "label"}, IDS, catalogue(even))
    assert set(drawn) < set(more)
    assert cases_of(by_label, IDS, catalogue([None] * 200)) == cases_of(asked(40), IDS)
    assert cases_of(asked(40), IDS, catalogue(rare)) == cases_of(asked(40), IDS)


def test_the_pass_that_tries_maps_draws_by_label():
    rules = Protocol.parse({"checks": ["explanation-faithfulness", "stress"]})
    of = {one.name: one.params for one in plan(rules, has_model=True)}
    assert of["perturb"]["cases_by"] == "label"
    assert "cases_by" not in of["corrupt"]
