import numpy as np
import pytest
from hypothesis import given, settings

from ml.stats.segmentation.lesions import match_lesions
from ml.stats.segmentation.masks import MaskPair
from tests.ml.stats.segmentation.conftest import box, mask_pairs


def line(text):
    """Masks drawn as text: # is inside."""
    return np.array([[sign == "#" for sign in text]])


def matched(prediction, reference, **options):
    return match_lesions(MaskPair.of(line(prediction), line(reference)), **options)


def test_by_hand():
    found = matched("##..###...#.", "##...##.##..")

    assert (found.n_prediction, found.n_reference) == (3, 3)
    assert (found.tp, found.fp, found.fn) == (2, 1, 1)
    assert found.iou.tolist() == pytest.approx([1, 2 / 3])
    assert found.f1 == pytest.approx(2 / 3)
    assert found.panoptic_quality == pytest.approx((1 + 2 / 3) / 3)
    assert found.panoptic_quality == pytest.approx(found.segmentation_quality * found.f1)
    assert found.dice.tolist() == pytest.approx([1, 0.8, 0])


def test_below_the_least_iou_nothing_is_matched():
    assert matched("####....", "...#####", least_iou=0.2).tp == 0
    assert matched("####....", "...#####", least_iou=0.1).tp == 1
    assert matched("####....", "...#####", rule="any-overlap", least_iou=0.9).tp == 1


def test_greedy_takes_the_best_pair_and_optimal_the_best_sum():
    """One prediction lies over two lesions, another over the first lesion only."""
    prediction = np.zeros((3, 12), bool)
    prediction[0, 0:4] = True
    prediction[2, 0:12] = True
    reference = np.zeros((3, 12), bool)
    reference[0:3, 0:3] = True
    reference[2, 7:12] = True
    pair = MaskPair.of(prediction, reference)

    optimal = match_lesions(pair, least_iou=0.05)
    greedy = match_lesions(pair, least_iou=0.05, rule="greedy")

    assert optimal.tp == 2
    assert greedy.iou.sum() <= optimal.iou.sum()
    assert (optimal.splits, optimal.merges) == (1, 1)


def test_corners_join_only_with_full_connectivity():
    diagonal = np.eye(3, dtype=bool)
    pair = MaskPair.of(diagonal, diagonal)

    assert match_lesions(pair).n_reference == 1
    assert match_lesions(pair, connectivity="face").n_reference == 3


@pytest.mark.parametrize(
    ("prediction", "reference", "f1", "sensitivity", "ppv"),
    [
        ("....", "....", None, None, None),
        ("##..", "....", 0, None, 0),
        ("....", "##..", 0, 0, None),
    ],
)
def test_nothing_to_find_is_undefined(prediction, reference, f1, sensitivity, ppv):
    found = matched(prediction, reference)

    assert (found.f1, found.sensitivity, found.ppv) == (f1, sensitivity, ppv)
    assert found.segmentation_quality is None
    assert found.panoptic_quality == f1


@settings(max_examples=60, deadline=None)
@given(mask_pairs)
def test_counts_add_up_and_a_mask_matches_itself(pair):
    for rule in ("optimal", "greedy", "any-overlap"):
        found = match_lesions(MaskPair.of(*pair), rule=rule)
        assert found.tp + found.fn == found.n_reference
        assert found.tp + found.fp == found.n_prediction
        assert len(set(found.matches[:, 0].tolist())) == found.tp
        assert len(set(found.matches[:, 1].tolist())) == found.tp
    itself = match_lesions(MaskPair.of(pair[0], pair[0]))
    assert itself.tp == itself.n_reference
    assert (itself.iou == 1).all()


@pytest.mark.parametrize(
    "options", [{"least_iou": 2}, {"rule": "best"}, {"connectivity": "diagonal"}]
)
def test_refuses(options):
    mask = box((2, 2), (0, 0), (1, 1))
    with pytest.raises(ValueError, match="must"):
        match_lesions(MaskPair.of(mask, mask), **options)


def test_greedy_starts_with_the_best_pair():
    found = matched("#######", "#.#####", rule="greedy", least_iou=0.1)

    assert found.matches.tolist() == [[0, 1]]
    assert found.iou.tolist() == pytest.approx([5 / 7])


def test_splits_and_merges_are_told_apart():
    one_over_two = matched("#######..##..##", "#.#####..##..##")
    two_over_one = matched("#.#####..##..##", "#######..##..##")

    assert (one_over_two.splits, one_over_two.merges) == (0, 1)
    assert (two_over_one.splits, two_over_one.merges) == (1, 0)


def test_a_split_is_a_lesion_in_pieces_and_a_merge_a_piece_over_lesions():
    split = matched("##.##.##...", "########...", least_iou=0)
    assert (split.splits, split.merges) == (1, 0)
    merge = matched("########...", "##.##.##...", least_iou=0)
    assert (merge.splits, merge.merges) == (0, 1)


def test_optimal_keeps_more_matches_than_greedy():
    """Greedy takes a-A first and leaves b and B alone; a-B with b-A are two matches."""
    prediction, reference = np.zeros((2, 3, 20), bool)
    prediction[0, 0:10] = True  # a, over A by 8 and B by 1
    prediction[2, 0:4] = True  # b, over A by 4
    reference[0:3, 0:8] = True
    reference[1, 0:8] = False
    reference[1, 0] = True  # A: 8 + 1 + 8
    reference[0, 9:12] = True  # B
    pair = MaskPair.of(prediction, reference)
    optimal = match_lesions(pair, least_iou=0)
    greedy = match_lesions(pair, least_iou=0, rule="greedy")
    assert (greedy.tp, optimal.tp) == (1, 2)
    assert greedy.matches.tolist() == [[0, 0]]
    assert optimal.matches.tolist() == [[0, 1], [1, 0]]
    assert matched("##", "#.", least_iou=0.5).tp == 1
