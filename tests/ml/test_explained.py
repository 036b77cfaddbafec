"""What a report keeps of maps and curves, case by case."""

import numpy as np

from ml import explained
from ml.evidence.passes import CaseMaps, CaseOutputs
from ml.explained import drawn_maps, removal_curves

IDS = ("a", "b", "c", "d")


def maps(values):
    found = np.asarray(values, np.float32)
    score = np.arange(len(found), dtype=float)[:, None]
    return CaseMaps({}, found[:, None], score, score * np.nan)


def test_a_broken_map_is_left_out_and_raw_values_are_kept():
    found = np.zeros((4, 2, 2))
    found[0] = [[-2.5, 1.0], [0.0, 3.25]]
    found[1, 0, 0] = np.nan
    made = drawn_maps(maps(found), IDS, "grad-cam", (8, 8))

    assert list(made) == ["a", "c", "d"]
    one = made["a"]["grad-cam"]
    assert (one.low, one.high, one.score) == (-2.5, 3.25, 0.0)
    assert one.own.startswith(b"\x89PNG")


def test_cases_with_curves_come_first_where_not_all_are_drawn(monkeypatch):
    monkeypatch.setattr(explained, "MOST_CASES", 2)
    made = drawn_maps(maps(np.ones((4, 2, 2))), IDS, "grad-cam", (4, 4), first={"d"})
    assert list(made) == ["d", "a"]


def test_curves_are_put_in_order_of_their_steps_whatever_the_table_says():
    rows = [("mean", "lerf", 1), ("mean", "morf", 1), ("mean", "lerf", 0), ("mean", "morf", 0),
            ("mean", "random subset-20", 1)]  # fmt: skip
    keys = dict(zip(("baseline", "order", "step"), zip(*rows, strict=True), strict=True))
    score = np.array(
        [[0.7, 0.2, 0.9, 0.9, 0.5], [np.nan] * 5, [0.6, np.nan, 0.8, 0.8, 0.5], [0.1] * 5]
    )
    ran = np.array([True, True, True, False])
    found = CaseOutputs(keys, score[..., None], ran=ran, score=score)
    curves = removal_curves(found, IDS)

    assert curves == {
        "a": {"mean": {"lerf": [0.9, 0.7], "morf": [0.9, 0.2]}},
        "c": {"mean": {"lerf": [0.8, 0.6], "morf": [0.8, None]}},
    }
    assert removal_curves(CaseOutputs(keys, score[..., None]), IDS) == {}
