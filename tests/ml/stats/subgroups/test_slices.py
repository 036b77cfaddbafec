from itertools import combinations

import numpy as np
import pytest

from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.subgroups.groups import Groups
from ml.stats.subgroups.pairwise import newcombe
from ml.stats.subgroups.slices import members, slice_effect, worst_slices

FEW = Settings(draws=199)


def columns_of(rng, n, count=4, levels=3):
    return {f"c{k}": Groups.of([f"l{v}" for v in rng.integers(0, levels, n)]) for k in range(count)}


def test_a_planted_slice_is_found(rng):
    columns = columns_of(rng, 800)
    inside = (columns["c1"].codes == 2) & (columns["c3"].codes == 0)
    wrong = rng.random(800) < np.where(inside, 0.6, 0.1)
    found = worst_slices(wrong, columns, settings=FEW)
    first = found.slices[0]

    assert first.conditions == (("c1", "l2"), ("c3", "l0"))
    assert first.words == "c1 = l2 and c3 = l0"
    assert first.rows.tolist() == np.flatnonzero(inside).tolist()
    assert first.p == 1 / 200
    assert first.inside == pytest.approx(wrong[inside].mean())
    ends = newcombe(
        wrong[inside].mean(), inside.sum(), wrong[~inside].mean(), (~inside).sum(), 0.95
    )
    assert (first.effect.low, first.effect.high) == pytest.approx(ends)
    assert found.confirmed_conditions == first.conditions
    assert found.confirmed.low > 0.2
    assert found.confirmed.n == 400


def test_scores_and_p_are_those_of_a_naive_search(rng):
    n = 90
    columns = columns_of(rng, n, 3, 2)
    loss = rng.random(n)
    found = worst_slices(loss, columns, settings=Settings(draws=400), smallest=10, keep=99)

    sets = {}
    levels = [(name, at) for name in columns for at in (0, 1)]
    for size in (1, 2, 3):
        for chosen in combinations(levels, size):
            if len({name for name, _ in chosen}) == size:
                inside = np.all([columns[name].codes == at for name, at in chosen], axis=0)
                if 10 <= inside.sum() <= n - 10:
                    sets.setdefault(inside.tobytes(), inside)

    def scores(values):
        centred = values - values.mean()
        return np.array(
            [
                centred[s].sum() / (values.var(ddof=1) * s.sum() * (n - s.sum()) / n) ** 0.5
                for s in sets.values()
            ]
        )

    known = np.sort(scores(loss))[::-1]
    assert found.looked_at == len(sets)
    assert [s.statistic for s in found.slices] == pytest.approx(known[known > 0], abs=1e-5)
    highest = np.array([scores(rng.permutation(loss)).max() for _ in range(400)])
    for at in (0, 3):
        assert found.slices[at].p == pytest.approx((highest >= known[at]).mean(), abs=0.1)


def test_nothing_beats_chance_at_the_stated_rate():
    rng = np.random.default_rng(3)
    columns = columns_of(rng, 120)
    small = [
        worst_slices(rng.random(120) < 0.3, columns, settings=Settings(draws=99), confirm=False)
        .slices[0].p
        for _ in range(200)
    ]  # fmt: skip

    assert np.mean(np.array(small) <= 0.1) == pytest.approx(0.1, abs=0.06)


def test_clusters_are_dealt_as_wholes():
    """Patients who are wholly right or wrong: 24 of them say little, 240 cases much."""
    rng = np.random.default_rng(11)
    patient = np.repeat(np.arange(24), 10)
    wrong = (np.arange(24) % 3 == 0)[patient]
    site = np.array(["a"] * 8 + ["b"] * 16)
    site[[0, 1, 3, 6, 9, 12, 15]] = "a"
    columns = {"site": Groups.of(site[patient].tolist()), **columns_of(rng, 240, 1, 2)}
    alone = worst_slices(wrong, columns, settings=FEW)
    whole = worst_slices(wrong, columns, Clusters.of(patient, "patient"), FEW)

    assert alone.slices[0].p == 0.005
    assert whole.slices[0].p > 0.02
    assert whole.slices[0].statistic == alone.slices[0].statistic
    assert "24 patients" in whole.method


def test_a_cluster_alone_in_its_size_stays(rng):
    codes = np.repeat(np.arange(20), np.arange(1, 21))
    columns = columns_of(rng, 210, 2, 2)
    found = worst_slices(rng.random(210) < 0.5, columns, Clusters.of(codes, "patient"), FEW)

    assert all(s.p == 1.0 for s in found.slices[:1])  # nothing can be dealt: no evidence


def test_two_names_of_the_same_cases_are_one_slice(rng):
    site = Groups.of(["a", "b"] * 100)
    found = worst_slices(
        np.arange(200) % 2 == 0, {"site": site, "copy": site}, settings=FEW, confirm=False
    )

    assert found.looked_at == 2
    assert [s.words for s in found.slices] == ["site = a"]


def test_order_of_cases_does_not_matter(rng):
    columns = columns_of(rng, 200)
    loss = rng.random(200)
    order = rng.permutation(200)
    plain = worst_slices(loss, columns, settings=FEW)
    turned = worst_slices(
        loss[order], {name: g.where(order) for name, g in columns.items()}, settings=FEW
    )

    assert [s.conditions for s in plain.slices[:5]] == [s.conditions for s in turned.slices[:5]]
    assert plain.slices[0].statistic == pytest.approx(turned.slices[0].statistic, abs=1e-5)


def test_many_columns_make_shorter_conjunctions(rng):
    found = worst_slices(rng.random(600), columns_of(rng, 600, 14, 3), settings=FEW, confirm=False)

    assert found.depth == 2
    assert found.looked_at <= 42 + 91 * 9


def test_effect_of_a_loss_is_a_bootstrap(rng):
    loss, inside = rng.random(100), np.arange(100) < 40
    found = slice_effect(loss, inside, Clusters.singles(100), FEW)

    assert found.value == pytest.approx(loss[:40].mean() - loss[40:].mean())
    spread = (loss[:40].var() / 40 + loss[40:].var() / 60) ** 0.5
    assert found.high - found.low == pytest.approx(2 * 1.96 * spread, rel=0.15)
    assert slice_effect(loss, inside & ~inside, Clusters.singles(100), FEW).value is None


@pytest.mark.parametrize(
    ("n", "said"), [(0, "same loss"), (6, "only 6 cases"), (30, "no level of a column")]
)
def test_too_little_to_search(n, said):
    columns = {"site": Groups.of(["a"] * n)}

    assert said in worst_slices(np.arange(n) % 2 == 0, columns, settings=FEW).reason


def test_missing_levels_belong_to_no_slice():
    site = Groups.of(["a"] * 30 + [None] * 30 + ["b"] * 30)
    found = worst_slices(np.arange(90) < 60, {"site": site}, settings=FEW)

    assert found.slices[0].words == "site = a"
    assert members((("site", "b"),), {"site": site}).sum() == 30


def test_malformed():
    site = {"site": Groups.of(["a", "b"])}
    with pytest.raises(ValueError, match="finite"):
        worst_slices(np.array([np.nan, 1]), site)
    with pytest.raises(ValueError, match="rows in every column"):
        worst_slices(np.zeros(3), site)
    with pytest.raises(ValueError, match="deepest"):
        worst_slices(np.zeros(2), site, deepest=4)
