import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ml.stats.agreement.scale import SCALES, benchmark


def test_a_precise_value_has_its_own_grade_and_an_imprecise_one_a_lower():
    assert benchmark(0.7, 0.01).grade == "substantial"
    assert benchmark(0.7, 0.1).grade == "moderate"
    assert benchmark(0.7, 0.1, "fleiss").grade == "intermediate to good"
    assert benchmark(0.85, 0.01, "altman").grade == "very good"


def test_probabilities_by_the_truncated_normal():
    found = benchmark(0.65, 0.15)
    truncated = stats.truncnorm((-1 - 0.65) / 0.15, (1 - 0.65) / 0.15, 0.65, 0.15)

    assert found.bands[0].probability == pytest.approx(truncated.sf(0.8))
    assert found.bands[1].cumulative == pytest.approx(truncated.sf(0.6))
    assert found.bands[2].probability == pytest.approx(truncated.cdf(0.6) - truncated.cdf(0.4))


@given(st.sampled_from(list(SCALES)), st.floats(-1, 1), st.floats(0.001, 2))
def test_bands_share_all_probability_and_the_grade_is_reached(scale, value, se):
    found = benchmark(value, se, scale)

    assert sum(band.probability for band in found.bands) == pytest.approx(1)
    assert found.bands[-1].cumulative == pytest.approx(1)
    assert found.bands[0].high == 1
    assert found.bands[-1].low == -1
    reached = [band.name for band in found.bands if band.cumulative >= 0.95]
    assert found.grade == (reached or [found.bands[-1].name])[0]


@pytest.mark.parametrize("wrong", [(1.2, 0.1), (0.5, 0), (0.5, float("nan")), (0.5, 0.1, "cohen")])
def test_refusals(wrong):
    with pytest.raises(ValueError, match=r"expected|scale must"):
        benchmark(*wrong)
    with pytest.raises(ValueError, match="certainty"):
        benchmark(0.5, 0.1, certainty=1.0)
