"""Every measure on rows that hold too little: an answer, or a refusal in words, never a crash.

Warnings fail a test, so a division by zero that ends in NaN is found even where it is not shown.
"""

import warnings
from itertools import product

import pytest

from tests.ml.stats.poor import (
    agreement,
    calibration,
    comparison,
    discrimination,
    explanation,
    mrmc,
    ood,
    robustness,
    segmentation,
    shared,
    subgroups,
    uncertainty,
    utility,
)
from tests.ml.stats.poor.rows import FOREIGN, SAME, SPOILS, cohort, tied
from tests.ml.stats.poor.verdict import estimates, flaws, unexplained

ROOMS = {
    "agreement": agreement,
    "calibration": calibration,
    "comparison": comparison,
    "discrimination": discrimination,
    "explanation": explanation,
    "mrmc": mrmc,
    "ood": ood,
    "robustness": robustness,
    "segmentation": segmentation,
    "shared": shared,
    "subgroups": subgroups,
    "uncertainty": uncertainty,
    "utility": utility,
}
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


# Rooms whose calls give equal rows a place of their own.
SORTED = ("agreement", "comparison", "mrmc", "robustness")


@pytest.mark.parametrize(
    "measure",
    [name for name in MEASURES if name not in SIMULATED and name.split(".")[0] not in SORTED],
)
def test_the_order_of_tied_rows_changes_no_value(measure):
    expected, found = (
        {one.id: one.value for one in estimates(MEASURES[measure](rows)) if one.value is not None}
        for rows in (tied(cohort()), SAME["other order"](tied(cohort())))
    )

    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
