import numpy as np
import pytest
from scipy import stats

from ml.stats.agreement.cohen import cohen_kappa
from ml.stats.agreement.comparison import independent_kappas
from ml.stats.agreement.sample_size import kappa_sample_size, kappa_sample_size_gof


def cells(prevalence, kappa):
    room = prevalence * (1 - prevalence)
    return np.array(
        [prevalence**2 + room * kappa, 2 * room * (1 - kappa), (1 - prevalence) ** 2 + room * kappa]
    )


@pytest.mark.parametrize("prevalence", [0.1, 0.3, 0.5])
def test_goodness_of_fit_is_a_noncentral_chi_square(prevalence):
    """At the exact size the noncentrality of the three cells gives the asked power."""
    found = kappa_sample_size_gof(0.4, 0.7, prevalence, power=0.9)
    null, truth = cells(prevalence, 0.4), cells(prevalence, 0.7)
    noncentral = found.exact * ((truth - null) ** 2 / null).sum()

    assert stats.ncx2.sf(stats.chi2.isf(0.05, 1), 1, noncentral) == pytest.approx(0.9, abs=1e-4)
    assert found.n == np.ceil(found.exact)


def test_cantor_by_the_errors_of_large_tables():
    """Both spreads from the standard error of a table with those margins and that kappa."""
    first, second, n = 0.3, 0.4, 10**7
    spread = []
    for kappa in (0.4, 0.7):
        chance = first * second + (1 - first) * (1 - second)
        both = (chance + kappa * (1 - chance) - 1 + first + second) / 2
        table = np.array([[both, first - both], [second - both, 1 - first - second + both]])
        found = cohen_kappa(np.round(table * n))
        assert found.kappa.value == pytest.approx(kappa, abs=1e-5)
        spread.append(found.se * n**0.5)
    z = stats.norm.isf(0.05) * spread[0] + stats.norm.ppf(0.8) * spread[1]

    found = kappa_sample_size(0.4, 0.7, (first, second))
    assert found.exact == pytest.approx((z / 0.3) ** 2, rel=1e-4)


def test_power_is_reached_in_simulation(rng):
    """At the size of Donner and Eliasziw the goodness-of-fit test finds 80 % of such studies."""
    size = kappa_sample_size_gof(0.4, 0.7, 0.3).n
    seen = rng.multinomial(size, cells(0.3, 0.7), size=4000)
    share = (2 * seen[:, 0] + seen[:, 1]) / (2 * size)
    null = size * np.array([cells(p, 0.4) for p in share])
    chi2 = ((seen - null) ** 2 / null).sum(axis=1)

    assert (chi2 > stats.chi2.isf(0.05, 1)).mean() == pytest.approx(0.8, abs=0.06)


def test_more_certainty_needs_more_cases():
    base = kappa_sample_size(0.4, 0.7, (0.3, 0.3)).n

    assert kappa_sample_size(0.4, 0.7, (0.3, 0.3), power=0.9).n > base
    assert kappa_sample_size(0.4, 0.7, (0.3, 0.3), two_sided=True).n > base
    assert kappa_sample_size(0.4, 0.6, (0.3, 0.3)).n > base
    one_sided = kappa_sample_size_gof(0.4, 0.7, 0.3, two_sided=False).n
    assert one_sided < kappa_sample_size_gof(0.4, 0.7, 0.3).n


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: kappa_sample_size_gof(0.4, 0.4, 0.3),
        lambda: kappa_sample_size_gof(-0.2, 0.4, 0.3),
        lambda: kappa_sample_size_gof(0.4, 0.7, 0.0),
        lambda: kappa_sample_size_gof(0.4, 0.7, 0.3, power=1.0),
        lambda: kappa_sample_size(0.4, 1.7, (0.3, 0.3)),
        lambda: kappa_sample_size(0.4, 0.7, (0.3, 1.0)),
        lambda: kappa_sample_size(0.4, 0.95, (0.1, 0.6)),
    ],
)
def test_refusals(wrong):
    with pytest.raises(ValueError, match=r"expected|cannot reach|must lie"):
        wrong()


def test_intraclass_kappa_of_the_assumed_cells():
    """The cells assumed above have the kappa they are meant to have."""
    number = (cells(0.3, 0.7) * 100_000).round().astype(int)
    group = np.repeat([[1.0, 1], [0, 1], [0, 0]], number, axis=0)

    assert independent_kappas([group, group]).common == pytest.approx(0.7, abs=1e-3)
