import numpy as np
import pytest

from ml.stats.agreement.fleiss_test import fleiss_test
from ml.stats.clusters import Clusters

# Fleiss (1971), table 1: answers of six psychiatrists to thirty patients, five diagnoses.
DIAGNOSES = """
0 0 0 6 0; 0 3 0 0 3; 0 1 4 0 1; 0 0 0 0 6; 0 3 0 3 0; 2 0 4 0 0; 0 0 4 0 2; 2 0 3 1 0; 2 0 0 4 0;
0 0 0 0 6; 1 0 0 5 0; 1 1 0 4 0; 0 3 3 0 0; 1 0 0 5 0; 0 2 0 3 1; 0 0 5 0 1; 3 0 0 1 2; 5 1 0 0 0;
0 2 0 4 0; 1 0 2 0 3; 0 0 0 0 6; 0 1 0 5 0; 0 2 0 1 3; 2 0 0 4 0; 1 0 0 4 1; 0 5 0 1 0; 4 0 0 0 2;
0 2 0 4 0; 1 0 5 0 0; 0 0 0 0 6
"""
COUNTS = np.array([row.split() for row in DIAGNOSES.replace("\n", " ").split(";")], dtype=int)
RATINGS = np.array([np.repeat(np.arange(5), row) for row in COUNTS], dtype=float)


def test_fleiss_1971():
    """Kappa .430, z 17.65 with the errors of Fleiss, Nee and Landis (1979)."""
    found = fleiss_test(RATINGS, 5)

    assert found.kappa.value == pytest.approx(0.430, abs=5e-4)
    assert found.se_null == pytest.approx(0.02437, abs=5e-6)
    assert found.z == pytest.approx(17.65, abs=5e-3)
    assert found.p < 1e-60


def test_kappa_of_each_diagnosis():
    """Table 2 of the paper: .248, .248, .517, .470, .565 from shares rounded to two digits."""
    found = fleiss_test(RATINGS, 5)

    assert [one.value for one in found.per_category] == pytest.approx(
        [0.248, 0.248, 0.517, 0.470, 0.565], abs=5e-3
    )
    assert {round(one.extra["se_null"], 6) for one in found.per_category} == {
        round((2 / (30 * 6 * 5)) ** 0.5, 6)
    }
    first = found.per_category[0]
    assert first.extra["z"] == pytest.approx(first.value / first.extra["se_null"])


def test_overall_kappa_is_the_mean_of_the_answers_by_their_spread():
    found = fleiss_test(RATINGS, 5)
    share = COUNTS.sum(axis=0) / COUNTS.sum()
    weight = share * (1 - share)
    each = np.array([one.value for one in found.per_category])

    assert found.kappa.value == pytest.approx((weight * each).sum() / weight.sum())


def test_size_under_chance(rng):
    """Readers who guess: z has mean 0 and spread 1."""
    z = [
        fleiss_test(rng.choice(3, (60, 4), p=[0.6, 0.3, 0.1]).astype(float), 3).z
        for _ in range(150)
    ]

    assert np.mean(z) == pytest.approx(0, abs=0.3)
    assert np.std(z) == pytest.approx(1, abs=0.2)


def test_no_test_where_it_does_not_hold():
    holed = RATINGS.copy()
    holed[0, 0] = np.nan
    pairs = Clusters.of(np.repeat(np.arange(15), 2), "patient")

    assert "different numbers" in fleiss_test(holed, 5).reason
    assert "clustered" in fleiss_test(RATINGS, 5, pairs).reason
    assert fleiss_test(RATINGS, 5, pairs).z is None
    assert "all answers are equal" in fleiss_test(np.zeros((20, 2)), 2).reason


def test_an_answer_nobody_gave():
    unused = fleiss_test(RATINGS, 6).per_category[5]

    assert unused.value is None
    assert "nobody" in unused.reason
