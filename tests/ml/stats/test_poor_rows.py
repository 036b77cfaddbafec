"""Every measure on rows that hold too little: an answer, or a refusal in words, never a crash.

Warnings fail a test, so a division by zero that ends in NaN is found even where it is not shown.
"""

import warnings
from itertools import product

import pytest

from tests.ml.stats.poor import calibration
from tests.ml.stats.poor.rows import FOREIGN, SAME, SPOILS, cohort
from tests.ml.stats.poor.verdict import estimates, flaws, unexplained

ROOMS = {"calibration": calibration}
CLUSTERED = {f"{at}.{name}": call for at in ROOMS for name, call in ROOMS[at].CLUSTERED.items()}
OTHERS = {f"{at}.{name}": call for at in ROOMS for name, call in ROOMS[at].OTHERS.items()}
SIMULATED = {f"{at}.{name}" for at in ROOMS for name in ROOMS[at].SIMULATED}
MEASURES = CLUSTERED | OTHERS


@pytest.mark.parametrize("measure", MEASURES)
def test_poor_rows_get_an_answer_or_a_refusal_in_words(measure):
    wrong = []
    for spoil, make in SPOILS.items():
        rows = make(cohort())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                found = flaws(MEASURES[measure](rows))
        except Exception as error:  # every kind is judged
            found = [text] if (text := unexplained(error)) else []
        wrong += [f"{spoil}: {flaw}" for flaw in found]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("measure", CLUSTERED)
@pytest.mark.parametrize("kind", FOREIGN)
def test_clusters_of_other_rows_are_refused(measure, kind):
    with pytest.raises(ValueError, match="cluster"):
        CLUSTERED[measure](FOREIGN[kind](cohort()))


@pytest.mark.parametrize("measure", MEASURES)
def test_sound_rows_have_a_value(measure):
    assert all(one.value is not None for one in estimates(MEASURES[measure](cohort())))


@pytest.mark.parametrize(
    ("measure", "form"),
    [
        (measure, form)
        for measure, form in product(MEASURES, SAME)
        if not (form == "other order" and measure in SIMULATED)
    ],
)
def test_the_form_of_the_rows_changes_no_value(measure, form):
    expected, found = (
        {one.id: one.value for one in estimates(MEASURES[measure](rows))}
        for rows in (cohort(), SAME[form](cohort()))
    )

    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
