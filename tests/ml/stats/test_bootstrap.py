import numpy as np
import pytest
from scipy import stats

from ml.stats.bootstrap import (
    Settings,
    draw_counts,
    left_out_sums,
    pattern_replicate_sums,
    replicate_sums,
    replicates,
)
from ml.stats.clusters import Clusters
from ml.stats.interval import FISHER, jackknife_interval, percentile_interval


def test_each_replicate_draws_as_many_units_as_there_are():
    counts = np.concatenate(list(draw_counts(25, Settings(draws=300))))

    assert counts.shape == (300, 25)
    assert (counts.sum(axis=1) == 25).all()
    assert counts.mean() == pytest.approx(1)


@pytest.mark.parametrize("count", [7, 8, 300])
def test_every_unit_is_drawn_alike_and_apart(count):
    """Counts of a unit are binomial, mean 1 and variance 1 - 1/count; of two, slightly opposed."""
    settings = Settings(draws=6000)
    counts = np.concatenate(list(draw_counts(count, settings)))

    assert counts.mean(axis=0) == pytest.approx(np.ones(count), abs=5 * (1 / 6000) ** 0.5)
    assert counts.var() == pytest.approx(1 - 1 / count, rel=0.03)
    neighbours = np.corrcoef(counts[:, 0], counts[:, 1])[0, 1]
    assert neighbours == pytest.approx(-1 / (count - 1), abs=5 * (1 / 6000) ** 0.5)
    assert np.corrcoef(counts[:-1, 0], counts[1:, 0])[0, 1] == pytest.approx(0, abs=0.065)


def test_same_seed_same_draws_other_seed_other_draws():
    def first(seed):
        return next(draw_counts(40, Settings(draws=10, seed=seed))).tolist()

    assert first(1) == first(1)
    assert first(1) != first(2)


