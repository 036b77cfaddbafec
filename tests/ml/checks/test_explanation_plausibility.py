"""Cases in which nothing can be measured are listed apart; another mask is other evidence."""

from dataclasses import replace

import numpy as np

from ml.checks.explanation_plausibility import explanation_plausibility
from ml.engine.localise_form import PARAMS, localise_rows
from ml.engine.plan import PassPlan, key_of_shard
from ml.evidence.localised import AREA, MARKED, MEASURES, NUMBERS, POSITIVE, Localised
from ml.protocol import Protocol

ASKED = Protocol.parse({"checks": ["explanation-plausibility"], "limits": [], "draws": 200})
STATES = {  # by case: marked, area, positive evidence, label, score
    "found": (9, 0.25, 1, 1, 0.9),
    "found too": (9, 0.25, 1, 1, 0.8),
    "missed": (9, 0.25, 1, 1, 0.1),
    "no evidence": (9, 0.25, 0, 1, 0.9),
    "empty": (0, 0.0, 1, 1, 0.9),
    "vanished": (1, 0.0, 1, 1, 0.9),
    "covered": (64, 1.0, 1, 1, 0.9),
    "absent": (9, 0.25, 1, 0, 0.9),
    "no label": (9, 0.25, 1, -1, 0.9),
    "no mask": (np.nan, np.nan, np.nan, 1, 0.9),
}


def test_every_state_lists_its_cases_and_is_in_no_mean(make_evidence):
    marked, area, positive, present, score = map(np.array, zip(*STATES.values(), strict=True))
    pairs = tuple(localise_rows(PARAMS))
    own = {MARKED: marked, AREA: area, POSITIVE: positive}
    usable = (area > 0) & (area < 1) & (positive > 0)
    own |= {name: np.where(usable, 0.5, np.nan) for name in MEASURES}
    numbers = {
        name: np.tile(own.get(name, np.ones(len(STATES)))[:, None].astype(float), len(pairs))
        for name in NUMBERS
    }
    evidence = replace(
        make_evidence(score, present), case_ids=tuple(STATES),
        localisations=Localised(pairs, numbers),
    )  # fmt: skip

    found = explanation_plausibility(evidence, ASKED)

    listed = {one.id.partition(".")[2]: one.cases for one in found.findings}
    assert {name: listed.get(name) for name in (
        "no-positive-evidence", "empty-masks", "vanished-masks", "covered",
        "marked-though-absent", "without-answer",
    )} == {
        "no-positive-evidence": ("no evidence",), "empty-masks": ("empty",),
        "vanished-masks": ("vanished",), "covered": ("covered",),
        "marked-though-absent": ("absent",), "without-answer": ("no label",),
    }  # fmt: skip
    sizes = {one.id: one.n for one in found.estimates}
    assert sizes["relevance_mass"] == 2
    assert sizes["relevance_mass:missed findings"] == 1


def test_another_mask_is_other_evidence():
    def key(masks):
        return key_of_shard(
            PassPlan("localise", PARAMS), model_sha256="m", manifest_sha256="y", shard=("a", "b"),
            images={"a": ["1"], "b": ["2"]}, masks=masks,
        )  # fmt: skip

    keys = [
        key(None),
        key({"a": {"reference": "x"}}),
        key({"a": {"reference": "z"}}),
        key({"b": {"reference": "x"}}),
        key({"a": {"reader:anna": "x"}}),
    ]
    assert len(set(keys)) == len(keys)
