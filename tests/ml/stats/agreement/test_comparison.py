import numpy as np
import pytest
from scipy import stats

from ml.stats.agreement.chance_corrected import IDS, chance_corrected
from ml.stats.agreement.comparison import independent_kappas, paired_difference
from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters


@pytest.fixture
def two_groups(rng):
    truth = rng.integers(0, 3, 200)

    def read(skill, readers):
        guess = rng.integers(0, 3, (200, readers))
        return np.where(rng.random((200, readers)) < skill, truth[:, None], guess).astype(float)

    return read(0.8, 3), read(0.5, 2)


@pytest.mark.parametrize("coefficient", IDS)
def test_difference_of_the_two_values(two_groups, coefficient):
    first, second = two_groups
    found = paired_difference(first, second, coefficient, 3, "quadratic")
    alone = [chance_corrected(one, coefficient, 3, "quadratic") for one in two_groups]

    assert found.value == pytest.approx(alone[0].value - alone[1].value)
    assert found.low < found.value < found.high
    assert found.extra["p"] == pytest.approx(2 * stats.t.sf(found.value / found.extra["se"], 199))
    turned = paired_difference(second, first, coefficient, 3, "quadratic")
    assert turned.low == pytest.approx(-found.high)


def test_pairing_counts(two_groups):
    """Shared cases correlate: neither the sum of both variances, nor blind to either."""
    first, second = two_groups
    found = paired_difference(first, second, "fleiss", 3)
    a, b = (chance_corrected(one, "fleiss", 3).extra["se"] for one in two_groups)
    shuffled = paired_difference(first, second[::-1], "fleiss", 3)

    assert found.extra["se"] != pytest.approx(np.hypot(a, b), rel=1e-3)
    assert shuffled.extra["se"] != pytest.approx(found.extra["se"], rel=1e-3)
    assert shuffled.extra["se"] == pytest.approx(np.hypot(a, b), rel=0.15)


def test_bootstrap_agrees_with_linearised(two_groups):
    closed, drawn = (
        paired_difference(*two_groups, "gwet_ac", 3, interval=way)
        for way in ("linearised", "bootstrap")
    )

    assert drawn.low == pytest.approx(closed.low, abs=0.02)
    assert drawn.high == pytest.approx(closed.high, abs=0.02)


def test_replicates_are_differences_in_the_same_draws(two_groups, rng):
    clusters, few = Clusters.of(rng.integers(0, 40, 200), "patient"), Settings(draws=60)
    counts = np.concatenate(list(draw_counts(clusters.count, few)))
    rows = [np.repeat(np.arange(200), row[clusters.codes].astype(int)) for row in counts]
    values = [paired_difference(*(one[r] for one in two_groups), "conger", 3).value for r in rows]
    found = paired_difference(
        *two_groups, "conger", 3, "identity", clusters, few, interval="bootstrap"
    )

    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, (0.025, 0.975))))


def test_copies_within_a_cluster_add_nothing(two_groups):
    patients = Clusters.of(np.repeat(np.arange(200), 3), "patient")
    copies = [np.repeat(one, 3, axis=0) for one in two_groups]
    copied = paired_difference(*copies, "fleiss", 3, clusters=patients)

    assert copied.extra["se"] == pytest.approx(
        paired_difference(*two_groups, "fleiss", 3).extra["se"]
    )


def test_the_same_readers_do_not_differ(two_groups):
    found = paired_difference(two_groups[0], two_groups[0], "fleiss", 3)

    assert found.value == 0
    assert not found.has_interval


def test_missing_answers_and_undefined(two_groups):
    first, second = two_groups
    holed = second.copy()
    holed[:50] = np.nan

    assert paired_difference(first, holed, "krippendorff", 3).n == 200
    assert (
        "two readers" in paired_difference(first, np.full_like(second, np.nan), "fleiss", 3).reason
    )
    assert "equal" in paired_difference(first, np.zeros_like(second), "fleiss", 3).reason
    assert "only 3" in paired_difference(first[:3], second[:3], "gwet_ac", 3).reason
    with pytest.raises(ValueError, match="same cases"):
        paired_difference(first, second[1:], "fleiss", 3)
    with pytest.raises(ValueError, match="interval must be"):
        paired_difference(first, second, "fleiss", 3, interval="exact")


def group(both, apart, neither):
    return np.array([[1.0, 1]] * both + [[0, 1]] * apart + [[0, 0]] * neither)


def test_independent_groups_cell_by_cell():
    cells = np.array([[15, 5, 30], [10, 20, 20]])
    found = independent_kappas([group(*row) for row in cells])
    share = [(2 * a + b) / (2 * (a + b + c)) for a, b, c in cells]
    kappas = [1 - b / (2 * 50 * p * (1 - p)) for (a, b, c), p in zip(cells, share, strict=True)]
    room = [p * (1 - p) for p in share]
    common = np.average(kappas, weights=room)
    statistic = sum(
        (seen - 50 * chance) ** 2 / (50 * chance)
        for row, p, r in zip(cells, share, room, strict=True)
        for seen, chance in zip(
            row, (p * p + common * r, 2 * r * (1 - common), (1 - p) ** 2 + common * r), strict=True
        )
    )

    assert found.kappas == pytest.approx(tuple(kappas))
    assert found.common == pytest.approx(common)
    assert found.statistic == pytest.approx(statistic)
    assert found.p == pytest.approx(stats.chi2.sf(statistic, 1))


def test_intraclass_kappa_is_scotts_pi_and_equal_groups_fit():
    one = group(15, 5, 30)
    found = independent_kappas([one, one, one])

    assert found.kappas[0] == pytest.approx(chance_corrected(one, "fleiss", 2).value)
    assert found.statistic == pytest.approx(0, abs=1e-9)
    assert (found.df, found.p) == (2, pytest.approx(1))


def test_size_of_the_homogeneity_test(rng):
    def sample():
        truth = rng.random(150) < 0.4
        same = rng.random(150) < 0.6
        return np.column_stack([truth, np.where(same, truth, rng.random(150) < 0.4)]).astype(float)

    p = [independent_kappas([sample(), sample()]).p for _ in range(300)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.04)


def test_groups_that_cannot_be_compared():
    one = group(15, 5, 30)

    assert "no case" in independent_kappas([one, np.full((3, 2), np.nan)]).reason
    assert "equal" in independent_kappas([one, np.ones((5, 2))]).reason
    assert "impossible" in independent_kappas([group(5, 0, 5), group(5, 0, 5)]).reason
    for wrong in ([one], [one, np.ones((3, 3))], [one, 2 * np.ones((3, 2))]):
        with pytest.raises(ValueError, match=r"expected|codes"):
            independent_kappas(wrong)
