"""Clusters that hold whole groups of duplicates, and nothing else changed."""

import copy

import pytest

from ml.evidence.store import sha256_of
from ml.intake.regroup import regrouped

NOTE = "Groups are near-duplicates."


def catalogue(clusters):
    cases = [
        {
            "case_id": f"c{at}", "patient_id": one.removeprefix("patient:"), "group": None,
            "cluster": one, "label": "yes", "covariates": {}, "images": [],
        }
        for at, one in enumerate(clusters)
    ]  # fmt: skip
    return {"schema": 1, "task": "classification", "title": "T", "notes": "N.", "sha256": "old",
            "cluster_kind": "patient", "cases": cases, "readings": [{"case_id": "c0"}]}  # fmt: skip


def clusters_of(found):
    names = [case["cluster"] for case in found["cases"]]
    return [names.index(one) for one in names]


PATIENTS = ["patient:a", "patient:a", "patient:b", "patient:c", "patient:d"]


def test_patients_that_share_a_group_become_one_cluster_and_none_is_torn_apart():
    given = catalogue(PATIENTS)
    before = copy.deepcopy(given)
    found = regrouped(given, {"c1": "g1", "c2": "g1", "c3": "g2", "c4": "g3"}, NOTE)

    assert given == before, "the stored catalogue is shared between readers"
    assert clusters_of(found) == [0, 0, 0, 3, 4]
    assert found["cases"][0]["cluster"] == "group:duplicates-00001"
    assert found["cases"][0]["group"] == "duplicates-00001"
    assert found["cases"][3:] == before["cases"][3:]
    assert found["cluster_kind"] == "group"
    assert found["readings"] == before["readings"]
    assert found["notes"] == f"N.\n\n{NOTE}"


def test_groups_hang_together_through_patients():
    found = regrouped(catalogue(PATIENTS), {"c0": "x", "c2": "x", "c1": "y", "c3": "y"}, NOTE)
    assert clusters_of(found) == [0, 0, 0, 0, 4]


@pytest.mark.parametrize("groups", [{}, {"c0": "g", "c1": "g"}, {f"c{at}": str(at) for at in "01"}])
def test_nothing_to_do_is_nothing_done(groups):
    assert regrouped(catalogue(PATIENTS), groups, NOTE) is None


def test_the_hash_is_that_of_the_content_without_its_words():
    given = catalogue(PATIENTS)
    found = regrouped(given, {"c2": "g", "c3": "g"}, NOTE)
    content = {name: one for name, one in found.items() if name not in ("title", "notes", "sha256")}
    assert found["sha256"] == sha256_of(content)
    assert regrouped(given, {"c2": "g", "c3": "g"}, "Other words.")["sha256"] == found["sha256"]


def test_a_name_that_the_cohort_has_is_not_given_again():
    given = catalogue(["patient:a", "patient:b", "group:duplicates-00001"])
    given["cases"][2]["group"] = "duplicates-00001"
    found = regrouped(given, {"c0": "g", "c1": "g"}, NOTE)
    assert found["cases"][0]["group"] == "duplicates-00002"
    assert clusters_of(found) == [0, 0, 2]
