import numpy as np
import pytest
from hypothesis import given
from sklearn.metrics import brier_score_loss

from ml.stats.bootstrap import Settings
from ml.stats.calibration.brier import brier
from ml.stats.clusters import Clusters
from tests.ml.stats.calibration.test_calibration_error import CASES, FEW, forecasts


@pytest.mark.parametrize("case", CASES)
def test_published(reference, case):
    known = reference(case)
    estimate = brier(np.array(known.input["p"]), np.array(known.input["y"]))

    assert estimate.value == pytest.approx(known.value("brier"), abs=1e-9)
    assert estimate.low < estimate.value < estimate.high


@given(forecasts)
def test_equals_scikit_learn(data):
    p, y = data

    assert brier(p, y, settings=FEW).value == pytest.approx(
        brier_score_loss(y, p, labels=[0, 1]), abs=1e-12
    )


def test_interval_is_that_of_a_mean(rng):
    """For many cases the percentile interval is close to mean ± 1.96 standard errors."""
    p, y = rng.random(2000), rng.integers(0, 2, 2000)
    errors = (p - y) ** 2
    estimate = brier(p, y, settings=Settings(draws=4000))

    half = 1.96 * errors.std(ddof=1) / 2000**0.5
    assert estimate.low == pytest.approx(errors.mean() - half, abs=half * 0.15)
    assert estimate.high == pytest.approx(errors.mean() + half, abs=half * 0.15)


def test_clusters_widen_it(rng):
    p, y = np.repeat(rng.random(50), 8), np.repeat(rng.integers(0, 2, 50), 8)
    patients = Clusters.of(np.repeat(np.arange(50), 8), "patient")

    alone, clustered = brier(p, y, settings=FEW), brier(p, y, patients, FEW)

    assert clustered.high - clustered.low > 2 * (alone.high - alone.low)


def test_no_case_is_undefined():
    assert brier(np.zeros(0), np.zeros(0, int)).value is None
