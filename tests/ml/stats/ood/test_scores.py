import numpy as np
import pytest
from scipy import special, stats
from sklearn.covariance import EmpiricalCovariance
from sklearn.neighbors import NearestNeighbors

from ml.stats.ood import feature_scores as fs
from ml.stats.ood import logit_scores as ls

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(30, 4)) * 3
X, Y = RNG.normal(size=(60, 3)) @ RNG.normal(size=(3, 3)), np.arange(60) % 3
NEW = RNG.normal(size=(20, 3)) * 3


def test_logit_scores_against_plain_formulas():
    p = special.softmax(LOGITS, axis=1)
    assert ls.max_softmax(LOGITS) == pytest.approx(1 - p.max(axis=1))
    assert ls.entropy(LOGITS) == pytest.approx(stats.entropy(p, axis=1))
    assert ls.energy(LOGITS, 2.0) == pytest.approx(-2 * np.log(np.exp(LOGITS / 2).sum(axis=1)))
    assert ls.generalized_entropy(LOGITS, 0.3) == pytest.approx(((p * (1 - p)) ** 0.3).sum(axis=1))
    top = np.sort(p, axis=1)[:, -2:]
    got = ls.generalized_entropy(LOGITS, 0.3, top=2)
    assert got == pytest.approx(((top * (1 - top)) ** 0.3).sum(axis=1))
    means = [p[p.argmax(axis=1) == c].mean(axis=0) for c in np.unique(p.argmax(axis=1))]
    expected = np.min([stats.entropy(p, m, axis=1) for m in means], axis=0)
    assert ls.kl_matching(LOGITS, LOGITS) == pytest.approx(expected)


@pytest.mark.parametrize(
    "score", [ls.max_softmax, ls.max_logit, ls.energy, ls.entropy, ls.generalized_entropy]
)
def test_unsure_is_more_foreign(score):
    sure, unsure = score(np.array([[9.0, 0.0, 0.0], [1.0, 0.9, 0.8]]))
    assert unsure > sure


def test_refusals_of_logits():
    with pytest.raises(ValueError, match="log-probabilities"):
        ls.energy(special.log_softmax(LOGITS, axis=1))
    with pytest.raises(ValueError, match="2 classes"):
        ls.max_logit(np.zeros((3, 1)))


def test_saturated_softmax_keeps_its_digits():
    assert ls.max_softmax(np.array([[60.0, 0.0]]))[0] == pytest.approx(np.exp(-60), rel=1e-9, abs=0)


def test_mahalanobis_against_scikit_learn():
    means = np.stack([X[c == Y].mean(axis=0) for c in range(3)])
    tied = EmpiricalCovariance(assume_centered=True).fit(X - means[Y])
    tied_distance = np.min([tied.mahalanobis(NEW - m) for m in means], axis=0)
    fitted = fs.fit_gaussians(X, Y)
    assert fs.mahalanobis(NEW, fitted) == pytest.approx(tied_distance)
    less = fs.fit_gaussians(X, Y, ddof="N-1")
    assert fs.mahalanobis(NEW, less) == pytest.approx(tied_distance * 59 / 60)
    overall = EmpiricalCovariance().fit(X).mahalanobis(NEW)
    assert fs.relative_mahalanobis(NEW, fitted) == pytest.approx(tied_distance - overall)


def test_rank_deficient_features_use_the_pseudo_inverse():
    doubled = fs.fit_gaussians(np.c_[X, X], Y)
    single = fs.mahalanobis(NEW, fs.fit_gaussians(X, Y))
    assert fs.mahalanobis(np.c_[NEW, NEW], doubled) == pytest.approx(single, rel=1e-6)


def test_knn_against_scikit_learn():
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    neighbours = NearestNeighbors(n_neighbors=4).fit(unit)
    points = NEW / np.linalg.norm(NEW, axis=1, keepdims=True)
    expected = neighbours.kneighbors(points)[0][:, -1]
    assert fs.knn_distance(NEW * 7, X, 4) == pytest.approx(expected)
    without = neighbours.kneighbors()[0][:, -1]
    assert fs.knn_distance(X, X, 4, exclude_self=True) == pytest.approx(without)
    twice = np.repeat(X[:5], 2, axis=0)
    assert fs.knn_distance(twice, twice, 1, exclude_self=True) == pytest.approx(0)
    with pytest.raises(ValueError, match="direction"):
        fs.knn_distance(np.zeros((1, 3)), X)


def test_vim_by_hand():
    z = np.zeros((2, 2))
    train = np.array([[3.0, 1.0], [-3.0, 1.0]])
    got = fs.virtual_logit(np.array([[0.0, 4.0]]), z[:1], train, z + 2, dimension=1)
    assert got == pytest.approx(2 * 4 - np.log(2))


def test_kl_matching_to_given_classes():
    classes = np.arange(30) % 2
    p = special.softmax(LOGITS, axis=1)
    means = [p[classes == c].mean(axis=0) for c in (0, 1)]
    expected = np.min([stats.entropy(p, m, axis=1) for m in means], axis=0)
    assert ls.kl_matching(LOGITS, LOGITS, classes) == pytest.approx(expected)


def test_vim_measures_from_its_origin():
    z, away = RNG.normal(size=(60, 2)), np.array([1.0, -2.0, 3.0])
    plain = fs.virtual_logit(NEW, z[:20], X, z, dimension=2)
    moved = fs.virtual_logit(NEW + away, z[:20], X + away, z, dimension=2, origin=away)
    assert moved == pytest.approx(plain)
    assert fs.virtual_logit(NEW + away, z[:20], X + away, z, dimension=2) != pytest.approx(plain)


@pytest.mark.parametrize("score", [ls.max_softmax, ls.entropy, ls.generalized_entropy])
def test_a_constant_added_to_all_logits_changes_no_probability(score):
    assert score(LOGITS + 700) == pytest.approx(score(LOGITS))
    assert np.isfinite(score(LOGITS * 1e5)).all()


def test_relabelled_classes_and_one_case():
    fitted, other = fs.fit_gaussians(X, Y), fs.fit_gaussians(X[::-1], 9 - Y[::-1])
    assert fs.mahalanobis(NEW, fitted) == pytest.approx(fs.mahalanobis(NEW, other))
    assert fs.mahalanobis(NEW[:0], fitted).size == 0
    with pytest.raises(ValueError, match="2 rows"):
        fs.fit_gaussians(X[:1], Y[:1])
