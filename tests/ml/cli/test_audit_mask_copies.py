"""Copies of pictures are marked from folders to the document: what was planted is found there."""

import json

import pytest

from ml.cli import shards
from ml.cli.errors import DONE, LIMIT_FAILED
from ml.zoo import marks
from tests.ml.cli.test_audit_passes import Here, audit

PROTOCOL = (
    "checks: [stress, shift-consistency]\ndraws: 200\nstress_cases: 30\nshift_cases: 30\n"
    "corruptions: [gaussian-noise]\n"
)


@pytest.mark.parametrize(
    ("flaw", "code", "states"),
    [("", DONE, ["pass", "pass"]), ("pixels", LIMIT_FAILED, ["fail", None]),
     ("blocks", LIMIT_FAILED, [None, "fail"])],
)  # fmt: skip
def test_each_flaw_fails_the_check_that_it_was_planted_for(
    flaw, code, states, tmp_path, monkeypatch
):
    monkeypatch.setattr(shards, "WarmChild", Here)
    marks.model_folder(tmp_path / "model", flaw=flaw)
    marks.cohort_folder(tmp_path / "cohort", n=40)
    (tmp_path / "protocol.yaml").write_text(PROTOCOL)

    assert audit(tmp_path) == code

    document = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert document["cohort"]["simulated"]
    found = {check["id"]: check for check in document["checks"]}
    for name, state in zip(("stress", "shift-consistency"), states, strict=True):
        assert state in (None, found[name]["state"]), found[name]["summary"]
    limits = {one["measure"] for one in document["protocol"]["limits"] if one["check"] in found}
    assert {"dice_loss", "mask_agreement"} < limits
    borne = {one["id"]: one for one in found["stress"]["measures"]}
    assert borne["severity_borne:gaussian-noise"]["n"] == 25
    assert "1 of 11 corruptions, chosen by the protocol" in found["stress"]["series"][0]["subtitle"]
