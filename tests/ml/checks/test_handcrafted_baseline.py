"""The handcrafted baseline: planted cohorts that give their labels away, and clean twins."""

from dataclasses import replace

import numpy as np
import pytest

from ml.checks.handcrafted_baseline import GAIN, handcrafted_baseline
from ml.checks.handcrafted_columns import columns_of
from ml.checks.registry import State
from ml.evidence.described import OF_BOTH, OF_FILES, OF_PIXELS, OF_VOLUMES
from ml.limits import DEFAULT_LIMITS
from ml.protocol import DEFAULT_CHECKS, Protocol
from ml.zoo import stripes
from tests.ml.checks.images import answers, cohort, measured, without_scores

ASKED = Protocol.parse({"checks": ["handcrafted-baseline"], "draws": 200})


def audit(evidence, protocol=ASKED):
    return handcrafted_baseline(evidence, protocol)


def values(result):
    return {one.id: one for one in result.estimates}


def findings(result):
    return {one.id.partition(".")[2]: one for one in result.findings}


@pytest.fixture(scope="module")
def clean():
    return cohort()


@pytest.fixture(scope="module")
def bright():
    return cohort(planted="brightness", network=stripes.brightness)


def test_a_network_that_sees_what_no_number_shows_is_better(clean):
    result = audit(clean)
    found = values(result)

    assert found["auroc:model"].value > 0.98
    assert found["auroc:handcrafted"].value < 0.65
    assert found[GAIN].low > 0.2
    assert found[GAIN].value == pytest.approx(
        found["auroc:model"].value - found["auroc:handcrafted"].value
    )
    assert findings(result)[GAIN].state is State.PASS
    assert findings(result)[GAIN].claim.startswith("It ranks cases better than")
    assert result.state is State.PASS
    # No fact of these files differs between cases.
    assert found["auroc:files"].value is None
    assert "written alike" in found["auroc:files"].reason


def test_where_brightness_gives_the_label_away_numbers_match_the_network(bright):
    result = audit(bright)
    found = values(result)

    assert found["auroc:model"].value > 0.9
    assert found["auroc:pixels"].value > 0.9
    assert found[GAIN].low < 0
    gain = findings(result)[GAIN]
    assert gain.state in (State.CAUTION, State.FAIL)
    assert "not shown to rank cases better" in gain.claim
    assert gain.action
    mean = next(row for row in result.series[0]["rows"] if row["label"] == "mean, alone")
    assert mean["estimate"]["value"] > 0.9


def test_a_network_that_numbers_beat_fails_and_the_cases_are_listed(bright):
    rng = np.random.default_rng(1)
    noisy = (bright.prediction.score + rng.normal(0, 0.8, 80)).clip(0, 1)
    result = audit(replace(bright, prediction=answers(noisy)))
    gain = findings(result)[GAIN]

    assert gain.state is State.FAIL
    assert "rank cases better than it does" in gain.claim
    called = noisy >= 0.5
    wrong = {bright.case_ids[row] for row in np.flatnonzero(called != (bright.present == 1))}
    assert gain.cases
    assert set(gain.cases) <= wrong
    shown = result.series[1]
    at = shown["fields"].index("only the numbers are right")
    assert [row[0] for row in shown["rows"] if row[at] == 1] == list(gain.cases)
    odds = np.array(
        [row[shown["fields"].index("log odds of handcrafted")] for row in shown["rows"]]
    )
    highest = set(np.argsort(-odds, kind="stable")[: called.sum()].tolist())
    expected = [
        case for row, case in enumerate(bright.case_ids)
        if case in wrong and (row in highest) == (bright.present[row] == 1)
    ]  # fmt: skip
    assert list(gain.cases) == expected


def test_files_that_give_the_label_away_are_a_finding_and_their_pixels_are_not(clean):
    result = audit(cohort(planted="file"))
    found = values(result)

    assert found["auroc:files"].value == 1.0
    assert found["auroc:pixels"].value < 0.65
    finding = findings(result)["auroc:files"]
    assert finding.state is State.FAIL
    assert "colour mode" in finding.why
    assert "source" in finding.action
    # The same pictures, stored alike.
    assert findings(audit(clean))["auroc:files"].state is State.NOT_ASSESSED


def test_how_well_a_file_is_compressed_is_no_fact_of_files_alone(clean):
    """It hangs on what the image shows: it counts among all numbers, and accuses no file."""
    numbers = clean.described.numbers.copy()
    numbers[:, clean.described.names.index("bytes per pixel")] = clean.present
    found = values(audit(replace(clean, described=replace(clean.described, numbers=numbers))))
    assert found["auroc:handcrafted"].value == 1.0
    assert found["auroc:files"].value is None
    assert found["auroc:pixels"].value < 0.65


