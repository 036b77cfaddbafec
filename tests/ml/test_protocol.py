import pytest

from ml.limits import REQUESTED_LIMITS
from ml.protocol import DEFAULT_CHECKS, Protocol, ProtocolError, subgroup_parts

LIMIT = {
    "check": "discrimination",
    "measure": "auroc",
    "value": 0.9,
    "direction": "min",
    "origin": "pre-registered",
    "reference": "Statistical analysis plan, section 4.",
}


def test_default_says_so():
    protocol = Protocol.default()

    assert protocol.is_default
    assert protocol.checks == DEFAULT_CHECKS
    assert protocol.limit("discrimination", "auroc").origin == "platform-default"
    assert protocol.limit("agreement", "alpha").origin == "literature"
    assert all(limit.reference for limit in protocol.limits)
    assert (protocol.seed, protocol.level, protocol.draws) == (20261123, 0.95, 2000)


def test_parse_takes_what_is_written():
    protocol = Protocol.parse(
        {
            "title": "Brain MR triage",
            "checks": ["discrimination", "calibration"],
            "limits": [LIMIT],
            "operating_point": 0.3,
            "prevalence": 0.05,
            "subgroups": ["sex"],
            "seed": 7,
            "level": 0.9,
            "draws": 500,
        }
    )

    assert protocol.checks == ("discrimination", "calibration")
    assert protocol.limit("discrimination", "auroc").to_json() == LIMIT
    assert (protocol.operating_point, protocol.prevalence, protocol.seed) == (0.3, 0.05, 7)
    assert not protocol.is_default


def test_what_is_left_out_takes_the_default():
    assert Protocol.parse({}).limits == Protocol.default().limits
    assert Protocol.parse({"limits": []}).limits == ()


def test_reads_back_what_it_writes():
    protocol = Protocol.parse({"limits": [LIMIT], "operating_point": "triage", "title": "T"})
    written = {key: value for key, value in protocol.to_json().items() if key != "is_default"}

    again = Protocol.parse(written)

    assert again == protocol
    assert again.sha256 == protocol.sha256


def test_hash_is_of_what_changes_a_result():
    one = Protocol.parse({"title": "One"})

    assert len(one.sha256) == 64
    assert one.sha256 == Protocol.parse({"title": "Two"}).sha256 == Protocol.default().sha256
    assert one.sha256 != Protocol.parse({"seed": 1}).sha256
    assert one.sha256 != Protocol.parse({"limits": [LIMIT]}).sha256


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        ({"limit": []}, "unknown keys: limit"),
        ({"checks": []}, "at least one"),
        ({"checks": ["Discrimination"]}, "not a check id"),
        ({"checks": ["a", "a"]}, "twice"),
        ({"checks": "discrimination"}, "list of names"),
        ({"seed": 1.5}, "whole number"),
        ({"seed": True}, "whole number"),
        ({"draws": 10}, "whole number from 200"),
        ({"level": 95}, "between 0 and 1"),
        ({"level": 0.1}, "at least 0.5"),
        ({"prevalence": 0}, "between 0 and 1"),
        ({"prevalence": float("nan")}, "between 0 and 1"),
        ({"operating_point": 1.5}, "threshold from 0 to 1"),
        ({"limits": {}}, "must be a list"),
        ({"limits": ["auroc"]}, "must hold check"),
        ({"limits": [LIMIT | {"value": "0.9"}]}, "no number"),
        ({"limits": [LIMIT | {"direction": ">="}]}, "min or max"),
        ({"limits": [LIMIT | {"origin": "me"}]}, "say its origin"),
        ({"limits": [LIMIT | {"measure": ""}]}, "names no measure"),
        ({"limits": [LIMIT | {"colour": "red"}]}, "unknown keys: colour"),
        ({"limits": [LIMIT, LIMIT | {"value": 0.8}]}, "Two limits"),
        ({"title": 3}, "must be text"),
        ({"legal_flips": ["sideways"]}, "takes left-right and up-down, got sideways"),
        ({"legal_flips": "left-right"}, "list of names"),
        ({"shift_cases": 9}, "'shift_cases' must be a whole number from 10"),
        ({"corruptions": ["fog"]}, "no corruption called fog. Known are: gaussian-noise"),
        ({"corruptions": []}, "'corruptions' is empty"),
        ({"corruptions": "gamma"}, "list of names"),
        ({"corruptions": ["gamma", "gamma"]}, "twice"),
    ],
)
def test_refuses(mapping, problem):
    with pytest.raises(ProtocolError, match=problem):
        Protocol.parse(mapping)


