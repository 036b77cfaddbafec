"""Cohort fitness: planted gaps, sizes that give the label away, and their clean twins."""

from dataclasses import replace

import numpy as np
import pytest

from ml.checks.cohort_fitness import cohort_fitness
from ml.checks.registry import State
from ml.evidence.tables import Evidence
from ml.protocol import Protocol
from tests.ml.checks.images import measured
from tests.ml.checks.test_duplicates import pictures

ASKED = Protocol.parse({"checks": ["cohort-fitness"], "draws": 200})
N = 160
CLASSES = ("no", "yes")


def cohort(width=None, height=None, n=N, **more):
    rng = np.random.default_rng(3)
    present = np.arange(n) // 2 % 2
    width = rng.integers(200, 260, n) if width is None else width
    height = rng.integers(200, 260, n) if height is None else height
    return Evidence(
        tuple(f"c{at:03d}" for at in range(n)), np.arange(n) // 2, "patient",
        tuple(CLASSES[one] for one in present), present, CLASSES, ("yes",),
        facts={
            "width": tuple(map(float, width)), "height": tuple(map(float, height)),
            "file type": ("image/jpeg",) * n, **more.pop("facts", {}),
        },
        images=tuple((f"{at:064x}",) for at in range(n)), **more,
    )  # fmt: skip


def audit(found, protocol=ASKED):
    result = cohort_fitness(found, protocol)
    values = {one.id: one for one in result.estimates}
    return result, values, {one.id.partition(".")[2]: one for one in result.findings}


def table(result, title):
    (found,) = [one for one in result.series if title in one.get("title", "")]
    return found["fields"], {(row[0], row[1]): row[2:] for row in found["rows"]}


def test_files_that_say_nothing_of_the_label_tell_nothing():
    _, values, findings = audit(cohort())
    assert 0.35 < values["auroc:files"].value < 0.65
    assert findings["auroc:files"].state is not State.FAIL


