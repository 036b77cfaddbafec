import numpy as np
import pytest

from ml.stats.bootstrap import Settings
from ml.stats.discrimination.rates import Calls, expected_cost
from ml.stats.utility.cost import cost_curve
from ml.stats.utility.net_benefit import net_benefit

FEW = Settings(draws=400)


@pytest.fixture
def data(rng):
    present = np.arange(120) % 4 == 0
    scores = (0.6 * rng.random(120) + 0.3 * present).clip(0, 1)
    return scores, present.astype(np.int64)


def test_cost_is_net_benefit_upside_down(data):
    """With costs 1 - t and t the cost is (1 - t) · (prevalence - net benefit)."""
    scores, present = data
    t = 0.3
    cost = expected_cost(Calls.of(scores >= t, present), 1 - t, t, settings=FEW)

    assert cost.value == pytest.approx(
        (1 - t) * (present.mean() - net_benefit(scores, present, t, settings=FEW).value)
    )


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
    with pytest.raises(ValueError, match="steps must be"):
        cost_curve(scores, present, 1)
