import numpy as np
import pytest

from ml.checks.columns import columns_of
from ml.checks.scored import calls_at, operating_point, scored_cases
from ml.checks.subgroup_measures import compare, of_all, outranked_in
from ml.protocol import Protocol
from ml.stats.bootstrap import Settings
from ml.stats.discrimination.auroc import auroc


@pytest.fixture
def compared(make_evidence, rng):
    protocol = Protocol.parse({})
    scores, present = rng.random(300), np.arange(300) % 2
    columns = {"sex": rng.choice(["f", "m"], 300), "site": rng.choice(["a", "b", "c"], 300)}
    evidence = make_evidence(scores, present, covariates=columns)
    scored = scored_cases(evidence)
    calls = calls_at(evidence, scored, operating_point(evidence.prediction, protocol))
    usable = columns_of(evidence, protocol, calls.rows).usable
    return scored, calls, compare(usable, scored, calls, Settings(draws=200))


def test_every_measure_of_every_column_is_tested(compared):
    _, _, found = compared

    assert [(c.measure, c.column.name) for c in found] == [
        (measure, column)
        for measure in ("auroc", "sensitivity", "specificity", "intercept")
        for column in ("sex", "site")
    ]
    assert all(c.p is not None for c in found)


def test_p_values_are_adjusted_for_all_of_them(compared):
    _, _, found = compared
    p = np.array([c.p for c in found])
    adjusted = np.array([c.adjusted for c in found])

    # True of every method that holds the family-wise error step by step or at once.
    assert adjusted.min() == pytest.approx(min(1.0, p.min() * p.size))
    assert (adjusted >= p).all()
    assert (adjusted <= 1).all()


def test_the_row_of_all_cases(compared):
    scored, calls, _ = compared
    settings = Settings(draws=200)

    assert of_all("auroc", scored, calls, settings) == auroc(scored.scores, scored.present)
    found = of_all("specificity", scored, calls, settings)
    assert found.id == "specificity"
    assert found.value == pytest.approx(1 - calls.called[~calls.present].mean())


def test_outranked_cases_by_comparing_all(compared):
    scored, _, found = compared
    c = found[0]
    inside = np.array(c.column.groups.codes) == 0
    with_finding = [k for k in np.flatnonzero(inside) if scored.present[k] == 1]
    without = [k for k in np.flatnonzero(inside) if scored.present[k] == 0]
    expected = [
        k for k in with_finding if any(scored.scores[k] < scored.scores[j] for j in without)
    ]
    rows = outranked_in(c, "f", scored)

    assert sorted(rows.tolist()) == expected
    assert (np.diff(scored.scores[rows]) >= 0).all()