def test_files_of_one_label_are_a_warning_with_the_platforms_limit():
    present = np.arange(N) // 2 % 2
    found = cohort(width=200 + 30 * present + np.arange(N) // 2 % 3)
    _, values, findings = audit(found)
    assert values["auroc:files"].value > 0.95
    assert "width" in findings["auroc:files"].why
    assert findings["auroc:files"].state is State.FAIL
    assert findings["auroc:files"].limit.origin == "platform-default"
    assert "source" in findings["auroc:files"].action


def test_sizes_that_are_known_again_are_told_from_sizes_that_carry_over():
    """24 sizes, each of one label, drawn without order: nothing carries over to a new one."""
    n = 960
    present = np.arange(n) // 2 % 2
    widths = np.random.default_rng(1).permutation(np.arange(200, 224))
    own = widths[present * 12 + np.arange(n) // 4 % 12]
    found = cohort(n=n, width=own, height=[250.0] * n)
    _, values, findings = audit(found)
    assert values["auroc:files"].value > 0.95
    assert values["auroc:files of other dimensions"].value < 0.7
    assert "Judged only by files of other dimensions" in findings["auroc:files"].why
    # Where all widths of one label are large, what was learnt of some holds for others.
    carries = cohort(
        n=n, width=200 + 30 * present + np.arange(n) // 4 % 12, height=[250.0] * n
    )  # fmt: skip
    assert audit(carries)[1]["auroc:files of other dimensions"].value > 0.9


def test_table_one_counts_by_class_with_differences_and_gaps():
    present = np.arange(N) // 2 % 2
    ages = tuple(None if at < 4 else f"{50 + 10 * present[at] + at % 7}" for at in range(N))
    sex = tuple("f" if at % 4 else "m" for at in range(N))
    result, values, findings = audit(cohort(covariates={"age": ages, "sex": sex}))
    fields, rows = table(result, "Table 1")
    assert fields == ["Characteristic", "Value", f"all, n = {N}", "no, n = 80", "yes, n = 80",
                      "Std. difference"]  # fmt: skip
    known = np.array([float(one) for one in ages if one])
    low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
    assert rows["age", ""][0] == f"{middle:g} [{low:g}, {high:g}]"
    sides = [known[present[4:] == side] for side in (1, 0)]
    pooled = np.sqrt((sides[0].var(ddof=1) + sides[1].var(ddof=1)) / 2)
    assert rows["age", ""][3] == pytest.approx((sides[0].mean() - sides[1].mean()) / pooled, 1e-3)
    assert rows["sex", "f"][0] == "120 (75.0 %)"
    assert rows["age", "missing"][:3] == ["4 (2.5 %)", "2 (2.5 %)", "2 (2.5 %)"]
    assert values["missing:age"].value == 4 / N
    assert findings["covariates"].cases == ("c000", "c001", "c002", "c003")
    assert audit(cohort(covariates={"sex": sex}))[2]["covariates"].state is State.PASS
    assert audit(cohort())[2]["covariates"].state is State.NOT_ASSESSED


def test_unlabelled_cases_are_named_and_have_a_column():
    found = cohort()
    present = found.present.copy()
    present[:3] = -1
    labels = (None,) * 3 + found.label[3:]
    result, values, findings = audit(replace(found, present=present, label=labels))
    assert findings["labels"].cases == ("c000", "c001", "c002")
    assert values["labelled"].value == pytest.approx((N - 3) / N)
    assert values["prevalence"].n == N - 3
    assert "no label, n = 3" in table(result, "images were made")[0]


def test_too_few_of_one_kind_are_a_caution():
    found = cohort()
    present = np.zeros(N, dtype=np.int64)
    present[:12] = 1  # of six patients
    few = replace(found, present=present, label=tuple(CLASSES[one] for one in present))
    _, values, findings = audit(few)
    assert findings["classes"].state is State.CAUTION
    assert "6 patients with the finding" in findings["classes"].claim
    assert values["auroc:files"].value is None
    assert "fitting takes at least 10 patients" in values["auroc:files"].reason
    assert audit(found)[2]["classes"].state is State.INFO


def test_what_belongs_together_is_said_or_missed_aloud():
    found = cohort()
    assert "belong to 80 patients, 2 at most" in audit(found)[2]["units"].claim
    alone = replace(found, cluster=np.arange(N), cluster_kind="case")
    assert audit(alone)[2]["units"].state is State.CAUTION


def test_images_of_several_kinds_are_named_and_rare_ones_listed():
    modes = tuple("RGBA" if at in (5, 9) else "L" for at in range(N))
    _, _, findings = audit(cohort(facts={"colour mode": modes}))
    assert findings["acquisition"].cases == ("c005", "c009")
    assert "colour mode: L, RGBA" in findings["acquisition"].why
    alike = cohort(width=[220] * N, height=[220] * N)
    assert "acquisition" not in audit(alike)[2]


def test_dates_give_a_span_and_other_words_do_not():
    days = tuple(f"20{10 + at % 5}-03-0{1 + at % 9}" for at in range(N))
    _, _, findings = audit(cohort(covariates={"acquired": days, "site": ("a-b",) * N}))
    assert "span 2010-03-01 to 2014-03-09" in findings["time:acquired"].claim
    assert "time:site" not in findings


def test_sizes_of_files_come_from_what_was_measured():
    n = 60
    plain = pictures(n)  # written without compression; in colour they are three times as large
    shown = [np.stack([one] * 3, axis=-1) if at // 2 % 2 else one for at, one in enumerate(plain)]
    shown[0] = None
    found = cohort(n=n, width=[64] * n, height=[64] * n)
    found = replace(found, described=measured(found.case_ids, shown))
    result, _, findings = audit(found)
    assert findings["unread-images"].cases == ("c000",)
    _, rows = table(result, "images were made")
    assert rows["file size, bytes", "missing"][0] == "1 (1.7 %)"
    alone = {row["label"]: row["estimate"]["value"] for row in result.series[0]["rows"]}
    assert alone["file size, alone"] > 0.95


def test_readings_alone_or_nothing_but_cases_are_described_too():
    bare = replace(cohort(), present=None, label=(None,) * N, facts={}, images=())
    result, values, findings = audit(bare)
    assert result.state is not State.FAIL
    assert findings["labels"].state is State.NOT_ASSESSED
    assert values["auroc:files"].reason == "Not estimated: the cohort has no reference labels."
    assert not result.series
