import json
import math

import numpy as np
import pytest

from ml.conformance import areas, run
from ml.conformance.__main__ import main
from ml.conformance.answer import NotOffered
from ml.conformance.compare import plain, same
from ml.estimate import Estimate


@pytest.fixture
def case_file(tmp_path):
    def write(expected, **more):
        document = {"id": "one", "area": "testing", "input": {"x": [1, None]}, **more}
        path = tmp_path / "one.json"
        path.write_text(json.dumps({**document, "expected": expected}))
        return path

    return write


@pytest.fixture
def answers(monkeypatch):
    own = {}
    monkeypatch.setitem(areas.ANSWERS, "testing", own)
    return own


@pytest.mark.parametrize(
    ("answer", "expected", "agree"),
    [
        (1.0000005, 1.0, True),
        (1.000002, 1.0, False),
        (None, 1.0, False),
        (0.0, None, False),
        (None, None, True),
        (True, 1, False),
        (1, True, False),
        ([1.0, 2.0], [1.0, 2.0], True),
        ([1.0], [1.0, 2.0], False),
        ([1.0, None], [1.0, None], True),
        ({"a": 1.0, "more": 5}, {"a": 1.0}, True),
        ({}, {"a": 1.0}, False),
        ("x", "x", True),
        (math.inf, math.inf, True),
        (1e300, math.inf, False),
        (2e9 + 1, 2e9, True),  # 1e-9 of the value is always granted
    ],
)
def test_same(answer, expected, agree):
    assert same(answer, expected, 1e-6) is agree


def test_plain_answers():
    assert plain(Estimate("a", 0.5)) == 0.5
    assert plain(np.array([1.0, np.nan])) == [1.0, None]
    assert plain({"a": (np.float64(2),)}) == {"a": [2.0]}


def test_each_state_and_the_count(case_file, answers, capsys):
    def refuses(case, params):
        raise NotOffered("no such convention")

    def breaks(case, params):
        raise ZeroDivisionError("x")

    answers |= {"right": lambda case, params: float(case.numbers("x")[0]),
                "wrong": lambda case, params: params["give"], "refuses": refuses,
                "breaks": breaks}  # fmt: skip
    path = case_file(
        [
            {"metric": "right", "params": {}, "value": 1.0, "tol": 1e-9},
            {"metric": "wrong", "params": {"give": 2}, "value": 1.0, "tol": 1e-9},
            {"metric": "refuses", "params": {}, "value": 1.0},
            {"metric": "breaks", "params": {}, "value": 1.0},
            {"metric": "unheard-of", "params": {}, "value": 1.0},
        ]
    )

    assert main([str(path)]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "reproduced 1 of 5, 2 differ, 2 not offered"
    assert "differs: one wrong (give=2): expected 1.0, got 2" in lines
    assert "not offered: one refuses [no such convention]" in lines
    assert any("ZeroDivisionError" in line for line in lines)


def test_the_wrong_value_of_a_popular_package_is_a_difference(case_file, answers):
    answers["m"] = lambda case, params: 0.875
    row = {"metric": "m", "params": {}, "value": 0.875, "tol": 1e-6, "known_wrong_value": 0.875}

    assert main([str(case_file([row]))]) == 1


def test_all_reproduced_is_the_only_success(case_file, answers, capsys):
    answers["m"] = lambda case, params: 1.0
    path = case_file([{"metric": "m", "params": {}, "value": 1.0, "tol": 1e-6}])

    assert main([str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["state"] == run.REPRODUCED


@pytest.mark.parametrize("text", ["{}", "no json"])
def test_what_is_no_case_is_said(tmp_path, text, capsys):
    (tmp_path / "bad.json").write_text(text)

    assert main([str(tmp_path)]) == 2
    assert "Not read" in capsys.readouterr().err


def test_a_folder_without_cases_is_no_success(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert main([str(tmp_path / "missing")]) == 2
