"""The two checks of masks, on comparisons written by hand."""

from dataclasses import replace

import numpy as np
import pytest

from ml.checks.registry import State
from ml.checks.segmentation import segmentation
from ml.checks.segmentation_panel import segmentation_panel
from ml.engine.compare import MEASURES
from ml.evidence.tables import MaskComparisons
from ml.protocol import Protocol

N = 24


@pytest.fixture
def evidence_of(make_evidence):
    """rows: (case, a, b, dice, voxels_a, voxels_b)."""

    def build(rows, *, structures=("lesion",), structure=None, failures=None, in_mm=True):
        columns = {name: np.full(len(rows), np.nan) for name in MEASURES}
        for at, (_, _, _, dice, voxels_a, voxels_b) in enumerate(rows):
            columns["dice"][at] = columns["iou"][at] = columns["surface_dice"][at] = dice
            columns["hd95"][at] = columns["assd"][at] = 10 * (1 - dice)
            columns["voxels_a"][at] = columns["volume_a"][at] = voxels_a
            columns["voxels_b"][at] = columns["volume_b"][at] = voxels_b
        masks = MaskComparisons(
            structures, ("a", "b", "c"), False,
            np.array([row[0] for row in rows], dtype=np.int64),
            np.zeros(len(rows), dtype=np.int64) if structure is None else np.array(structure),
            [row[1] for row in rows], [row[2] for row in rows], columns, 2.0, in_mm,
            failures or {},
        )  # fmt: skip
        return replace(make_evidence(n=N), masks=masks)

    return build


def against_reference(dice):
    return [(at, "model", "reference", value, 90, 100) for at, value in enumerate(dice)]


def measures(result):
    return {estimate.id: estimate for estimate in result.estimates}


def test_means_over_cases_and_the_worst_cases_behind_them(evidence_of, quick):
    dice = np.linspace(0.6, 0.99, N)
    result = segmentation(evidence_of(against_reference(dice)), quick)
    found = measures(result)

    assert found["dice"].value == pytest.approx(dice.mean())
    assert found["hd95"].value == pytest.approx(10 * (1 - np.median(dice)))
    assert found["volume_difference"].value == pytest.approx(-0.1)
    assert "structure “lesion”" in found["dice"].convention
    finding = result.findings[0]
    assert finding.cases[0] == "case-000"
    assert len(finding.cases) == 20
    assert finding.limit.origin == "platform-default"


@pytest.mark.parametrize(("dice", "state"), [(0.95, State.PASS), (0.5, State.FAIL)])
def test_the_limit_decides(evidence_of, quick, dice, state):
    values = dice + np.linspace(-0.02, 0.02, N)

    assert segmentation(evidence_of(against_reference(values)), quick).state is state


def test_a_missed_structure_lowers_the_mean_and_is_said(evidence_of, quick):
    rows = against_reference(np.full(N, 0.9))
    rows[3] = (3, "model", "reference", 0.0, 0, 100)
    rows[4] = (4, "model", "reference", 0.0, 50, 0)
    rows[5] = (5, "model", "reference", np.nan, 0, 0)
    result = segmentation(evidence_of(rows), quick)
    found = measures(result)

    assert found["dice"].value == pytest.approx(0.9 * (N - 3) / (N - 1))
    assert found["dice"].n == N - 1
    assert (found["missed"].extra["numerator"], found["missed"].n) == (1, N - 2)
    assert (found["invented"].extra["numerator"], found["invented"].n) == (1, 2)
    by_id = {finding.id: finding for finding in result.findings}
    assert by_id["segmentation.missed.lesion"].cases == ("case-003",)
    assert by_id["segmentation.invented.lesion"].cases == ("case-004",)


def test_further_structures_say_their_name(evidence_of, quick):
    rows = against_reference(np.full(N, 0.9)) * 2
    evidence = evidence_of(rows, structures=("liver", "tumour"), structure=[0] * N + [1] * N)
    found = measures(segmentation(evidence, quick))

    assert {"dice", "dice:tumour", "missed:tumour"} <= set(found)


