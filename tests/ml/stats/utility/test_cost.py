import numpy as np
import pytest

from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.utility.cost import cost_curve, expected_cost
from ml.stats.utility.net_benefit import net_benefit

FEW = Settings(draws=400)


@pytest.fixture
def data(rng):
    present = np.arange(120) % 4 == 0
    scores = (0.6 * rng.random(120) + 0.3 * present).clip(0, 1)
    return scores, present.astype(np.int64)


def test_by_hand():
    """2 misses of 4 at 5, 1 false alarm of 6 at 1: (10 + 1) / 10."""
    called = np.array([1, 1, 0, 0, 1, 0, 0, 0, 0, 0])
    present = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])

    assert expected_cost(called, present, 5, 1, settings=FEW).value == pytest.approx(1.1)
    # At a prevalence of 10 %: .5 · .1 · 5 + (1/6) · .9
    outside = expected_cost(called, present, 5, 1, settings=FEW, prevalence=0.1)
    assert outside.value == pytest.approx(0.25 + 0.15)
    # Calling none costs .5, calling all .9 there: the model against the better of both.
    scaled = expected_cost(called, present, 5, 1, settings=FEW, prevalence=0.1, normalised=True)
    assert scaled.value == pytest.approx(0.4 / 0.5)


def test_cost_is_net_benefit_upside_down(data):
    """With costs 1 - t and t the cost is (1 - t) · (prevalence - net benefit)."""
    scores, present = data
    t = 0.3
    cost = expected_cost(scores >= t, present, 1 - t, t, settings=FEW)

    assert cost.value == pytest.approx(
        (1 - t) * (present.mean() - net_benefit(scores, present, t, settings=FEW).value)
    )


def test_interval_respects_clusters(data):
    scores, present = data
    alone = expected_cost(scores > 0.4, present, 3, 1, settings=Settings(draws=3000))
    clusters = Clusters.of(np.repeat(np.arange(120), 3), "patient")
    copies = expected_cost(
        np.repeat(scores > 0.4, 3), np.repeat(present, 3), 3, 1, clusters, Settings(draws=3000)
    )

    assert (copies.low, copies.high) == pytest.approx((alone.low, alone.high), abs=1e-9)
    assert alone.low < alone.value < alone.high


def test_one_class_is_undefined():
    assert expected_cost(np.ones(3), np.ones(3, int), 1, 1).value is None


@pytest.mark.parametrize(
    ("called", "costs", "options"),
    [([1, 0], (0, 1), {}), ([1, 0], (1, 1), {"prevalence": 0.0}), ([2, 0], (1, 1), {})],
)
def test_malformed(called, costs, options):
    with pytest.raises(ValueError, match="must be"):
        expected_cost(np.array(called), np.array([1, 0]), *costs, **options)


def test_cost_curve_is_the_lower_envelope_of_all_thresholds(data):
    scores, present = data
    curve = cost_curve(scores, present, 21)
    naive = []
    for at in curve.probability_cost:
        lines = [
            (1 - (scores[present == 1] >= t).mean()) * at
            + (scores[present == 0] >= t).mean() * (1 - at)
            for t in [*scores, np.inf]
        ]
        naive.append(min(lines))

    assert curve.cost == pytest.approx(naive)
    assert (curve.cost <= curve.without_model + 1e-12).all()
    assert curve.cost[[0, -1]].tolist() == [0, 0]
    with pytest.raises(ValueError, match="two steps"):
        cost_curve(scores, present, 1)