def test_chosen_corruptions_are_kept_and_change_the_hash_and_none_chosen_changes_nothing():
    chosen = Protocol.parse({"corruptions": ["gamma", "mr-motion"]})

    assert chosen.corruptions == ("gamma", "mr-motion")
    again = {key: value for key, value in chosen.to_json().items() if key != "is_default"}
    assert Protocol.parse(again).sha256 == chosen.sha256
    assert chosen.sha256 != Protocol.parse({"corruptions": ["gamma"]}).sha256
    assert "corruptions" not in Protocol.default().to_json()


def test_every_problem_is_told_at_once():
    with pytest.raises(ProtocolError) as refused:
        Protocol.parse({"seed": -1, "level": 2, "prevalence": 3})

    assert len(refused.value.problems) == 3


def test_what_a_check_on_request_must_hold_is_asked_where_it_is_named():
    """And of no other protocol: those that were written down before it keep their hash."""
    named = Protocol.parse(
        {"checks": ["stress", "shift-consistency", "explanation-faithfulness",
                    "explanation-sanity"]}
    )  # fmt: skip

    asked = [one for one in REQUESTED_LIMITS if one.check in named.checks]
    assert named.limits == (*Protocol.default().limits, *asked)
    assert {one.check for one in REQUESTED_LIMITS} > set(named.checks), "of others there are some"
    assert named.limit("shift-consistency", "flip_rate").origin == "platform-default"
    assert named.limit("shift-consistency", "mask_agreement").direction == "min"
    assert named.limit("stress", "dice_loss").origin == "platform-default"
    of_stress = tuple(one for one in REQUESTED_LIMITS if one.check == "stress")
    assert Protocol.parse({"checks": ["stress"]}).limits == (*Protocol.default().limits, *of_stress)
    assert Protocol.parse({"checks": ["segmentation"]}).limits == Protocol.default().limits
    assert Protocol.parse({"checks": ["shift-consistency"], "limits": []}).limits == ()
    assert Protocol.parse(_written(named)) == named


def test_legal_flips_and_cases_of_moves_read_back_and_change_the_hash():
    plain = Protocol.parse({})
    one = Protocol.parse({"legal_flips": ["up-down", "left-right"], "shift_cases": 30})

    assert (plain.legal_flips, plain.shift_cases) == ((), 100)
    assert (one.legal_flips, one.shift_cases) == (("left-right", "up-down"), 30)
    assert Protocol.parse(_written(one)) == one
    assert not {"legal_flips", "shift_cases"} & set(plain.to_json())
    hashes = {
        Protocol.parse(given).sha256
        for given in ({}, {"shift_cases": 30}, {"legal_flips": ["up-down"]},
                      {"legal_flips": ["left-right"]}, {"stress_cases": 30})
    }  # fmt: skip
    assert len(hashes) == 5


def test_what_costs_more_is_asked_for_and_what_is_not_asked_for_leaves_no_trace():
    plain = Protocol.parse({})
    asked = Protocol.parse({"stress_samples": 10, "gradient_scores": True, "keep_maps": True})

    assert (plain.stress_samples, plain.gradient_scores) == (0, False)
    assert Protocol.parse(_written(asked)) == asked
    assert plain.keep_maps is False
    assert not {"stress_samples", "gradient_scores", "keep_maps"} & set(plain.to_json())
    assert Protocol.parse({"gradient_scores": False}).sha256 == plain.sha256
    each = ({"stress_samples": 10}, {"gradient_scores": True}, {"stress_samples": 11})
    each += ({"keep_maps": True},)
    assert len({plain.sha256, *(Protocol.parse(one).sha256 for one in each)}) == 5
    for wrong in ("yes", 1, 0.5):
        with pytest.raises(ProtocolError, match="must be true or false"):
            Protocol.parse({"gradient_scores": wrong})