def as_told(count, settings, strata=None):
    """The draws by their definition: 64 replicates share the stream (seed, block); each row takes
    half as many words as units, the low half of a word first; 32 bits times the units, over 2^32,
    is the place in the stratum."""
    strata = np.zeros(count, int) if strata is None else strata
    members = [[u for u in range(count) if strata[u] == s] for s in sorted(set(strata.tolist()))]
    places = [stratum for stratum in members for _ in stratum]
    drawn = []
    for block in range(0, settings.draws, 64):
        stream = np.random.Generator(np.random.SFC64([settings.seed, block // 64]))
        for _ in range(min(64, settings.draws - block)):
            words = stream.integers(0, 2**64 - 1, -(-count // 2), np.uint64, endpoint=True).tolist()
            halves = [half for word in words for half in (word % 2**32, word // 2**32)]
            pairs = zip(places, halves, strict=False)
            units = [stratum[half * len(stratum) // 2**32] for stratum, half in pairs]
            drawn.append(np.bincount(units, minlength=count))
    return np.array(drawn)


@pytest.mark.parametrize(
    ("count", "draws"), [(1, 3), (2, 2), (7, 130), (8, 64), (8, 65), (40, 1), (9001, 3)]
)
def test_the_seed_stands_for_these_draws(count, draws):
    settings = Settings(draws=draws, seed=11)
    expected = as_told(count, settings)

    assert np.concatenate(list(draw_counts(count, settings))).tolist() == expected.tolist()
    assert replicates(lambda counts: counts, count, settings).tolist() == expected.tolist()


def test_the_seed_stands_for_these_draws_within_strata():
    strata, settings = np.random.default_rng(4).integers(-1, 3, 300), Settings(draws=70)
    counts = np.concatenate(list(draw_counts(300, settings, strata=strata)))
    assert counts.tolist() == as_told(300, settings, strata).tolist()


def test_what_is_said_in_every_method_is_the_default():
    assert Settings() == Settings(draws=2000, seed=20261123, level=0.95)


def test_of_no_unit_nothing_is_drawn():
    assert np.concatenate(list(draw_counts(0, Settings(draws=70)))).shape == (70, 0)
    assert replicate_sums(np.zeros((0, 2)), Settings(draws=70)).tolist() == [[0.0, 0.0]] * 70


def test_a_stratum_is_needed_for_each_unit_and_units_can_be_too_many():
    for strata in (np.zeros(4, int), np.zeros((5, 1), int)):
        with pytest.raises(ValueError, match="each of 5 units"):
            next(draw_counts(5, Settings(), strata=strata))
    with pytest.raises(ValueError, match="2147483647 units"):
        next(draw_counts(2**31, Settings(draws=1)))


def test_sums_of_strata_follow_their_draws():
    strata = np.array([0, 0, 0, 1, 1, 2])
    drawn = replicate_sums(np.eye(3)[strata], Settings(draws=20), strata=strata)
    assert drawn.tolist() == [[3.0, 2.0, 1.0]] * 20


def test_sums_follow_the_draws():
    sums = np.arange(12.0).reshape(6, 2)
    counts = np.concatenate(list(draw_counts(6, Settings(draws=50))))

    assert replicate_sums(sums, Settings(draws=50)) == pytest.approx(counts @ sums)


def test_strata_keep_their_number_of_units():
    strata = np.array([0, 1, 0, 2, 1, 0, 2, 1, 1, 0])
    counts = np.concatenate(list(draw_counts(10, Settings(draws=200), strata=strata)))

    for stratum in range(3):
        assert (counts[:, strata == stratum].sum(axis=1) == (strata == stratum).sum()).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(10), abs=0.25)


@pytest.mark.parametrize("strata", [None, np.arange(30) % 4])
def test_neither_threads_nor_chunks_change_a_replicate(monkeypatch, strata):
    def drawn():
        return replicates(
            lambda counts: counts, 30, Settings(draws=200), width=500, strata=strata
        ).tolist()

    alone = drawn()
    monkeypatch.setattr("ml.stats.bootstrap._SMALL", 0)
    monkeypatch.setattr("ml.stats.bootstrap._CHUNK", 70)

    assert drawn() == alone


def test_patterns_draw_the_same_distribution_as_units():
    values, times = np.array([0.0, 1.0, 4.0]), np.array([50, 30, 20])
    settings = Settings(draws=4000)
    by_unit = replicate_sums(np.repeat(values, times)[:, None], settings)
    by_pattern = pattern_replicate_sums(values[:, None], times, settings)

    assert by_pattern.mean() == pytest.approx(by_unit.mean(), rel=0.02)
    assert by_pattern.std() == pytest.approx(by_unit.std(), rel=0.05)


@pytest.mark.parametrize("multiplicity", [[3, 5, 12], [700, 200, 100]])
def test_the_seed_stands_for_its_patterns(multiplicity):
    def drawn(seed):
        settings = Settings(draws=5, seed=seed)
        return pattern_replicate_sums(np.eye(3), np.array(multiplicity), settings).tolist()

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_left_out_sums_by_hand():
    sums = np.array([[1.0, 10], [2, 20], [4, 40]])
    assert left_out_sums(sums).tolist() == [[6, 60], [5, 50], [3, 30]]


@pytest.mark.parametrize("held_back", [5.0, 0.1])
@pytest.mark.parametrize("multiplicity", [[3, 5, 12], [700, 200, 99, 1], [1, 750, 249]])
def test_patterns_are_drawn_from_the_multinomial(monkeypatch, multiplicity, held_back):
    """Every replicate has all units; means, variances and covariances are the multinomial's.

    With little held back, half of the replicates hold too many units and are drawn anew."""
    monkeypatch.setattr("ml.stats.bootstrap._HELD_BACK", held_back)
    number = np.array(multiplicity)
    n, share = number.sum(), number / number.sum()

    drawn = pattern_replicate_sums(np.eye(number.size), number, Settings(draws=40_000))

    assert (drawn.sum(axis=1) == n).all()
    expected = n * (np.diag(share) - np.outer(share, share))
    spread = np.sqrt(np.diag(expected))
    assert np.abs((drawn.mean(axis=0) - number) / spread).max() < 0.025
    assert np.abs(np.cov(drawn.T) - expected).max() < 0.03 * spread.max() ** 2


def test_strata_of_any_size_draw_their_own_units_alike():
    """A stratum of one unit always draws it; of the others every unit, also the last, is drawn."""
    strata = np.repeat([5, 2, 9], [1, 4, 11])[np.random.default_rng(3).permutation(16)]
    counts = np.concatenate(list(draw_counts(16, Settings(draws=4000), strata=strata)))

    assert (counts[:, strata == 5] == 1).all()
    for stratum, size in ((2, 4), (9, 11)):
        own = counts[:, strata == stratum]
        assert (own.sum(axis=1) == size).all()
        assert own.mean(axis=0) == pytest.approx(np.ones(size), abs=0.07)
        # Binomial: size draws, each unit with chance 1 / size.
        assert own.var(axis=0) == pytest.approx(np.full(size, 1 - 1 / size), abs=0.12)
    across = np.corrcoef(counts[:, strata == 2][:, 0], counts[:, strata == 9][:, 0])[0, 1]
    assert abs(across) < 0.06


@pytest.mark.parametrize(
    "wrong", [{"draws": -1}, {"draws": 1.5}, {"seed": -1}, {"level": 0}, {"level": 1}]
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)


def test_without_draws_there_is_no_interval():
    drawn = replicate_sums(np.ones((12, 2)), Settings(draws=0))
    assert drawn.shape == (0, 2)
    found = percentile_interval(drawn[:, 0], Clusters.singles(12), Settings(draws=0))
    assert found.low is None
    assert "draws" in found.reason


def test_a_jackknife_of_means_is_students_interval():
    sample = np.random.default_rng(3).normal(2, 1, size=15)
    left = (sample.sum() - sample) / 14
    found = jackknife_interval(float(sample.mean()), left, Clusters.singles(15), 0.95)
    half = stats.t.ppf(0.975, 14) * sample.std(ddof=1) / 15**0.5
    assert [found.low, found.high] == pytest.approx([sample.mean() - half, sample.mean() + half])


def test_a_jackknife_at_a_bound_or_of_few_units_has_no_interval():
    units = Clusters.singles(12)
    left = np.linspace(0.5, 1, 12)
    assert "bound" in jackknife_interval(0.9, left, units, 0.95, turned=FISHER).reason
    few = jackknife_interval(0.9, left[:9], Clusters.singles(9), 0.95)
    assert "at least 10" in few.reason
    assert "no spread" in jackknife_interval(0.9, np.full(12, 0.9), units, 0.95).reason
