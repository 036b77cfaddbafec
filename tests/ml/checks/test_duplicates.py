"""Duplicates: planted copies, exact and near, in one unit and across, of one label and of two."""

from dataclasses import replace

import numpy as np
import pytest

from ml.checks.duplicates import duplicates
from ml.checks.registry import State
from ml.evidence.tables import Evidence
from ml.protocol import Protocol
from tests.ml.checks.images import measured

ASKED = Protocol.parse({"checks": ["duplicates"]})
CLASSES = ("no", "yes")


def pictures(n, seed=1):
    """Blots of their own, which no two pictures share."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (n, 8, 8), dtype=np.uint8)
    return [np.kron(one, np.ones((8, 8), dtype=np.uint8)) for one in coarse]


def evidence(shown, labels=None, clusters=None, images=()):
    n = len(shown)
    ids = tuple(f"c{at:02d}" for at in range(n))
    labels = ("no", "yes") * (n // 2) + ("no",) * (n % 2) if labels is None else tuple(labels)
    return Evidence(
        ids, np.arange(n) if clusters is None else np.asarray(clusters), "patient", labels,
        np.array([-1 if one is None else CLASSES.index(one) for one in labels]), CLASSES, ("yes",),
        described=measured(ids, shown), images=images,
    )  # fmt: skip


def audit(found):
    result = duplicates(found, ASKED)
    values = {one.id: one.value for one in result.estimates}
    return result, values, {one.id.partition(".")[2]: one for one in result.findings}


def test_a_cohort_of_different_images_passes_and_says_so():
    result, values, findings = audit(evidence(pictures(20)))

    assert (values["duplicates"], values["image_groups"], values["largest_group"]) == (0, 20, 1)
    assert findings["duplicates"].claim == "No image of 20 cases is there twice."
    assert {"labels", "units"}.isdisjoint(findings)
    assert result.state is State.INFO


@pytest.fixture(scope="module")
def planted():
    """Of 20 images c17 is c00 to the pixel, c18 is c01 brighter, c19 is c01 with some noise."""
    shown = pictures(17)
    noise = np.random.default_rng(2).normal(0, 4, (64, 64))
    near = (shown[1] + noise).clip(0, 255).astype(np.uint8)
    shown += [shown[0].copy(), (shown[1] * 0.8 + 20).astype(np.uint8), near]
    return shown


def test_copies_are_found_counted_and_grouped(planted):
    result, values, _ = audit(evidence(planted))

    assert values["duplicates"] == 5 / 20
    assert values["duplicates:exact"] == 2 / 20
    assert (values["image_groups"], values["image_groups:repeated"]) == (17, 2)
    assert values["largest_group"] == 3
    table = result.series[-1]
    rows = {row[0]: dict(zip(table["fields"], row, strict=True)) for row in table["rows"]}
    assert rows["c17"]["group"] == rows["c00"]["group"] != rows["c01"]["group"]
    assert {rows[one]["cases of the group"] for one in ("c01", "c18", "c19")} == {3}
    assert [rows[one]["same bytes or pixels"] for one in ("c00", "c17", "c18")] == [1, 1, 0]
    assert (rows["c17"]["most alike"], rows["c00"]["most alike"]) == ("c00", "c17")


def test_the_largest_group_is_listed_and_the_chart_counts_every_case(planted):
    result, _, findings = audit(evidence(planted))
    assert findings["duplicates"].cases == ("c01", "c18", "c19")
    chart = result.series[0]
    assert sum(chart["present"]) + sum(chart["absent"]) == 20


@pytest.mark.parametrize(
    ("differs", "state", "listed"),
    [
        ((), State.PASS, ()),
        ((17,), State.FAIL, ("c00", "c17")),
        ((19,), State.CAUTION, ("c01", "c18", "c19")),
        ((17, 19), State.FAIL, ("c01", "c18", "c19", "c00", "c17")),
    ],
)
def test_labels_that_differ_within_a_group_are_a_finding(planted, differs, state, listed):
    labels = ["yes" if at in differs else "no" for at in range(20)]
    _, values, findings = audit(evidence(planted, labels))
    assert (findings["labels"].state, findings["labels"].cases) == (state, listed)
    assert values["label_conflicts"] == len(listed) / 20


def test_a_case_without_a_label_contradicts_nobody(planted):
    labels = [None if at in (17, 19) else "no" for at in range(20)]
    _, values, findings = audit(evidence(planted, labels))
    assert (findings["labels"].state, values["label_conflicts"]) == (State.PASS, 0)
    assert "labels" not in audit(evidence(planted, [None] * 20))[2]


def test_groups_across_patients_are_a_finding_and_within_one_are_not(planted):
    alone = list(range(20))
    within = [0 if at == 17 else 1 if at in (18, 19) else at for at in range(20)]
    one_across = [0 if at == 17 else at for at in range(20)]

    assert audit(evidence(planted, clusters=alone))[2]["units"].cases == (
        *("c01", "c18", "c19"), *("c00", "c17"),
    )  # fmt: skip
    assert audit(evidence(planted, clusters=within))[2]["units"].state is State.PASS
    _, values, findings = audit(evidence(planted, clusters=one_across))
    assert findings["units"].cases == ("c01", "c18", "c19")
    assert findings["units"].state is State.CAUTION
    assert values["duplicates:across units"] == 3 / 20


def test_a_case_that_cannot_be_read_is_told_by_its_bytes(planted):
    shown = [*planted, None, None]
    images = (*((f"{at:064x}",) for at in range(20)), ("a" * 64,), ("a" * 64,))
    result, values, findings = audit(evidence(shown, images=images))
    assert findings["unread-images"].cases == ("c20", "c21")
    assert "bytes alone" in findings["unread-images"].why
    assert values["image_groups"] == 17, "of those that could be compared"
    table = {row[0]: row for row in result.series[-1]["rows"]}
    assert table["c20"][1] == table["c21"][1] != table["c19"][1]


def test_the_stricter_rule_asks_the_hash_too(planted):
    # A frame that is brighter than all else: thumbnails correlate, what lies within differs.
    framed = [np.pad((one[8:-8, 8:-8] * 0.04).astype(np.uint8), 8, constant_values=255)
              for one in pictures(6, seed=8)]  # fmt: skip
    _, values, _ = audit(evidence(framed))
    assert values["image_groups"] == 1
    assert values["image_groups:stricter"] > 1


def test_the_pairs_closest_to_the_limit_are_named():
    shown = pictures(3)
    rng = np.random.default_rng(4)
    shown += [(shown[0] + rng.normal(0, size, (64, 64))).clip(0, 255).astype(np.uint8)
              for size in (34, 60)]  # fmt: skip
    _, _, findings = audit(evidence(shown))
    assert findings["closest"].state is State.INFO
    assert {"c00", "c03"} <= set(findings["closest"].cases)
    assert not {"c01", "c02"} & set(findings["closest"].cases)


def test_no_images_no_check():
    bare = replace(evidence(pictures(4)), described=None)
    assert duplicates(bare, ASKED).state is State.NOT_ASSESSED
    assert "images" in duplicates(bare, ASKED).reason


def test_it_needs_neither_labels_nor_scores(planted):
    bare = replace(evidence(planted), present=None, label=(None,) * 20)
    assert audit(bare)[1]["duplicates"] == 5 / 20
