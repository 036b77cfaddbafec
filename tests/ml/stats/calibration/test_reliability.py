import numpy as np
import pytest

from ml.stats.bootstrap import Settings
from ml.stats.calibration.reliability import bin_of, reliability
from ml.stats.clusters import Clusters


def test_right_edge_belongs_to_the_bin_and_zero_to_the_first():
    assert bin_of(np.array([0.0, 0.2, 0.2000001, 1.0]), 5).tolist() == [0, 0, 1, 4]


def test_no_case_is_lost(rng):
    bins = reliability(rng.random(1000), rng.integers(0, 2, 1000), settings=Settings(draws=50))

    assert bins.count.sum() == 1000
    assert bins.events.sum() <= 1000
    assert (bins.observed_low <= bins.observed).all()
    assert (bins.observed <= bins.observed_high).all()
    assert ((bins.low < bins.mean) & (bins.mean <= bins.high)).all()


def test_band_holds_a_calibrated_model_and_not_a_wrong_one(rng):
    p = rng.random(3000)
    y = (rng.random(3000) < p).astype(int)

    right = reliability(p, y)
    wrong = reliability(p, (rng.random(3000) < p**3).astype(int))

    inside = (right.band_low <= right.observed) & (right.observed <= right.band_high)
    assert inside.mean() > 0.8
    outside = (wrong.observed < wrong.band_low) | (wrong.observed > wrong.band_high)
    assert outside.mean() > 0.5


def test_band_by_hand():
    """400 cases at 0.5 in one bin: 0.5 ± 1.96·0.025."""
    p = np.full(400, 0.5)
    bins = reliability(p, np.arange(400) % 2, settings=Settings(draws=5000))

    assert bins.band_low[0] == pytest.approx(0.451, abs=0.006)
    assert bins.band_high[0] == pytest.approx(0.549, abs=0.006)


def test_near_duplicates_widen_the_band():
    p, y = np.full(400, 0.5), np.arange(400) % 2
    alone = reliability(p, y)
    grouped = reliability(p, y, Clusters.of(np.arange(400) // 8, "group"))

    width = [bins.band_high[0] - bins.band_low[0] for bins in (alone, grouped)]
    assert width[1] == pytest.approx(width[0] * 8**0.5, rel=0.15)


def test_one_case():
    bins = reliability(np.array([0.7]), np.array([1]), settings=Settings(draws=50))

    assert bins.count.tolist() == [1]
    assert bins.observed.tolist() == [1.0]


def test_refuses_no_cases():
    with pytest.raises(ValueError, match="no cases"):
        reliability(np.zeros(0), np.zeros(0, int))


def test_the_band_does_not_depend_on_how_many_draws_fit_into_memory(rng, monkeypatch):
    p = rng.random(50)
    y = (rng.random(50) < p).astype(int)
    whole = reliability(p, y, settings=Settings(draws=70))
    monkeypatch.setattr("ml.stats.calibration.reliability._CHUNK", 50 * 30)
    parts = reliability(p, y, settings=Settings(draws=70))

    assert whole.band_low.tolist() == parts.band_low.tolist()
    assert whole.band_high.tolist() == parts.band_high.tolist()
