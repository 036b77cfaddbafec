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


@pytest.mark.parametrize(("in_mm", "unit"), [(True, "mm"), (False, "voxels")])
def test_distances_say_their_unit(evidence_of, quick, in_mm, unit):
    rows = against_reference(np.linspace(0.6, 0.99, N)) + panel(np.linspace(0.7, 0.9, N))
    evidence = evidence_of(rows, in_mm=in_mm)
    found = measures(segmentation(evidence, quick)) | measures(segmentation_panel(evidence, quick))
    distances = {"hd95", "assd", "reader_hd95", "reader_assd"}

    assert {name for name, estimate in found.items() if estimate.unit} == distances
    assert {found[name].unit for name in distances} == {unit}
    assert all(f", {unit}" in found[name].convention for name in distances)


def test_a_limit_on_a_distance_is_said_in_its_unit(evidence_of):
    limit = {"check": "segmentation", "measure": "hd95", "value": 3, "direction": "max",
             "origin": "pre-registered"}  # fmt: skip
    protocol = Protocol.parse({"draws": 200, "limits": [limit]})
    result = segmentation(evidence_of(against_reference(np.linspace(0.6, 0.99, N))), protocol)
    judged = next(finding for finding in result.findings if finding.measure == "hd95")

    assert judged.claim.startswith("95 % Hausdorff distance is 2.050 mm [")
    assert "at most 3 mm (" in judged.why


def test_what_an_empty_mask_counts_as_is_said_with_the_number_of_cases(evidence_of, quick):
    rows = against_reference(np.linspace(0.7, 0.9, N))
    rows[3] = (3, "model", "reference", 0.0, 0, 100)
    rows[4] = (4, "model", "reference", 0.0, 50, 0)
    rows[5] = (5, "model", "reference", np.nan, 0, 0)
    found = measures(segmentation(evidence_of(rows), quick))

    for name in ("dice", "iou", "surface_dice", "volume_similarity"):
        assert "one mask empty: 0 (2 cases); both empty: left out (1 case)" in (
            found[name].convention
        )
    for name in ("hd95", "assd"):
        assert "one mask empty: the image’s diagonal (2 cases)" in found[name].convention
        assert found[name].value == pytest.approx(10 * (1 - found_median(rows)))
    assert found["dice"].extra["n_prediction_empty"] == 1
    assert found["volume_similarity"].value == pytest.approx((1 - 10 / 190) * (N - 3) / (N - 1))


def found_median(rows):
    return np.nanmedian([dice for _, _, _, dice, _, _ in rows])


def test_too_much_in_one_case_does_not_make_up_for_too_little_in_another(evidence_of, quick):
    """Relative differences of -0.5 and +0.5 cancel; the similarity of sizes does not."""
    rows = [(at, "model", "reference", 0.8, 50 if at % 2 else 150, 100) for at in range(N)]
    found = measures(segmentation(evidence_of(rows), quick))

    assert found["volume_difference"].value == pytest.approx(0)
    assert found["volume_similarity"].value == pytest.approx(((1 - 50 / 250) + (1 - 50 / 150)) / 2)


def test_findings_of_further_structures_rest_on_their_own_measures(evidence_of, quick):
    rows = against_reference(np.full(N, 0.9)) + [
        (at, "model", "reference", 0.0, *((0, 100) if at else (100, 0))) for at in range(N)
    ]
    evidence = evidence_of(rows, structures=("liver", "tumour"), structure=[0] * N + [1] * N)
    result = segmentation(evidence, quick)
    found = measures(result)

    for kind in ("missed", "invented"):
        (finding,) = (f for f in result.findings if f.id == f"segmentation.{kind}.tumour")
        assert finding.measure == f"{kind}:tumour"
        assert found[finding.measure].extra["numerator"] == len(finding.cases)
        assert "the image’s diagonal in distances" in finding.why


def panel(human, model=None):
    """Three readers who overlap alike in every case, and a model beside them.

    The model overlaps each reader 0.04 less than the majorities of them.
    """
    rows = []
    for case, value in enumerate(human):
        for a, b in (("a", "b"), ("a", "c"), ("b", "c")):
            rows.append((case, f"reader:{a}", f"reader:{b}", value, 100, 100))
        for reader in "abc":
            rows.append((case, f"reader:{reader}", "others", value + 0.02, 100, 100))
            if model is not None:
                name = f"others:reader:{reader}"
                rows.append((case, "model", name, model[case], 100, 100))
                rows.append((case, "model", f"reader:{reader}", model[case] - 0.04, 100, 100))
    return rows


def silent(case, marks):
    """Three readers who mark nothing, and a model that does or does not."""
    rows = panel([np.nan], [0.0 if marks else np.nan])
    moved = [(case, a, b, dice, 100 if a == "model" and marks else 0, 0)
             for _, a, b, dice, _, _ in rows]  # fmt: skip
    return [(*row[:3], 0.0 if row[1] == "model" and marks else np.nan, *row[4:]) for row in moved]


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


