import numpy as np
import pytest
from scipy import stats

from ml.stats.discrimination.placements import placements
from ml.stats.discrimination.sample_size import (
    for_auroc_difference,
    for_auroc_width,
    for_sensitivity_width,
    variance_per_present,
)
from ml.stats.proportion import wilson


@pytest.mark.parametrize(("auroc", "more"), [(0.7, 1.0), (0.85, 2.0)])
def test_variance_is_that_of_simulated_binormal_scores(rng, auroc, more):
    m, n = 100, int(100 * more)
    shift = 2**0.5 * stats.norm.ppf(auroc)
    present = np.repeat([1, 0], [m, n])
    values = [placements(rng.normal(size=m + n) + shift * present, present).value
              for _ in range(1500)]  # fmt: skip

    assert variance_per_present(auroc, more, "binormal") == pytest.approx(
        m * np.var(values), rel=0.1
    )
    assert variance_per_present(auroc, more) > variance_per_present(auroc, more, "binormal")


def test_obuchowskis_variance_of_chance():
    """At 0.5: 0.0099 x (8 + 8), the 1/6 of Mann and Whitney within 5 %."""
    assert variance_per_present(0.5) == pytest.approx(0.1584)
    assert variance_per_present(0.5, kind="binormal") == pytest.approx(1 / 6)


def test_width_by_hand():
    """(1.96 / 0.05)² x 0.1194 = 183.6."""
    size = for_auroc_width(0.8, 0.05, absent_per_present=3)
    a2 = 2 * stats.norm.ppf(0.8) ** 2
    variance = 0.0099 * np.exp(-a2 / 2) * (5 * a2 + 8 + (a2 + 8) / 3)

    assert size.n_present == int(np.ceil((1.959964 / 0.05) ** 2 * variance))
    assert size.n_absent == int(np.ceil(3 * (1.959964 / 0.05) ** 2 * variance))
    assert size.total == size.n_present + size.n_absent


def test_difference_has_the_power_it_says():
    """Normal power at the size given, with the variance under the alternative."""
    size = for_auroc_difference(0.85, 0.8, correlation=0.5, power=0.8)
    a, b, c = (variance_per_present(v) for v in (0.85, 0.8, 0.825))
    null, other = c, a + b - (a * b) ** 0.5
    power = stats.norm.cdf(
        (0.05 * size.n_present**0.5 - stats.norm.ppf(0.975) * null**0.5) / other**0.5
    )

    assert 0.8 <= power < 0.802


def test_more_correlation_needs_fewer_cases_and_direction_does_not_matter():
    sizes = [for_auroc_difference(0.85, 0.8, r).n_present for r in (0, 0.3, 0.6)]

    continuous = for_auroc_difference(0.85, 0.8, 0.3, variance="binormal")
    assert continuous.n_present < sizes[1]
    assert for_auroc_width(0.85, 0.05, variance="binormal").n_present < for_auroc_width(
        0.85, 0.05
    ).n_present  # fmt: skip
    assert sizes == sorted(sizes, reverse=True)
    assert for_auroc_difference(0.8, 0.85, 0.3).n_present == sizes[1]


@pytest.mark.parametrize(("share", "width"), [(0.9, 0.1), (0.5, 0.3), (1.0, 0.05)])
def test_sensitivity_size_is_the_least(share, width):
    n = for_sensitivity_width(share, width, 0.2).n_present

    def reach(size):
        low, high = wilson(share, size, 0.95)
        return high - low

    assert reach(n) <= width < reach(n - 1)
    assert for_sensitivity_width(share, width, 0.2).n_absent == 4 * n


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: for_auroc_width(0.4, 0.1), "0.5"),
        (lambda: variance_per_present(0.8, kind="exact"), "binormal"),
        (lambda: for_auroc_width(0.8, 0.0), "half_width"),
        (lambda: for_auroc_width(0.8, 0.1, -1), "absent_per_present"),
        (lambda: for_auroc_difference(0.8, 0.8), "equal"),
        (lambda: for_auroc_difference(0.8, 0.7, 2), "correlation"),
        (lambda: for_auroc_difference(0.8, 0.7, power=1), "power"),
        (lambda: for_sensitivity_width(1.1, 0.1, 0.1), "sensitivity"),
        (lambda: for_sensitivity_width(0.9, 0.1, 0), "prevalence"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
