from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from ml.stats.segmentation.readers import (
    MaskPairs,
    model_beside_readers,
    pairwise_dice,
    pairwise_mean,
)
from tests.ml.stats.segmentation.conftest import drawn

FEW = Settings(draws=200)
FAST = Settings(draws=10)
panels = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4)).flatmap(
    lambda shape: arrays.arrays(bool, shape)
)
cohorts = st.lists(panels, min_size=1, max_size=5)


def naive_dice(a, b):
    total = int(a.sum()) + int(b.sum())
    return 2 * int(np.logical_and(a, b).sum()) / total if total else None


def naive_mean(pairs):
    known = [value for value in pairs if value is not None]
    return sum(known) / len(known) if known else None


def naive_pairwise(cohort):
    """Each unordered pair once, cases weighed alike."""
    return naive_mean(
        naive_mean(naive_dice(a, b) for a, b in combinations(panel, 2)) for panel in cohort
    )


def test_by_hand():
    """Dice 0.5 of the only pair; 1, 2/3 and 2/3 of three readers; one reader, no pair."""
    cases = [
        np.array([[1, 1, 0], [0, 1, 1]]),
        np.array([[1, 1, 0], [1, 1, 0], [1, 0, 0]]),
        np.array([[1, 0, 0]]),
    ]
    found = pairwise_dice(cases)

    assert found.value == pytest.approx((0.5 + (1 + 2 / 3 + 2 / 3) / 3) / 2)
    assert found.n == 2
    assert (found.extra["n_pairs"], found.extra["n_undefined"]) == (4, 1)


@pytest.mark.parametrize("name", ["seg-2d-disk", "seg-balls", "seg-box-shift-aniso"])
def test_two_readers_overlap_as_other_software_says(name, reference):
    """Dice and Jaccard of MedPy, of one case and of two alike."""
    stored = reference(name)
    masks = np.stack([drawn(stored.input[who], stored.input["shape"])
                      for who in ("reference", "prediction")])  # fmt: skip

    assert pairwise_dice([masks]).value == pytest.approx(stored.value("dice"), abs=1e-9)
    assert pairwise_dice([masks, masks[::-1]]).value == pytest.approx(stored.value("dice"))
    jaccard = pairwise_mean(MaskPairs.of_masks([masks], measure="iou")).value
    assert jaccard == pytest.approx(stored.value("jaccard"))


def test_two_empty_masks_are_left_out_unless_they_are_said_to_agree():
    empty, some = np.zeros(3, bool), np.array([1, 0, 0], bool)
    cases = [np.stack([empty, empty, some]), np.stack([empty, empty]), np.stack([some, some])]

    found = pairwise_dice(cases)
    assert found.value == pytest.approx((0 + 1) / 2)
    assert (found.n, found.extra["n_pairs_both_empty"]) == (2, 2)
    assert "pairs of two empty masks left out" in found.convention
    agreed = pairwise_dice(cases, both_empty=1.0)
    assert agreed.value == pytest.approx((1 / 3 + 1 + 1) / 3)
    assert "pairs of two empty masks counted as 1" in agreed.convention


