import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from ml.stats.segmentation.energy import EnergyDistance, energy_distance, mean_energy_distance
from tests.ml.stats.segmentation.conftest import drawn

FEW = Settings(draws=200)
FAST = Settings(draws=10)
EMPTY, LEFT, ALL = np.array([[0, 0], [1, 0], [1, 1]], bool)


def panels_of(grid, least=1):
    return st.integers(least, 4).flatmap(lambda n: arrays.arrays(bool, (n, *grid)))


grids = st.tuples(st.integers(1, 3), st.integers(1, 3))
both_sides = grids.flatmap(lambda grid: st.tuples(panels_of(grid), panels_of(grid)))


def naive_distance(a, b):
    union = int((a | b).sum())
    return 1 - int((a & b).sum()) / union if union else None


def naive(model, readers, form, both_empty):
    """The three means over all ordered pairs, one by one."""

    def mean(one, other, *, same):
        found = []
        for i, a in enumerate(one):
            for j, b in enumerate(other):
                if same and form == "U" and i == j:
                    continue
                d = naive_distance(a, b)
                if d is None and both_empty == "equal":
                    d = 0.0
                if d is not None:
                    found.append(d)
        return sum(found) / len(found) if found else None

    parts = (
        mean(model, readers, same=False), mean(model, model, same=True),
        mean(readers, readers, same=True),
    )  # fmt: skip
    return None if None in parts else 2 * parts[0] - parts[1] - parts[2]


@given(both_sides, st.sampled_from("VU"), st.sampled_from(["equal", "left-out"]))
def test_is_the_sum_over_all_pairs_one_by_one(sides, form, both_empty):
    found = energy_distance(*sides, form=form, both_empty=both_empty).squared
    by_hand = naive(*sides, form, both_empty)

    assert (found is None) == (by_hand is None)
    if found is not None:
        assert found == pytest.approx(by_hand)


def test_by_hand():
    """d(left, all) = 1/2. The model draws both, readers always all."""
    model, readers = np.stack([LEFT, ALL]), np.stack([ALL, ALL])
    biased = energy_distance(model, readers)
    unbiased = energy_distance(model, readers, form="U")

    assert (biased.cross, biased.within_model, biased.within_readers) == (0.25, 0.25, 0.0)
    assert biased.squared == pytest.approx(2 * 0.25 - 0.25)
    assert (unbiased.cross, unbiased.within_model, unbiased.within_readers) == (0.25, 0.5, 0.0)
    assert unbiased.squared == pytest.approx(2 * 0.25 - 0.5)


@pytest.mark.parametrize("name", ["seg-2d-disk", "seg-balls", "seg-box-shift-aniso"])
def test_one_mask_on_each_side_is_twice_the_jaccard_distance(name, reference):
    """1 - Jaccard as other software measures it."""
    stored = reference(name)
    model, reader = (drawn(stored.input[who], stored.input["shape"])[None]
                     for who in ("prediction", "reference"))  # fmt: skip

    found = energy_distance(model, reader).squared
    assert found == pytest.approx(2 * (1 - stored.value("jaccard")))


@pytest.mark.parametrize(
    ("form", "both_empty", "squared"),
    [
        # Cross: empty-empty, empty-all, all-empty, all-all.
        ("V", "equal", 0.0),
        ("U", "equal", 2 * 0.5 - 1 - 1),
        ("V", "left-out", 2 * 2 / 3 - 2 / 3 - 2 / 3),
        ("U", "left-out", 2 * 2 / 3 - 1 - 1),
    ],
)
def test_two_empty_masks(form, both_empty, squared):
    side = np.stack([EMPTY, ALL])
    found = energy_distance(side, side, form=form, both_empty=both_empty)

    assert found.squared == pytest.approx(squared)


def test_both_sides_that_mark_nothing_are_equal_or_undefined():
    nothing = np.stack([EMPTY, EMPTY])
    assert energy_distance(nothing, nothing).squared == 0.0
    assert energy_distance(nothing, nothing, both_empty="left-out").squared is None


@given(both_sides)
def test_the_biased_form_is_a_squared_distance(sides):
    """Never below 0, the same both ways, and 0 for the same masks equally often."""
    found = energy_distance(*sides).squared

    assert found >= -1e-9
    assert energy_distance(*sides[::-1]).squared == pytest.approx(found)
    assert energy_distance(sides[0], np.concatenate([sides[0]] * 2)).squared == pytest.approx(
        0, abs=1e-9
    )
    # Copies change the biased form of neither side.
    assert energy_distance(np.concatenate([sides[0]] * 2), sides[1]).squared == pytest.approx(found)


@given(both_sides, st.randoms(), st.sampled_from("VU"))
def test_nobody_has_a_number(sides, random, form):
    turned = [side[random.sample(range(len(side)), len(side))] for side in sides]
    found, other = (energy_distance(*of, form=form).squared for of in (sides, turned))

    assert (found is None) == (other is None)
    if found is not None:
        assert other == pytest.approx(found)


