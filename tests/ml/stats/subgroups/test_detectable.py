import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.stats.subgroups.detectable import detectable_difference, power_of_difference


@pytest.mark.parametrize(
    ("p1", "p2", "n"),
    [  # R: power.prop.test(p1 =, p2 =, power = .8)$n = 387.3385, 199.0202; p2 = .65 -> 328.3
        (0.5, 0.6, 387.3385),
        (0.05, 0.10, 434.4320),
        (0.9, 0.8, 199.0202),
    ],
)
def test_sizes_of_power_prop_test(p1, p2, n):
    assert power_of_difference(p1, n, p2, n) == pytest.approx(0.8, abs=2e-4)


@given(st.integers(20, 2000), st.integers(20, 2000), st.floats(0.3, 1.0))
def test_the_drop_has_the_power_it_names(n_a, n_b, base):
    found = detectable_difference(n_a, n_b, base)
    if found.value is None:
        assert "not even a drop to 0" in found.reason
        return

    assert power_of_difference(base, n_a, base - found.value, n_b) == pytest.approx(0.8, abs=1e-5)
    more = detectable_difference(2 * n_a, 2 * n_b, base)
    assert more.value < found.value


def test_too_few_to_show_anything():
    assert detectable_difference(5, 2, 0.5).value is None
    assert detectable_difference(50, 50, 0.0).value is None


def test_nobody_varies():
    assert power_of_difference(1.0, 10, 0.0, 10) == 1.0
    assert power_of_difference(0.0, 10, 0.0, 10) == 0.0


@pytest.mark.parametrize(
    ("sizes", "options"),
    [((0, 5, 0.5), {}), ((5, 5, 1.5), {}), ((5, 5, 0.5), {"power": 0.01}),
     ((5, 5, 0.5), {"level": 1.0})],
)  # fmt: skip
def test_malformed(sizes, options):
    with pytest.raises(ValueError, match="must"):
        detectable_difference(*sizes, **options)


def test_power_by_simulation(rng):
    a, b = rng.binomial(120, 0.9, 20_000) / 120, rng.binomial(80, 0.75, 20_000) / 80
    pooled = (a * 120 + b * 80) / 200
    z = (a - b) / np.sqrt(pooled * (1 - pooled) * (1 / 120 + 1 / 80))

    assert (np.abs(z) > 1.96).mean() == pytest.approx(
        power_of_difference(0.9, 120, 0.75, 80), abs=0.03
    )