@given(cohorts)
def test_is_the_mean_of_all_pairs_counted_one_by_one(cohort):
    found = pairwise_dice(cohort, settings=FAST)
    by_hand = naive_pairwise(cohort)

    if by_hand is None:
        assert found.value is None
        assert found.reason
    else:
        assert found.value == pytest.approx(by_hand)
    assert found.extra.get("n_pairs", 0) == sum(len(p) * (len(p) - 1) // 2 for p in cohort)


@given(cohorts, st.randoms())
def test_neither_the_order_of_cases_nor_who_is_called_what_matters(cohort, random):
    turned = [panel[random.sample(range(len(panel)), len(panel))] for panel in cohort]
    turned = random.sample(turned, len(turned))
    first, other = (pairwise_dice(of, settings=FAST).value for of in (cohort, turned))

    assert (first is None) == (other is None)
    if first is not None:
        assert other == pytest.approx(first)
        assert pairwise_dice(cohort * 2, settings=FAST).value == pytest.approx(first)


@given(panels.filter(lambda panel: panel.any()))
def test_a_reader_who_reads_twice_agrees_with_himself(panel):
    """A duplicate adds one pair of Dice 1 and nobody's Dice with himself otherwise."""
    marked = panel[panel.any(axis=(1, 2))][0]
    assert pairwise_dice([np.stack([marked, marked])], settings=FAST).value == 1.0


@given(cohorts, st.data())
def test_the_model_is_compared_with_each_reader_and_paired_by_case(cohort, data):
    models = [data.draw(st.none() | arrays.arrays(bool, panel.shape[1:])) for panel in cohort]
    found = model_beside_readers(MaskPairs.of_masks(cohort, models), settings=FAST)
    human, model, alone = [], [], 0
    for panel, mask in zip(cohort, models, strict=True):
        one = naive_mean(naive_dice(a, b) for a, b in combinations(panel, 2))
        two = None if mask is None else naive_mean(naive_dice(mask, a) for a in panel)
        if one is not None and two is not None:
            human.append(one)
            model.append(two)
        elif len(panel) > 1 and not panel.any() and mask is not None and mask.any():
            alone += 1

    if not human:
        assert found.difference.value is None
    else:
        assert found.model.value == pytest.approx(np.mean(model))
        assert found.readers.value == pytest.approx(np.mean(human))
        assert found.difference.value == pytest.approx(found.model.value - found.readers.value)
    assert found.difference.n == found.model.n == found.readers.n == len(human)
    assert found.difference.extra["n_model_alone"] == alone


def test_a_model_that_marks_where_no_reader_does_is_counted_or_counts_against_it():
    nothing, lesion = np.zeros((2, 3), bool), np.ones((2, 3), bool)
    pairs = MaskPairs.of_masks([nothing, lesion], [lesion[0], lesion[0]])

    left_out = model_beside_readers(pairs)
    assert left_out.difference.value == pytest.approx(0)
    assert left_out.difference.n == 1
    assert left_out.difference.extra["n_model_alone"] == 1
    counted = model_beside_readers(pairs, both_empty=1.0)
    assert counted.difference.value == pytest.approx((-1 + 0) / 2)
    assert counted.difference.extra["n_model_alone"] == 0


def cohort_of_patients(rng, patients=16, cases=3):
    """Patients that differ more than their cases do."""
    panels, models = [], []
    for _ in range(patients):
        noise = rng.uniform(0.02, 0.4)
        for _ in range(cases):
            truth = rng.random((6, 6)) < 0.5
            drawn = [truth ^ (rng.random((6, 6)) < noise) for _ in range(4)]
            panels.append(np.stack(drawn[:3]))
            models.append(drawn[3])
    return panels, models, Clusters.of(np.repeat(np.arange(patients), cases), "patient")


def test_whole_patients_are_drawn(rng):
    panels, models, clusters = cohort_of_patients(rng)
    pairs = MaskPairs.of_masks(panels, models)
    human, model = pairs.per_case(with_model=False), pairs.per_case(with_model=True)

    def drawn(values):
        found = [
            np.average(values, weights=counts[clusters.codes])
            for block in draw_counts(clusters.count, FEW)
            for counts in block
        ]
        return tuple(np.quantile(found, (0.025, 0.975)))

    alone = pairwise_mean(pairs, clusters, FEW)
    assert (alone.low, alone.high) == pytest.approx(drawn(human))
    assert alone.extra["n_clusters"] == 16
    assert "16 patients" in alone.method
    found = model_beside_readers(pairs, clusters, FEW)
    assert (found.model.low, found.model.high) == pytest.approx(drawn(model))
    assert (found.difference.low, found.difference.high) == pytest.approx(drawn(model - human))
    # Cases taken one by one would pretend to know more.
    by_case = pairwise_mean(pairs, None, FEW)
    assert by_case.high - by_case.low < 0.8 * (alone.high - alone.low)


def test_a_model_that_is_one_of_the_readers_has_no_interval_of_no_width():
    masks = np.eye(4, dtype=bool)[[0, 0]] | np.eye(4, dtype=bool)[[1, 1]]
    pairs = MaskPairs.of_masks([masks] * 20, [masks[0]] * 20)
    found = model_beside_readers(pairs, settings=FEW)

    assert found.difference.value == pytest.approx(0)
    assert not found.difference.has_interval
    assert "no spread" in found.difference.reason


def test_iou_is_the_other_overlap():
    pairs = MaskPairs.of_masks([np.array([[1, 1, 0], [0, 1, 1]])], measure="iou")
    assert pairwise_mean(pairs, measure="pairwise_iou").value == pytest.approx(1 / 3)


def test_no_reader_and_no_case():
    nobody = MaskPairs.of_masks([np.zeros((0, 2, 2), bool)], [np.ones((2, 2), bool)])
    assert pairwise_mean(nobody).value is None
    assert pairwise_dice([]).reason.startswith("Not estimated")


def pairs_of(case=(0,), value=(0.5,), with_model=(False,), n_cases=1):
    return MaskPairs(
        np.array(case, dtype=np.int64), np.array(value, dtype=float),
        np.array(with_model, dtype=bool), n_cases,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pairs_of(value=(0.5, 0.5)), r"of \(m,\)"),
        (lambda: pairs_of(value=(np.inf,)), "finite"),
        (lambda: pairs_of(case=(1,)), "0..0"),
        (lambda: pairs_of(case=(-1,)), "0..0"),
        (lambda: MaskPairs.of_masks([np.ones((2, 3))], []), "for each of 1 cases"),
        (lambda: MaskPairs.of_masks([np.ones((2, 3))], [np.ones(4)]), "one grid"),
        (lambda: MaskPairs.of_masks([np.full((2, 3), 2)]), "0 and 1"),
        (lambda: MaskPairs.of_masks([np.ones((2, 3))], measure="hd"), "dice or iou"),
        (lambda: pairwise_mean(pairs_of(), Clusters.singles(2)), "a cluster for each of 1"),
        (lambda: model_beside_readers(pairs_of(), Clusters.singles(2)), "a cluster for each of 1"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