@given(both_sides.filter(lambda sides: min(len(sides[0]), len(sides[1])) > 1))
def test_the_forms_differ_by_the_diversity_over_the_number_of_masks(sides):
    biased, unbiased = (energy_distance(*sides, form=form) for form in "VU")
    gap = unbiased.within_model / len(sides[0]) + unbiased.within_readers / len(sides[1])

    assert biased.cross == unbiased.cross
    assert biased.squared - unbiased.squared == pytest.approx(gap)


def test_the_unbiased_form_is_right_on_average(rng):
    """Model and readers draw from one distribution: the distance of the distributions is 0."""
    truth = rng.random((8, 8)) < 0.4

    def drawn(n):
        return truth ^ (rng.random((n, 8, 8)) < 0.1)

    sides = [(drawn(3), drawn(4)) for _ in range(400)]
    unbiased = [energy_distance(*side, form="U").squared for side in sides]
    biased = [energy_distance(*side).squared for side in sides]
    error = np.std(unbiased) / 20

    assert np.mean(unbiased) == pytest.approx(0, abs=4 * error)
    assert np.mean(biased) > 10 * error


def test_one_mask_has_no_diversity_to_estimate():
    one, two = ALL[None], np.stack([ALL, LEFT])
    assert energy_distance(one, two).within_model == 0.0
    assert energy_distance(one, two, form="U") == EnergyDistance(0.25, None, 0.5)
    # A model that always draws the same is handed in twice.
    assert energy_distance(np.stack([ALL, ALL]), two, form="U").squared == pytest.approx(0.0)


def cohort(rng, patients=14, cases=2):
    model, readers = [], []
    for _ in range(patients):
        noise = rng.uniform(0.05, 0.4)
        for _ in range(cases):
            truth = rng.random((5, 5)) < 0.5
            model.append(truth ^ (rng.random((3, 5, 5)) < noise))
            readers.append(truth ^ (rng.random((4, 5, 5)) < 0.1))
    return model, readers, Clusters.of(np.repeat(np.arange(patients), cases), "patient")


@pytest.mark.parametrize("form", ["V", "U"])
def test_the_mean_over_cases_draws_whole_patients(rng, form):
    model, readers, clusters = cohort(rng)
    found = mean_energy_distance(model, readers, clusters, FEW, form=form)
    of_case = np.array([naive(*side, form, "equal") for side in zip(model, readers, strict=True)])
    drawn = [
        np.average(of_case, weights=counts[clusters.codes])
        for block in draw_counts(clusters.count, FEW)
        for counts in block
    ]

    assert found.value == pytest.approx(of_case.mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, (0.025, 0.975))))
    parts = [found.extra[name] for name in ("cross", "within_model", "within_readers")]
    assert found.value == pytest.approx(2 * parts[0] - parts[1] - parts[2])
    assert f"{form}-form" in found.convention


def test_cases_without_enough_masks_are_counted(rng):
    model, readers, _ = cohort(rng)
    model[0] = model[0][:1]
    found = mean_energy_distance(model, readers, settings=FAST, form="U")
    others = mean_energy_distance(model[1:], readers[1:], settings=FAST, form="U")

    assert found.value == pytest.approx(others.value)
    assert found.extra["cross"] == pytest.approx(others.extra["cross"])
    assert (found.n, found.extra["n_undefined"]) == (27, 1)
    nothing = mean_energy_distance([m[:1] for m in model], readers, settings=FAST, form="U")
    assert nothing.value is None
    assert "none of 28 cases" in nothing.reason


def test_the_empty_policy_is_said():
    side = [np.stack([EMPTY, ALL])]
    assert "two empty masks: distance 0" in mean_energy_distance(side, side).convention
    left_out = mean_energy_distance(side, side, both_empty="left-out")
    assert "pairs of two empty masks left out" in left_out.convention


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: energy_distance(np.ones((2, 3)), np.ones((2, 4))), "one grid"),
        (lambda: energy_distance(np.ones((0, 3)), np.ones((2, 3))), "expected masks"),
        (lambda: energy_distance(np.full((1, 3), 2), np.ones((2, 3))), "0 and 1"),
        (lambda: energy_distance(np.ones((1, 3)), np.ones((1, 3)), form="W"), "V or U"),
        (
            lambda: energy_distance(np.ones((1, 3)), np.ones((1, 3)), both_empty="one"),
            "equal or left-out",
        ),
        (lambda: mean_energy_distance([], [np.ones((1, 3))]), "for each of 1 cases"),
        (
            lambda: mean_energy_distance([np.ones((1, 3))], [np.ones((1, 3))], Clusters.singles(2)),
            "a cluster for each of 1",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