def test_cases_that_could_not_be_compared_are_findings(evidence_of, quick):
    evidence = evidence_of(
        against_reference(np.full(N - 2, 0.9)), failures={f"case-{N - 1:03d}": "mask_grid"}
    )
    by_id = {finding.id: finding for finding in segmentation(evidence, quick).findings}

    assert by_id["segmentation.mask-grid"].cases == (f"case-{N - 1:03d}",)
    assert by_id["segmentation.not-compared"].cases == (f"case-{N - 2:03d}",)
    assert by_id["segmentation.not-compared"].state is State.CAUTION


def test_distances_say_their_unit(evidence_of, quick):
    evidence = evidence_of(against_reference(np.full(N, 0.9)), in_mm=False)

    assert "voxels" in measures(segmentation(evidence, quick))["hd95"].convention


def panel(human, model=None):
    """Three readers who overlap alike in every case, and a model beside them."""
    rows = []
    for case, value in enumerate(human):
        for a, b in (("a", "b"), ("a", "c"), ("b", "c")):
            rows.append((case, f"reader:{a}", f"reader:{b}", value, 100, 100))
        for reader in "abc":
            rows.append((case, f"reader:{reader}", "others", value + 0.02, 100, 100))
            if model is not None:
                name = f"others:reader:{reader}"
                rows.append((case, "model", name, model[case], 100, 100))
    return rows


def test_readers_are_measured_against_each_other(evidence_of, quick):
    human = np.linspace(0.7, 0.9, N)
    result = segmentation_panel(evidence_of(panel(human)), quick)
    found = measures(result)

    assert found["reader_dice"].value == pytest.approx(human.mean())
    assert found["reader_dice"].n == N
    assert found["reader_consensus_dice"].value == pytest.approx(human.mean() + 0.02)
    assert "model_minus_readers" not in found
    assert result.findings[0].cases[0] == "case-000"
    assert "72 pairs on 24 cases" in result.findings[0].why


@pytest.mark.parametrize(
    ("gap", "state"), [(0.0, State.PASS), (-0.2, State.FAIL), (-0.05, State.CAUTION)]
)
def test_the_model_beside_the_readers(evidence_of, quick, gap, state, rng):
    human = np.linspace(0.7, 0.9, N)
    model = human + 0.02 + gap + rng.normal(0, 0.03, N)
    model += gap - (model - human - 0.02).mean()
    result = segmentation_panel(evidence_of(panel(human, model)), quick)
    difference = measures(result)["model_minus_readers"]

    assert difference.value == pytest.approx(gap)
    assert result.state is state
    claim = next(f for f in result.findings if f.measure == "model_minus_readers")
    assert claim.state is state


def test_the_chart_has_a_row_for_each_kind_of_pair(evidence_of, quick):
    human = np.linspace(0.7, 0.9, N)
    series = segmentation_panel(evidence_of(panel(human, human)), quick).series[0]

    assert [row["label"] for row in series["rows"]] == [
        "Reader against reader",
        "Reader against the others’ majority",
        "Model against the same majority",
    ]
    assert len(series["rows"][0]["points"]) == N
    assert series["rows"][0]["quantiles"][0] == pytest.approx(0.7)


def test_more_points_than_a_picture_holds_are_thinned(evidence_of, quick, monkeypatch):
    monkeypatch.setattr("ml.checks.masked._MOST_POINTS", 10)
    row = segmentation(evidence_of(against_reference(np.full(N, 0.9))), quick).series[0]["rows"][0]

    assert row["drawn_every"] == 3
    assert len(row["points"]) == 8


def test_a_protocol_may_name_its_tolerance():
    assert Protocol.parse({"tolerance_mm": 0.5}).tolerance_mm == 0.5
    assert Protocol.parse({}).sha256 == Protocol.default().sha256
    assert Protocol.parse({"tolerance_mm": 1}).sha256 != Protocol.default().sha256
