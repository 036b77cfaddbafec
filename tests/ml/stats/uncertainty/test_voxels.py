"""Uncertainty by voxel: sums against all fields at once, regions, summaries by weight."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.stats.uncertainty.decomposition import entropy_parts
from ml.stats.uncertainty.selective import area, loss_area, loss_coverage, risk_coverage
from ml.stats.uncertainty.voxels import BAND_VOXELS, FieldSums, regions, summary


def fields(t=7, k=3, sides=(5, 4, 6), seed=0):
    return np.moveaxis(np.random.default_rng(seed).dirichlet(np.ones(k), (t, *sides)), -1, 1)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_sums_say_what_all_fields_at_once_say(rows):
    p = fields()
    sums = FieldSums(p.shape[1:], [2, 0])
    for one in p:
        sums.add(one[:, start : start + rows] for start in range(0, 5, rows))

    assert sums.mean == pytest.approx(p.mean(axis=0))
    for at, structure in enumerate((2, 0)):
        two = np.stack([1 - p[:, structure], p[:, structure]], axis=-1).reshape(7, -1, 2)
        parts = entropy_parts(two, unit="bits")
        for kind, found in sums.of(at).items():
            assert found.reshape(-1) == pytest.approx(getattr(parts, kind), abs=1e-12)


def test_equal_fields_have_no_epistemic_part_and_certain_ones_no_entropy():
    sums = FieldSums((1, 3), [0])
    for _ in range(30):
        sums.add([np.array([[0.0, 0.3, 1.0]])])
    parts = sums.of(0)

    assert parts["total"][[0, 2]].tolist() == [0, 0]
    assert parts["epistemic"] == pytest.approx(0, abs=1e-12)
    assert parts["epistemic"].min() >= 0


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        ([np.zeros((1, 2, 3))], "got 2"), ([np.zeros((1, 4, 4))], "pieces of a field"),
        ([np.full((1, 4, 3), 1.5)], "0..1"), ([np.full((1, 4, 3), np.nan)], "0..1"),
        ([np.zeros((1, 4, 3))] * 2, "pieces of a field"), ([], "got 0"),
    ],
)  # fmt: skip
def test_what_is_no_field_is_refused(pieces, why):
    with pytest.raises(ValueError, match=why):
        FieldSums((1, 4, 3), [0]).add(pieces)


def naive_band(marked):
    """Voxels from which a voxel on the other side is few steps away."""
    places = np.argwhere(np.ones(marked.shape, bool))
    found = np.zeros(marked.shape, bool)
    for place in places:
        other = places[marked[tuple(places.T)] != marked[tuple(place)]]
        if other.size:
            found[tuple(place)] = np.abs(other - place).sum(axis=1).min() <= BAND_VOXELS
    return found


@pytest.mark.parametrize("shape", [(14, 11), (9, 8, 7)])
def test_the_band_is_within_two_steps_of_the_other_side(shape):
    rng = np.random.default_rng(1)
    for share in (0.02, 0.5, 0.97):
        marked = rng.random(shape) < share
        found = regions(marked)
        np.testing.assert_array_equal(found["band"], naive_band(marked))
        np.testing.assert_array_equal(found["inside"], marked)
        np.testing.assert_array_equal(found["outside"], ~marked)


def test_without_a_boundary_there_is_no_band():
    for marked in (np.zeros((5, 6), bool), np.ones((5, 6), bool)):
        assert not regions(marked)["band"].any()


def test_a_summary_weighs_each_voxel_as_often_as_it_stands_for_one():
    rng = np.random.default_rng(2)
    bits, weights = rng.random((6, 7)), rng.integers(0, 4, (6, 7)).astype(np.float32)
    region = rng.random((6, 7)) < 0.6

    found = summary(bits, weights, region)

    repeated = np.repeat(bits[region], weights[region].astype(int))
    assert found["mean"] == pytest.approx(repeated.mean())
    assert found["max"] == repeated.max()
    for name, share in (("median", 0.5), ("q95", 0.95)):
        exact = np.quantile(repeated, share, method="inverted_cdf")
        assert found[name] == pytest.approx(exact, abs=1e-5)
    nothing = summary(bits, np.zeros((6, 7), np.float32), region)
    assert all(np.isnan(value) for value in nothing.values())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=12))
def test_a_loss_of_0_and_1_is_an_error(cases):
    confidence = np.array([one for one, _ in cases], float)
    wrong = np.array([two for _, two in cases], float)

    assert loss_area(confidence, wrong).value == pytest.approx(
        area(confidence, wrong.astype(int)).value
    )
    assert loss_coverage(confidence, wrong).risk == pytest.approx(
        risk_coverage(confidence, wrong.astype(int)).risk
    )


def test_a_loss_between_is_averaged_over_the_cases_kept():
    confidence, loss = np.array([4.0, 3, 2, 1]), np.array([0.1, 0.7, 0.2, 0.4])

    assert loss_coverage(confidence, loss).risk == pytest.approx([0.1, 0.4, 1 / 3, 0.35])
    found = loss_area(confidence, loss)
    assert found.value == pytest.approx(np.mean([0.1, 0.4, 1 / 3, 0.35]))
    assert found.n_events is None
    for wrong in (np.array([0.1, 2.0]), np.array([0.1, np.nan]), np.array([0.1])):
        with pytest.raises(ValueError, match=r"losses|arrays"):
            loss_area(np.array([1.0, 2.0]), wrong)
    assert loss_area(np.array([]), np.array([])).value is None