def test_useless_facts_of_files_pass_only_where_enough_cases_show_it(clean):
    rng = np.random.default_rng(4)
    widths = tuple(np.repeat(rng.normal(500, 50, 200), 2).tolist())
    many = cohort(n=400)
    result = audit(replace(many, facts={"width": widths}))
    files = findings(result)["auroc:files"]
    assert values(result)["auroc:files"].value < 0.6
    assert files.state is State.PASS


def test_a_fact_that_is_missing_is_told_too(clean):
    depth = tuple(8.0 if one else None for one in clean.present == 1)
    result = audit(replace(clean, facts={"bits": depth}))
    assert values(result)["auroc:files"].value == 1.0
    names = [row["label"] for row in result.series[0]["rows"]]
    assert "bits is missing, alone" in names


def test_words_become_a_column_each_and_what_never_varies_none(clean):
    rows = np.arange(80)
    kinds = tuple("abc"[at % 3] for at in range(80))
    facts = {"file type": kinds, "colour mode": ("L",) * 80, "modality": ("MR", "CT") * 40}
    found = columns_of(replace(clean, facts=facts), clean.described, rows)
    assert [one.name for one in found if one.of == "files"] == [
        "file type a", "file type b", "file type c", "modality CT",
    ]  # fmt: skip
    assert {one.name for one in found if one.of == "pixels"} <= set(OF_PIXELS)
    assert "colour" not in {one.name for one in found}, "these pictures are all grey"
    assert not set(OF_FILES) & set(OF_PIXELS)
    assert set(OF_VOLUMES) <= set(OF_FILES)
    assert not set(OF_BOTH) & {*OF_FILES, *OF_PIXELS}


def test_no_fit_sees_the_patient_whose_odds_it_gives():
    """Facts that only name a patient: with his other case in the fit they know his label."""
    rng = np.random.default_rng(8)
    facts = {f"fact {at}": tuple(np.repeat(rng.normal(size=60), 2).tolist()) for at in range(40)}
    evidence = replace(cohort(n=120), facts=facts)
    split = replace(evidence, cluster=np.arange(120), cluster_kind="case")

    assert values(audit(split))["auroc:files"].value > 0.8
    assert values(audit(evidence))["auroc:files"].value < 0.65


def test_cases_that_cannot_be_read_or_scored_are_left_out_and_listed():
    full = cohort()
    numbers = np.random.default_rng(5)
    rises = np.arange(80) // 2 % 2 == 1
    pictures = [stripes.picture(one, numbers) for one in rises]
    pictures[3] = pictures[7] = None
    part = without_scores(replace(full, described=measured(full.case_ids, pictures)), [5])
    result = audit(part)

    assert values(result)["auroc:model"].n == 77
    assert findings(result)["unread-images"].cases == ("s0003", "s0007")
    assert "image_unreadable" in findings(result)["unread-images"].why
    assert findings(result)["failed-cases"].cases == ("s0005",)
    assert len(result.series[1]["rows"]) == 77


def test_too_few_patients_of_a_kind_are_not_fitted():
    result = audit(cohort(n=38))
    assert result.state is State.NOT_ASSESSED
    assert "at least 10 patients" in result.reason
    assert "9" in result.reason


def test_without_images_it_says_what_it_lacks(clean):
    result = audit(replace(clean, described=None))
    assert result.state is State.NOT_ASSESSED
    assert "images" in result.reason


def test_pictures_that_are_all_alike_have_nothing_to_fit(clean):
    same = measured(clean.case_ids, [np.full((4, 4), 9, dtype=np.uint8)] * 80)
    result = audit(replace(clean, described=same, facts={}))
    assert values(result)[GAIN].value is None
    assert values(result)["auroc:model"].value > 0.9
    assert findings(result)[GAIN].state is State.NOT_ASSESSED


def test_the_default_protocol_does_not_ask_and_its_limits_are_ready():
    assert "handcrafted-baseline" not in DEFAULT_CHECKS
    own = [one for one in DEFAULT_LIMITS if one.check == "handcrafted-baseline"]
    assert [(one.measure, one.value, one.direction) for one in own] == [
        (GAIN, 0.0, "min"), ("auroc:files", 0.70, "max"),
    ]  # fmt: skip
