import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ml.stats.segmentation.consensus import majority, soft_consensus, staple

panels = st.tuples(st.integers(2, 5), st.integers(1, 4), st.integers(1, 5)).flatmap(
    lambda shape: arrays.arrays(bool, shape)
)


def naive_staple(masks, steps):
    """Voxel by voxel, as in the paper (equations 15, 18, 19)."""
    flat = masks.reshape(len(masks), -1).astype(float)
    prior = flat.mean()
    p = q = np.full(len(masks), 0.99999)
    for _ in range(steps):
        weight = np.array(
            [
                prior * np.prod(np.where(d == 1, p, 1 - p))
                / (prior * np.prod(np.where(d == 1, p, 1 - p))
                   + (1 - prior) * np.prod(np.where(d == 0, q, 1 - q)))
                for d in flat.T
            ]
        )  # fmt: skip
        p = flat @ weight / weight.sum()
        q = (1 - flat) @ (1 - weight) / (1 - weight).sum()
    return weight, p, q


def test_staple_is_that_of_the_paper(rng):
    truth = rng.random((12, 12)) < 0.3
    masks = np.array([truth ^ (rng.random((12, 12)) < error) for error in (0.05, 0.1, 0.2, 0.3)])
    found = staple(masks)
    weight, p, q = naive_staple(masks, 300)

    assert found.converged
    assert found.probability.ravel() == pytest.approx(weight, abs=1e-4)
    assert found.sensitivity == pytest.approx(p, abs=1e-4)
    assert found.specificity == pytest.approx(q, abs=1e-4)


def test_staple_finds_who_is_careless(rng):
    truth = rng.random(4000) < 0.3
    masks = np.array([truth ^ (rng.random(4000) < error) for error in (0.02, 0.05, 0.25)])
    found = staple(masks[:, None, :])

    assert found.sensitivity == pytest.approx((0.98, 0.95, 0.75), abs=0.04)
    # Never worse than the best reader by more than chance.
    assert (found.mask().ravel() != truth).mean() < 0.03


@settings(max_examples=50, deadline=None)
@given(panels)
def test_staple_always_answers_and_does_not_know_the_order_of_readers(masks):
    found, turned = staple(masks), staple(masks[::-1])

    assert np.isfinite(found.probability).all()
    assert ((found.probability >= 0) & (found.probability <= 1)).all()
    if found.converged and turned.converged:
        assert turned.probability == pytest.approx(found.probability, abs=1e-3)
    agreed = masks.all(axis=0) | ~masks.any(axis=0)
    assert soft_consensus(masks)[agreed] == pytest.approx(masks[0][agreed].astype(float))


@pytest.mark.parametrize("value", [False, True])
def test_staple_of_masks_that_are_all_the_same(value):
    found = staple(np.full((3, 2, 2), value))

    assert (found.mask() == value).all()
    assert (found.sensitivity[0] is None) == (not value)
    assert (found.specificity[0] is None) == value


@given(panels)
def test_the_majority_is_more_than_half(masks):
    half = len(masks) / 2
    votes = masks.sum(axis=0)

    assert (majority(masks) == (votes > half)).all()
    assert (majority(masks, tie="foreground") == (votes >= half)).all()


def test_one_reader_is_no_panel():
    with pytest.raises(ValueError, match="two readers"):
        staple(np.ones((1, 2, 2), bool))
    with pytest.raises(ValueError, match="0 and 1"):
        majority(np.full((2, 2), 3))


@pytest.mark.parametrize("prior", [-0.1, 1.5, float("nan")])
def test_a_prior_is_a_share(prior):
    with pytest.raises(ValueError, match="prior share"):
        staple(np.eye(2) == 1, prior=prior)