def _written(protocol):
    return {key: value for key, value in protocol.to_json().items() if key != "is_default"}


def test_subgroups_with_cuts_read_back():
    protocol = Protocol.parse({"subgroups": ["sex", {"age": [50, 65]}, "width: 2.5"]})

    assert protocol.subgroups == ("sex", "age: 50, 65", "width: 2.5")
    assert [subgroup_parts(text) for text in protocol.subgroups] == [
        ("sex", ()), ("age", (50.0, 65.0)), ("width", (2.5,)),
    ]  # fmt: skip
    again = Protocol.parse({"subgroups": protocol.to_json()["subgroups"]})
    assert again.subgroups == protocol.subgroups


@pytest.mark.parametrize(
    "subgroups",
    ["sex", [3], [""], [{"age": 50}], [{"age": [65, 50]}], [{"age": []}], ["age: x"],
     [{"age": [1], "sex": [2]}], ["age: nan, 1"]],
)  # fmt: skip
def test_subgroups_that_cannot_be_read(subgroups):
    with pytest.raises(ProtocolError, match="'subgroups' must be a list of covariates"):
        Protocol.parse({"subgroups": subgroups})


def test_a_covariate_twice():
    with pytest.raises(ProtocolError, match="names something twice: age, age"):
        Protocol.parse({"subgroups": ["age", {"age": [50]}]})


def test_decision_thresholds():
    protocol = Protocol.parse({"decision_thresholds": [0.05, 0.3]})

    assert protocol.decision_thresholds == (0.05, 0.3)
    assert Protocol.parse({"decision_thresholds": [0.05, 0.3]}).sha256 == protocol.sha256
    assert protocol.sha256 != Protocol.parse({}).sha256
    # A protocol that says nothing of it keeps the hash it had before the key existed.
    assert "decision_thresholds" not in Protocol.parse({}).to_json()


@pytest.mark.parametrize("given", [0.3, [0.3], [0.3, 0.1], [0, 0.5], [0.2, 1], ["a", 0.5]])
def test_decision_thresholds_that_are_no_range(given):
    with pytest.raises(ProtocolError, match="two rising numbers between 0 and 1"):
        Protocol.parse({"decision_thresholds": given})


def test_which_maps_are_tried_changes_the_hash_only_where_it_is_said():
    plain = Protocol.parse({})
    asked = {"explanation_methods": ["gradient", "grad-cam"], "explanation_steps": 20}
    chosen = Protocol.parse(asked)

    assert Protocol.parse({"explanation_methods": ["grad-cam"]}).sha256 == plain.sha256
    assert "explanation_methods" not in plain.to_json()
    assert chosen.explanation_methods == ("gradient", "grad-cam")
    again = {key: value for key, value in chosen.to_json().items() if key != "is_default"}
    assert Protocol.parse(again) == chosen
    assert chosen.sha256 != Protocol.parse(asked | {"explanation_steps": 19}).sha256
    swapped = asked | {"explanation_methods": ["grad-cam", "gradient"]}
    assert chosen.sha256 != Protocol.parse(swapped).sha256


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"explanation_methods": ["lime"]}, "no map called lime"),
        ({"explanation_methods": []}, "is empty"),
        ({"explanation_methods": ["gradient", "gradient"]}, "twice"),
        ({"explanation_methods": "gradient"}, "must be a list"),
        ({"explanation_steps": 3}, "from 4 to 50"),
    ],
)
def test_maps_that_cannot_be_tried_are_refused(given, problem):
    with pytest.raises(ProtocolError, match=problem):
        Protocol.parse(given)
