"""Exactly the k-th neighbour, also where single precision cannot tell who that is."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from ml.stats.ood import feature_scores as fs
from ml.stats.ood import head_scores as hs
from ml.stats.ood import lead, nearest
from ml.stats.ood.nearest import Work, kth_distance
from ml.stats.ood.single import Frame, Rows, in_single

RNG = np.random.default_rng(5)


def spread_over(kind, n, d=96):
    """Points (n, d) whose spread is held by few directions, by many, by classes, or by none."""
    rng = np.random.default_rng([n, d])
    turned = np.linalg.qr(np.random.default_rng(d).normal(size=(d, d)))[0]
    rank = 1.0 + np.arange(d)
    sizes = {"few": 3.0**-rank + 1e-3, "many": rank**-0.5, "noise": np.ones(d),
             "classes": 0.2 * rank**-0.5}[kind]  # fmt: skip
    points = rng.normal(size=(n, d)) * sizes @ turned
    if kind == "classes":
        points += np.random.default_rng(d).normal(size=(5, d))[rng.integers(0, 5, n)]
    return points


def kth_of_all_pairs(points, others, k, *, without_self=False):
    distances = cdist(points, others)
    if without_self:
        np.fill_diagonal(distances, np.inf)
    return np.sort(distances, axis=1)[:, k - 1]


@pytest.fixture
def directed(monkeypatch):
    """Directions are looked for however small the question is."""
    monkeypatch.setattr(lead, "_WORTH", 0)


@pytest.mark.usefixtures("directed")
@pytest.mark.parametrize("useful", [True, False])
@pytest.mark.parametrize("kind", ["few", "many", "classes", "noise"])
@pytest.mark.parametrize(("k", "m"), [(1, 300), (5, 1300)])
def test_what_directions_rule_out_is_not_near(monkeypatch, kind, k, m, useful):
    if not useful:  # they are taken all the same, and never given up
        monkeypatch.setattr(lead, "_MOST", np.inf)
        monkeypatch.setattr(nearest, "_KEPT", np.inf)
    others, points = spread_over(kind, m), spread_over(kind, 300) * 1.2

    found = kth_distance(points, others, k)

    assert found == pytest.approx(kth_of_all_pairs(points, others, k), rel=1e-9, abs=0)
    own = kth_distance(others, others, k, exclude_self=True)
    expected = kth_of_all_pairs(others[:300], others, k, without_self=True)
    assert own[:300] == pytest.approx(expected, rel=1e-9, abs=0)


@pytest.mark.usefixtures("directed")
def test_most_pairs_are_ruled_out_where_few_directions_hold_the_spread():
    pairs, spent = 700 * 1400, {}
    for kind in ("few", "noise"):
        work = Work()
        kth_distance(spread_over(kind, 700), spread_over(kind, 1400), 5, work=work)
        assert work.pairs == pairs
        assert 700 <= work.in_double < 0.01 * pairs
        spent[kind] = work.in_single / pairs

    assert spent["few"] < 0.05
    assert spent["noise"] >= 1


@pytest.mark.usefixtures("directed")
@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["few", "many"])
def test_bounds_hold_for_every_pair(monkeypatch, kind, precision):
    points, others = (spread_over(kind, n).astype(precision) + 3 for n in (300, 400))
    rows = Rows.of(points, True), Rows.of(others, True)
    frame = Frame.of(*rows)
    monkeypatch.setattr(lead, "_MOST", np.inf)
    single = in_single(*rows, 401, frame, lead.directions(*rows, frame))
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in map(np.float64, (points, others)))
    a, b = a - frame.middle, b - frame.middle
    true = a @ b.T - (b**2).sum(axis=1) / 2

    off = np.abs((single.left @ single.right.T)[:, :400] - true)
    assert (off <= single.error[:, None]).all()
    above = (single.left_parts @ single.right_parts.T)[:, :400] - true
    assert (above >= -single.parts_error[:, None]).all()
    assert np.median(above) < {"few": 0.05, "many": 0.5}[kind] * np.ptp(true)


@pytest.mark.usefixtures("directed")
def test_single_precision_gives_what_the_same_numbers_give_in_double():
    others, points = (spread_over("few", n).astype(np.float32) for n in (1400, 200))
    wide = kth_distance(points.astype(np.float64), others.astype(np.float64), 5, unit=True)

    assert np.array_equal(kth_distance(points, others, 5, unit=True), wide)
    assert np.array_equal(fs.knn_distance(points, others, 5), wide)
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in map(np.float64, (points, others))]
    assert wide == pytest.approx(kth_of_all_pairs(*unit, 5), rel=1e-9, abs=0)


@pytest.mark.usefixtures("directed")
def test_neighbours_nearer_to_each_other_than_single_precision_tells():
    """Twenty others about as near: which is the fifth, only double precision tells."""
    others, points = spread_over("few", 1400), spread_over("few", 64)
    away = np.random.default_rng(1).normal(size=(64, 20, 96))
    away *= (1e-2 + 1e-9 * np.arange(20))[:, None] / np.linalg.norm(away, axis=2, keepdims=True)
    others[: 64 * 20] = (points[:, None] + away).reshape(-1, 96)
    work = Work()

    found = kth_distance(points, others, 5, work=work)

    assert found == pytest.approx(np.full(64, 1e-2 + 4e-9), rel=1e-10, abs=0)
    assert work.in_double >= 64 * 15


def test_points_that_are_alike_come_together_and_each_once():
    rows = spread_over("classes", 1000).astype(np.float32)
    parts = lead.alike(rows, 64)

    assert sorted(np.concatenate(parts).tolist()) == list(range(1000))
    assert all(16 <= part.size <= 64 for part in parts)
    within = np.mean([rows[part][:, :8].var(axis=0).sum() for part in parts])
    assert within < 0.5 * rows[:, :8].var(axis=0).sum()


@pytest.mark.usefixtures("directed")
def test_points_without_any_spread_have_no_directions():
    others = np.ones((300, 70))

    assert kth_distance(others * 2, others, 3) == pytest.approx(np.full(300, 70**0.5))
    with pytest.raises(ValueError, match="direction"):
        kth_distance(np.zeros((2, 70)), others, 1, unit=True)


@pytest.mark.parametrize("k", [1, 5, 60])
@pytest.mark.parametrize(
    ("m", "d", "spread", "away"),
    [
        (700, 8, 1.0, 0.0),
        (700, 300, 1.0, 3.0),
        (300, 20, 1e-7, 1.0),  # all alike but for what single precision does not hold
        (300, 20, 1e30, 0.0),  # squares of which it does not hold either
        (61, 3, 1.0, 0.0),
    ],
)
def test_distances_are_those_of_all_pairs(k, m, d, spread, away):
    others = RNG.normal(size=(m, d)) * spread + away
    points = np.concatenate([RNG.normal(size=(530, d)) * spread + away, others[:4]])

    expected = np.sort(cdist(points, others), axis=1)[:, k - 1]

    assert kth_distance(points, others, k) == pytest.approx(expected, rel=1e-9, abs=0)
    own = np.sort(cdist(others, others) + np.diag(np.full(m, np.inf)), axis=1)[:, k - 1]
    found = kth_distance(others, others, k, exclude_self=True)
    assert found == pytest.approx(own, rel=1e-9, abs=0)


def test_many_copies_of_one_point_are_all_near():
    others = np.repeat(RNG.normal(size=(3, 4)), 100, axis=0)

    assert kth_distance(others, others, 99, exclude_self=True).max() == 0
    assert kth_distance(others, others, 100, exclude_self=True).min() > 0


def test_refusals():
    for wrong in (np.full((2, 2), np.nan), np.full((2, 2), 1e200), np.zeros((2, 3)), np.zeros(2)):
        with pytest.raises(ValueError, match=r"points|expected"):
            kth_distance(wrong, np.zeros((4, 2)), 1)
    with pytest.raises(ValueError, match="k must be"):
        kth_distance(np.zeros((2, 2)), np.zeros((2, 2)), 2, exclude_self=True)


def test_features_in_single_precision_give_the_scores_of_double():
    train, new = (np.abs(RNG.normal(size=(n, 40))).astype(np.float32) for n in (200, 90))
    head = hs.Head(RNG.normal(size=(40, 3)), RNG.normal(size=3))
    z, z_new = train @ head.weights + head.bias, new @ head.weights + head.bias
    wide, new_wide = train.astype(float), new.astype(float)
    classes = z.argmax(axis=1)

    threshold = hs.react_threshold(train)
    assert threshold == hs.react_threshold(wide) == pytest.approx(np.quantile(wide, 0.9))
    assert hs.react(new, head, threshold) == pytest.approx(
        hs.react(new_wide, head, threshold), abs=1e-5
    )
    both = [hs.hopfield(a, z_new.argmax(axis=1), b, classes)
            for a, b in ((new, train), (new_wide, wide))]  # fmt: skip
    assert both[0] == pytest.approx(both[1], rel=1e-5)
    both = [fs.virtual_logit(a, z_new, b, z, dimension=20, origin=head.origin)
            for a, b in ((new, train), (new_wide, wide))]  # fmt: skip
    assert both[0] == pytest.approx(both[1], abs=1e-4)


@pytest.mark.parametrize("size", [1e-30, 1e25])
def test_what_single_precision_cannot_square_is_squared_in_double(size):
    train = (np.abs(RNG.normal(size=(50, 6))) * size).astype(np.float32)

    (taken,) = hs.as_given(train)

    assert taken.dtype == np.float64
    z = np.zeros((50, 2))
    assert np.isfinite(fs.virtual_logit(train, z, train, z + 1, dimension=3)).all()


def test_the_spread_of_all_is_that_within_classes_and_between_them():
    x = RNG.normal(size=(90, 5)) + np.repeat(RNG.normal(size=(3, 5)) * 9, 30, axis=0)
    fitted = fs.fit_gaussians(x, np.repeat(np.arange(3), 30), ddof="N-1")

    expected = np.linalg.inv(np.cov(x.T))
    assert fitted.overall_root @ fitted.overall_root.T == pytest.approx(expected)


def test_directions_that_hardly_vary_are_left_out_by_either_way():
    x = RNG.normal(size=(60, 4))
    x[:, 3] *= 1e-7  # variance of 1e-14 of the largest: none, by the rule
    with_it = fs.mahalanobis(x, fs.fit_gaussians(x, np.zeros(60, int)))

    assert with_it == pytest.approx(
        fs.mahalanobis(x[:, :3], fs.fit_gaussians(x[:, :3], np.zeros(60, int))), rel=1e-5
    )
