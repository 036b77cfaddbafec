"""Ridge logistic regression against scikit-learn's, and folds that keep patients together."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.discrimination.auroc import auroc
from ml.stats.discrimination.ridge_logistic import cross_fitted_logistic, ridge_logistic


def drawn(n, m, seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, m)) * rng.uniform(0.01, 1000, m) + rng.normal(size=m) * 100
    z = (x[:, 0] - x[:, 0].mean()) / x[:, 0].std()
    return x, (z + noise * rng.normal(size=n) > 0.4).astype(np.int64)


@pytest.mark.parametrize(("n", "m", "c"), [(50, 5, 1.0), (300, 30, 0.1), (500, 8, 100.0)])
@pytest.mark.parametrize("noise", [1.0, 0.0])
def test_agrees_with_scikit_learn(n, m, c, noise):
    x, y = drawn(n, m, noise=noise)
    own = ridge_logistic(x, y, penalty=1 / c)
    peer = LogisticRegression(C=c, tol=1e-12, max_iter=20_000)
    peer.fit(StandardScaler().fit_transform(x), y)

    assert own.weights == pytest.approx(peer.coef_[0], abs=2e-5)
    assert own.intercept == pytest.approx(peer.intercept_[0], abs=2e-5)
    theirs = peer.decision_function(StandardScaler().fit_transform(x))
    assert own.log_odds(x) == pytest.approx(theirs, abs=1e-4)


def test_held_out_odds_agree_with_scikit_learn_fold_by_fold():
    x, y = drawn(120, 6)
    found = cross_fitted_logistic(x, y)
    for one in range(5):
        held = found.fold == one
        scaler = StandardScaler().fit(x[~held])
        peer = LogisticRegression(C=1.0, tol=1e-12, max_iter=20_000)
        peer.fit(scaler.transform(x[~held]), y[~held])
        assert found.log_odds[held] == pytest.approx(
            peer.decision_function(scaler.transform(x[held])), abs=1e-5
        )


def test_a_missing_number_counts_as_the_mean_of_its_column():
    x, y = drawn(60, 3)
    gone = x.copy()
    gone[::7, 1] = np.nan
    filled = gone.copy()
    filled[::7, 1] = np.nanmean(gone[:, 1])
    own = ridge_logistic(gone, y)
    # The spread is that of the known numbers.
    assert own.scale[1] == pytest.approx(np.nanstd(gone[:, 1]))
    assert own.log_odds(gone) == pytest.approx(own.log_odds(filled), abs=1e-12)


def test_the_unit_of_a_number_and_a_column_that_never_varies_change_nothing():
    x, y = drawn(60, 3)
    odds = ridge_logistic(x, y).log_odds(x)
    other = np.column_stack([x * [1e-60, 1e30, -1.0] + [0, 0, 5.0], np.full(60, 7.25)])
    assert ridge_logistic(other, y).log_odds(other) == pytest.approx(odds, abs=1e-8)
    assert ridge_logistic(other, y).weights[3] == 0


def test_the_more_it_is_held_down_the_smaller_its_weights():
    x, y = drawn(80, 4)
    sizes = [np.abs(ridge_logistic(x, y, penalty=p).weights).sum() for p in (0.01, 1, 100, 1e9)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 1e-5
    flat = ridge_logistic(x, y, penalty=1e9)
    assert flat.intercept == pytest.approx(np.log(y.mean() / (1 - y.mean())), abs=1e-4)


def test_patients_stay_together_and_every_fold_has_its_share():
    rng = np.random.default_rng(1)
    codes = np.repeat(np.arange(40), 3)
    y = np.repeat(np.arange(40) < 10, 3).astype(np.int64)
    found = cross_fitted_logistic(rng.normal(size=(120, 2)), y, Clusters.of(codes, "patient"))
    for patient in range(40):
        assert np.unique(found.fold[codes == patient]).size == 1
    assert [int(y[found.fold == one].sum()) for one in range(5)] == [6] * 5
    assert [int((found.fold == one).sum()) for one in range(5)] == [24] * 5


def test_a_number_that_only_names_the_patient_tells_nothing():
    """Fits that saw the patient would know his label from his number."""
    rng = np.random.default_rng(2)
    patient = np.repeat(np.arange(60), 4)
    y = np.repeat(rng.permutation(60) % 2, 4)
    fingerprint = np.repeat(rng.normal(size=(60, 50)), 4, axis=0)
    kept = cross_fitted_logistic(fingerprint, y, Clusters.of(patient, "patient")).log_odds
    split = cross_fitted_logistic(fingerprint, y).log_odds
    assert auroc(split, y).value > 0.95
    assert auroc(kept, y).value < 0.65


def test_useless_numbers_stay_at_chance_on_average():
    """Folds of unequal prevalence push an AUROC over all folds below one half: here to 0.44."""
    values = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        y = np.r_[np.ones(60), np.zeros(140)].astype(np.int64)
        odds = cross_fitted_logistic(rng.normal(size=(200, 1)), y, seed=seed).log_odds
        values.append(auroc(odds, y, None, Settings(draws=0)).value)
    assert np.mean(values) == pytest.approx(0.5, abs=0.03)


def test_the_order_of_columns_and_another_run_change_nothing():
    x, y = drawn(70, 5)
    one = cross_fitted_logistic(x, y, seed=4)
    assert np.array_equal(cross_fitted_logistic(x, y, seed=4).log_odds, one.log_odds)
    turned = cross_fitted_logistic(x[:, ::-1], y, seed=4)
    assert turned.log_odds == pytest.approx(one.log_odds, abs=1e-9)
    assert not np.array_equal(cross_fitted_logistic(x, y, seed=5).fold, one.fold)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"present": np.ones(20)}, "5 folds need"),
        ({"present": np.r_[np.ones(3), np.zeros(17)]}, "5 folds need"),
        ({"columns": np.zeros(20)}, "expected"),
        ({"columns": np.zeros((19, 2))}, "expected"),
        ({"columns": np.full((20, 1), np.inf)}, "another unit"),
        ({"penalty": 0.0}, "penalty"),
        ({"penalty": float("nan")}, "penalty"),
        ({"folds": 1}, "folds"),
    ],
)
def test_refuses_in_words(change, words):
    sound = {"columns": np.arange(20.0)[:, None], "present": np.arange(20) % 2}
    given = sound | change
    with pytest.raises(ValueError, match=words):
        cross_fitted_logistic(**given)


def test_a_fit_to_one_class_is_refused():
    with pytest.raises(ValueError, match="with and without"):
        ridge_logistic(np.zeros((4, 1)), np.ones(4))