def test_the_model_is_one_more_reader(evidence_of, quick):
    """Its Dice with each reader, beside that of every two readers, paired by case."""
    human = np.linspace(0.7, 0.9, N)
    model = human + np.linspace(-0.1, 0.02, N)
    result = segmentation_panel(evidence_of(panel(human, model)), quick)
    found = measures(result)
    difference = found["model_reader_difference"]

    assert found["model_reader_dice"].value == pytest.approx(model.mean() - 0.04)
    assert difference.value == pytest.approx(-0.08)
    assert difference.value == pytest.approx(
        found["model_reader_dice"].value - found["reader_dice"].value
    )
    finding = next(f for f in result.findings if f.measure == "model_reader_difference")
    assert finding.claim == (
        "The model’s Dice of lesion with a reader lies 0.080 below that of two readers."
    )
    assert "on which the model has 0.720 and readers 0.800" in finding.why
    assert "not of other readers" in finding.why
    assert finding.cases[0] == "case-000"


def test_two_readers_are_enough_to_set_the_model_beside_them(evidence_of, quick):
    rows = [
        row for row in panel(np.linspace(0.7, 0.9, N), np.linspace(0.6, 0.9, N))
        if "others" not in f"{row[1]} {row[2]}" and "reader:c" not in row[1:3]
    ]  # fmt: skip
    found = measures(segmentation_panel(evidence_of(rows), quick))

    assert found["model_reader_difference"].n == N
    assert "model_minus_readers" not in found


def test_a_model_that_marks_where_no_reader_does_is_said(evidence_of, quick):
    human = np.linspace(0.7, 0.9, N - 3)
    rows = panel(human, human + 0.02)
    for case, marks in ((N - 3, True), (N - 2, False), (N - 1, True)):
        rows += silent(case, marks)
    result = segmentation_panel(evidence_of(rows), quick)
    found = measures(result)
    finding = next(f for f in result.findings if f.id == "segmentation-panel.model-alone.lesion")

    assert finding.claim.startswith("The model marks lesion in 2 of 3 cases")
    assert finding.cases == (f"case-{N - 3:03d}", f"case-{N - 1:03d}")
    assert finding.state is State.CAUTION
    for name in ("model_reader_difference", "model_minus_readers"):
        assert found[name].n == N - 3
    assert found["model_reader_difference"].extra["n_model_alone"] == 2
    # The table's mean of the model holds the cases it invents; that of the difference cannot.
    assert found["model_consensus_dice"].n == N - 1
    said = next(f for f in result.findings if f.measure == "model_minus_readers").why
    assert f"Paired on 21 cases, on which the model has {human.mean() + 0.02:.3f} and" in said
    pairs = next(f for f in result.findings if f.measure == "reader_dice").why
    assert "63 pairs on 21 cases (9 more pairs of two empty masks left out)" in pairs


def test_no_finding_where_readers_mark_something(evidence_of, quick):
    human = np.linspace(0.7, 0.9, N)
    result = segmentation_panel(evidence_of(panel(human, human)), quick)

    assert not [f for f in result.findings if "model-alone" in f.id]


def test_a_difference_is_said_as_surely_as_it_is_known(evidence_of, quick, rng):
    human = np.linspace(0.7, 0.9, N)
    noise = rng.normal(0, 0.05, N)
    noise -= noise.mean()

    def claim(gap):
        model = human + 0.02 + gap + noise
        result = segmentation_panel(evidence_of(panel(human, model)), quick)
        return next(f for f in result.findings if f.measure == "model_minus_readers").claim

    assert claim(-0.1) == (
        "Against the same majority of readers, the model’s Dice of lesion lies 0.100 below that of "
        "a reader."
    )
    assert "lies 0.005 above that of a reader; its interval holds 0, so either" in claim(0.005)
    assert "is, to three decimals, that of a reader" in claim(0.0)


def test_patients_are_drawn_whole(evidence_of, quick):
    human = np.repeat(np.linspace(0.5, 0.9, N // 2), 2)
    rows = against_reference(human) + panel(human, human + np.linspace(-0.1, 0, N))
    evidence = evidence_of(rows)
    patients = replace(evidence, cluster=np.arange(N) // 2, cluster_kind="patient")
    alone, together = (
        measures(segmentation(e, quick)) | measures(segmentation_panel(e, quick))
        for e in (evidence, patients)
    )

    for name, estimate in together.items():
        if estimate.value is not None and name not in ("missed", "invented"):
            assert estimate.extra["n_clusters"] == N // 2, name
    for name in ("dice", "hd95", "reader_dice", "model_reader_dice", "reader_hd95"):
        width = together[name].high - together[name].low
        assert width > 1.1 * (alone[name].high - alone[name].low)


def test_the_chart_has_a_row_for_each_kind_of_pair(evidence_of, quick):
    human = np.linspace(0.7, 0.9, N)
    series = segmentation_panel(evidence_of(panel(human, human)), quick).series[0]

    assert [row["label"] for row in series["rows"]] == [
        "Reader against reader",
        "Model against reader",
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
