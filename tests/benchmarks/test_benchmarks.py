"""Every benchmark runs and its two sides agree. How fast they are is not tested."""

import json

import pytest

from benchmarks.__main__ import GROUPS


@pytest.mark.parametrize("name", GROUPS)
def test_answers_agree(name, monkeypatch):
    monkeypatch.setattr("benchmarks.audit.CASES", 24)
    for result in GROUPS[name]():
        line = json.loads(result.json())
        assert line["agree"] is True
        assert line["ratio"] == pytest.approx(line["peer"] / line["ours"])
