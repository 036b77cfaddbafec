import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.means import case_mean, case_median
from ml.stats.segmentation.cases import over_cases
from ml.stats.segmentation.masks import MaskPair
from ml.stats.segmentation.overlap import overlap
from ml.stats.segmentation.surface import surface_distances
from tests.ml.stats.segmentation.conftest import box, mask_pairs

FEW = Settings(draws=200)
KINDS = ["none", "none", "prediction", "reference", "both"]
DICE = [0.9, 0.7, 0.0, 0.0, None]


@pytest.mark.parametrize(
    ("policy", "value", "n"),
    [
        ({}, 1.6 / 4, 4),
        ({"both_empty": 1.0}, 2.6 / 5, 5),
        ({"one_empty": "left-out"}, 1.6 / 2, 2),
        ({"one_empty": "left-out", "both_empty": 1.0}, 2.6 / 3, 3),
        ({"average": "median"}, 0.35, 4),
        ({"average": "median", "both_empty": 1.0}, 0.7, 5),
    ],
)
def test_each_policy_by_hand(policy, value, n):
    found = over_cases("dice", DICE, KINDS, **policy)

    assert found.value == pytest.approx(value)
    assert found.n == n
    assert {k: v for k, v in found.extra.items() if k.endswith("_empty")} == {
        "n_both_empty": 1, "n_prediction_empty": 1, "n_reference_empty": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({}, ("one mask empty: counted as measured (2 cases)", "both empty: left out (1 case)")),
        ({"empty_value": "0"}, ("one mask empty: 0 (2 cases)", "both empty: left out (1 case)")),
        (
            {"one_empty": "left-out", "both_empty": 1.0},
            ("one mask empty: left out (2 cases)", "both empty: counted as 1 (1 case)"),
        ),
    ],
)
@pytest.mark.parametrize("average", ["mean", "median"])
def test_the_policy_is_said(policy, words, average):
    found = over_cases("dice", DICE, KINDS, average=average, convention="of masks", **policy)

    assert found.convention == "; ".join(("of masks", f"{average} over cases", *words))


def test_marking_nothing_never_raises_the_average_unless_that_is_asked_for():
    """What dropping NaN from a mean does: the worse model looks better."""
    reference, good, bad = (box((6, 6), (1, 1), (4, high)) for high in (4, 5, 6))
    blank = np.zeros((6, 6), bool)

    def average(predictions, **policy):
        pairs = [MaskPair.of(mask, reference) for mask in predictions]
        return over_cases(
            "hd", [surface_distances(pair).hausdorff_mm for pair in pairs],
            [pair.emptiness for pair in pairs], **policy,
        ).value  # fmt: skip

    honest, silent = [good, bad], [good, blank]
    assert average(silent) > average(honest)
    assert average(silent, one_empty="left-out") < average(honest, one_empty="left-out")


def test_the_interval_is_that_of_the_clusters(rng):
    values, codes = rng.random(60), np.repeat(np.arange(20), 3)
    clusters = Clusters.of(codes, "patient")
    for average, of_cases in (("mean", case_mean), ("median", case_median)):
        found = over_cases("x", values, ["none"] * 60, clusters, FEW, average=average)
        known = of_cases("x", values, clusters, FEW)
        assert (found.low, found.value, found.high) == (known.low, known.value, known.high)
        assert found.extra["n_clusters"] == 20


def test_a_unit_is_passed_on():
    assert over_cases("hd95", [1.0], ["none"], unit="mm").unit == "mm"
    assert "unit" not in over_cases("dice", [1.0], ["none"]).extra


def test_no_spread_no_interval():
    found = over_cases("dice", [0.8] * 20, ["none"] * 20, settings=FEW)
    assert found.value == pytest.approx(0.8)
    assert not found.has_interval
    assert "no spread" in found.reason


@given(st.lists(mask_pairs, min_size=1, max_size=6), st.randoms())
def test_the_order_of_cases_and_copies_of_all_do_not_matter(masks, random):
    pairs = [MaskPair.of(*each) for each in masks]
    rows = [(overlap(pair).dice, pair.emptiness) for pair in pairs]
    shuffled = random.sample(rows, len(rows))
    settings = Settings(draws=10)
    for average in ("mean", "median"):
        first, other, twice = (
            over_cases("dice", *zip(*of, strict=True), settings=settings, average=average)
            for of in (rows, shuffled, rows * 2)
        )
        if first.value is None:
            assert all(kind == "both" for _, kind in rows)
            assert first.reason
            continue
        assert other.value == pytest.approx(first.value)
        assert twice.value == pytest.approx(first.value)


@pytest.mark.parametrize(
    ("values", "kinds", "options", "message"),
    [
        ([0.5], ["none", "none"], {}, "for each case"),
        ([[0.5]], ["none"], {}, "for each case"),
        ([0.5], ["neither"], {}, "emptiness must be"),
        ([0.5, 1.0], ["none", "both"], {}, "case 1 has a value though both"),
        ([0.5, 1.0], ["none", "both"], {"both_empty": 1.0}, "case 1 has a value though both"),
        ([0.5, None], ["none", "none"], {}, "case 1 has no value"),
        ([0.5, None], ["none", "prediction"], {}, "case 1 has no value"),
        ([0.5], ["none"], {"average": "mode"}, "mean or median"),
        ([0.5], ["none"], {"one_empty": "dropped"}, "counted or left-out"),
        ([0.5, 1.0], ["none"] * 2, {"clusters": Clusters.singles(3)}, "a cluster for each of 2"),
        ([np.inf], ["none"], {}, "finite"),
    ],
)
def test_refuses(values, kinds, options, message):
    with pytest.raises(ValueError, match=message):
        over_cases("dice", values, kinds, **options)
