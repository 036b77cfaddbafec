import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.discrimination.rates import Calls, rate
from ml.stats.discrimination.verification_bias import begg_greenes

FEW = Settings(draws=200)


def rows(counts):
    """Counts of (called, positive, verified); unverified cases carry a meaningless 0."""
    keys = [(1, 1, 1), (1, 0, 1), (0, 1, 1), (0, 0, 1), (1, 0, 0), (0, 0, 0)]
    return np.repeat(np.array(keys), counts, axis=0).T == 1


# Drum & Christacopoulos 1972, 650 hepatic scintigraphs of which 344 were verified
LIVER = rows((231, 32, 27, 54, 166, 140))


def test_hepatic_scintigraphs():
    """Corrected sensitivity .836 and specificity .738, plain .895 and .628 (Zhou 1993)."""
    found = begg_greenes(*LIVER)

    assert found.sensitivity.value == pytest.approx(0.836, abs=6e-4)
    assert found.specificity.value == pytest.approx(0.738, abs=6e-4)
    assert found.sensitivity.extra["verified"] == 344
    assert found.sensitivity.low < 0.836 < found.sensitivity.high


def test_everyone_verified_is_the_plain_rate():
    full = rows((231, 32, 27, 54, 0, 0))
    found, plain = begg_greenes(*full), Calls.of(full[0], full[1])

    assert found.sensitivity.value == pytest.approx(rate("sensitivity", plain).value)
    assert found.specificity.value == pytest.approx(rate("specificity", plain).value)
    # logit of sens: 1/231 + 1/27, as the variance of a binomial logit
    half = 1.959964 * (1 / 231 + 1 / 27) ** 0.5
    low, high = found.sensitivity.low, found.sensitivity.high
    assert np.log(high / (1 - high)) - np.log(low / (1 - low)) == pytest.approx(2 * half, abs=1e-5)


def test_interval_is_near_a_bootstrap():
    found = begg_greenes(*LIVER)
    drawn = begg_greenes(*LIVER, Clusters.of(np.r_[0, np.arange(649)], "patient"))

    for one, other in (
        (found.sensitivity, drawn.sensitivity),
        (found.specificity, drawn.specificity),
    ):
        assert [one.low, one.high] == pytest.approx([other.low, other.high], abs=0.015)
    assert "649 patients" in drawn.sensitivity.method


@limits(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(0, 5)] * 6), st.booleans())
def test_every_table_is_answered(counts, clustered):
    called, positive, verified = rows(counts)
    clusters = Clusters.of(np.arange(called.size) // 2, "patient") if clustered else None
    found = begg_greenes(called, positive, verified, clusters, FEW)
    for estimate in (found.sensitivity, found.specificity):
        assert estimate.value is not None or estimate.reason
        assert estimate.has_interval or estimate.reason


def test_truth_of_unverified_cases_is_never_looked_at():
    called, positive, verified = LIVER
    other = positive | ~verified

    assert begg_greenes(called, other, verified).sensitivity.value == pytest.approx(
        begg_greenes(called, positive, verified).sensitivity.value
    )


def test_refuses():
    with pytest.raises(ValueError, match="three"):
        begg_greenes(np.ones(2), np.ones(2), np.ones(3))


def test_a_missing_call_is_not_a_call_of_absent():
    called, positive, verified = rows((80, 20, 10, 40, 50, 150))
    lost = called.astype(float)
    lost[0] = np.nan

    with pytest.raises(ValueError, match="calls must be 0 or 1"):
        begg_greenes(lost, positive, verified)
    with pytest.raises(ValueError, match="verified must be 0 or 1"):
        begg_greenes(called, positive, np.where(verified, 2, 0))
    with pytest.raises(ValueError, match="of verified cases must be 0 or 1"):
        begg_greenes(called, np.full(called.size, np.nan), verified)
    # Where nothing was verified nothing is looked at, and NaN may stand.
    unknown = np.where(verified, positive, np.nan)
    assert begg_greenes(called, unknown, verified) == begg_greenes(called, positive, verified)
