import numpy as np
import pytest
from hypothesis import given, settings

from ml.stats.agreement.dawid_skene import dawid_skene
from tests.ml.stats.agreement.test_krippendorff import rating_tables

# Dawid, Skene (1979), table 1: fitness of 45 patients for anaesthesia, 1 to 4, by five
# anaesthetists, the first of whom answered three times.
TABLE = """
1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223 4444444 2223343
1111111 2223212 1211111 1112111 1111111 1111111 2222221 2221322 2222222 2222221 2223222 2212222
1111111 1111111 2322222 1111111 1111111 1121121 1111111 3333233 1111111 2222222 2223232 4334343
2212232 2323233 3333432 1111111 1111111 1212111 2322222 1211111 2222222
"""
ANSWERS = np.array([list(row) for row in TABLE.split()], dtype=float) - 1
READER = np.array([0, 0, 0, 1, 2, 3, 4])


def test_anaesthetists_as_published():
    """Prevalences .40 .42 .11 .07; the first reader keeps .89 of class 1, .11 go to 2."""
    found = dawid_skene(ANSWERS, 4, reader=READER)

    assert found.converged
    assert found.prevalence.round(2).tolist() == [0.40, 0.42, 0.11, 0.07]
    assert found.confusion.shape == (5, 4, 4)
    assert found.confusion[0, 0].round(2).tolist() == [0.89, 0.11, 0, 0]
    assert found.labels[:3].tolist() == [0, 3, 1]


def log_likelihood(ratings, prevalence, confusion):
    """Case by case, class by class, without logarithms."""
    total = 0.0
    for row in ratings:
        each = prevalence.copy()
        for reader, answer in enumerate(row):
            if not np.isnan(answer):
                each = each * np.nan_to_num(confusion[reader, :, int(answer)])
        total += np.log(each.sum()) if not np.isnan(row).all() else 0
    return total


@given(rating_tables)
@settings(max_examples=60, deadline=None)
def test_likelihood_never_falls_and_shares_add_up(ratings):
    found = dawid_skene(ratings, 4, most=200)

    if np.isnan(ratings).all():
        assert found.posterior is None
        assert found.reason
        return
    steps = np.array(found.log_likelihood)
    assert (np.diff(steps) >= -1e-8 * np.maximum(1, np.abs(steps[:-1]))).all()
    assert found.iterations == steps.size
    assert found.prevalence.sum() == pytest.approx(1)
    rows = found.confusion.sum(axis=2)
    assert rows[~np.isnan(rows)] == pytest.approx(1)
    answered = ~np.isnan(ratings).all(axis=1)
    assert found.posterior[answered].sum(axis=1) == pytest.approx(1)
    assert np.isnan(found.posterior[~answered]).all()
    assert (found.labels[~answered] == -1).all()
    assert steps[-1] == pytest.approx(
        log_likelihood(ratings, found.prevalence, found.confusion), abs=1e-6
    )


def test_posterior_is_bayes_theorem(rng):
    truth = rng.integers(0, 2, 200)
    ratings = np.where(rng.random((200, 4)) < 0.8, truth[:, None], 1 - truth[:, None]).astype(float)
    ratings[rng.random(ratings.shape) < 0.2] = np.nan
    found = dawid_skene(ratings, 2)

    for row, posterior in zip(ratings, found.posterior, strict=True):
        given = [(r, int(a)) for r, a in enumerate(row) if not np.isnan(a)]
        joint = [
            found.prevalence[c] * np.prod([found.confusion[r, c, a] for r, a in given])
            for c in range(2)
        ]
        if given:
            assert posterior == pytest.approx(np.array(joint) / sum(joint), abs=1e-6)


def test_finds_readers_of_known_skill(rng):
    truth = rng.choice(3, 3000, p=[0.5, 0.3, 0.2])
    skill = np.array([0.9, 0.8, 0.7, 0.6])
    wrong = (truth[:, None] + rng.integers(1, 3, (3000, 4))) % 3
    ratings = np.where(rng.random((3000, 4)) < skill, truth[:, None], wrong).astype(float)
    found = dawid_skene(ratings, 3)

    assert found.prevalence == pytest.approx([0.5, 0.3, 0.2], abs=0.05)
    for reader, hit in enumerate(skill):
        assert np.diagonal(found.confusion[reader]) == pytest.approx(hit, abs=0.08)
    best = [np.bincount(row.astype(int), minlength=3).argmax() for row in ratings]
    assert (found.labels == truth).mean() > (np.array(best) == truth).mean()


def test_order_of_cases_and_names_do_not_matter(rng):
    ratings = ANSWERS[:, 2:]
    once = dawid_skene(ratings, 4)
    turned = dawid_skene(3 - ratings[::-1, ::-1], 4)

    assert turned.prevalence[::-1] == pytest.approx(once.prevalence, abs=1e-6)
    assert turned.posterior[::-1, ::-1] == pytest.approx(once.posterior, abs=1e-6)
    assert turned.confusion[::-1, ::-1, ::-1][0, 0] == pytest.approx(once.confusion[0, 0], abs=1e-6)


def test_copies_of_all_cases_change_nothing():
    once, thrice = dawid_skene(ANSWERS, 4), dawid_skene(np.tile(ANSWERS, (3, 1)), 4)

    assert thrice.prevalence == pytest.approx(once.prevalence)
    assert thrice.log_likelihood[-1] == pytest.approx(3 * once.log_likelihood[-1])


def test_many_readers_do_not_underflow():
    found = dawid_skene(np.tile([[0.0, 1] * 1000, [1, 0] * 1000], (3, 1)), 2)

    assert np.isfinite(found.log_likelihood).all()
    assert found.posterior.sum(axis=1) == pytest.approx(1)


def test_too_few_steps_are_said():
    found = dawid_skene(ANSWERS, 4, most=2)

    assert not found.converged
    assert found.iterations == 2


def test_refusals():
    for wrong in (
        {"most": 0},
        {"tolerance": 0.0},
        {"reader": np.array([0, 1])},
        {"reader": np.array([0, 0, 0, 1, 2, 3, 5])},
    ):
        with pytest.raises(ValueError, match=r"expected|must be"):
            dawid_skene(ANSWERS, 4, **wrong)
    with pytest.raises(ValueError, match="codes"):
        dawid_skene(ANSWERS, 3)
