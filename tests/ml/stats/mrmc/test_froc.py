from itertools import product

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ml.stats.mrmc.froc import FrocStudy, froc_figures
from ml.stats.mrmc.froc_curve import efroc_area, froc_curve, sensitivity_at
from ml.stats.mrmc.lroc import lroc_curve, lroc_figure
from ml.stats.mrmc.obuchowski_rockette import obuchowski_rockette

MANY = np.array([0, 0, 0, 2, 1, 3, 0, 1])
FIGURES = ["AFROC", "AFROC1", "wAFROC", "wAFROC1", "HrAuc"]


def marks(seed: int):
    rng = np.random.default_rng(seed)
    rows = []
    for i, j, case in product(range(2), range(2), range(MANY.size)):
        for _ in range(rng.poisson(0.8)):
            rows.append((i, j, case, 0, float(rng.integers(1, 4))))
        for lesion in range(1, MANY[case] + 1):
            if rng.random() < 0.7:
                rows.append((i, j, case, lesion, float(rng.integers(1, 6))))
    return rows


def study_of(rows, keep=None) -> FrocStudy:
    keep = np.arange(MANY.size) if keep is None else np.asarray(keep)
    place = {case: at for at, case in enumerate(keep)}
    rows = [(i, j, place[c], n, r) for i, j, c, n, r in rows if c in place]
    columns = [list(column) for column in zip(*rows, strict=True)]
    return FrocStudy.of(
        *columns, lesions_per_case=MANY[keep], modalities=["a", "b"], readers=["x", "y"]
    )


def naive(rows, keep, figure: str, i: int, j: int) -> float:
    """By the definition, comparison by comparison."""
    mine = [row for row in rows if row[:2] == (i, j) and row[2] in keep]
    beside = {c: max([r for *_, k, n, r in mine if k == c and n == 0], default=-np.inf)
              for c in keep}  # fmt: skip
    on = {(c, n): max([r for *_, k, m, r in mine if (k, m) == (c, n)], default=-np.inf)
          for c in keep for n in range(1, MANY[c] + 1)}  # fmt: skip
    if figure == "HrAuc":
        highest = [max([beside[c], *(on[c, n] for n in range(1, MANY[c] + 1))]) for c in keep]
        return roc_auc_score([MANY[c] > 0 for c in keep], np.maximum(highest, -99))
    against = [c for c in keep if figure.endswith("1") or MANY[c] == 0]
    won = total = 0.0
    for c, (case, n) in product(against, on):
        weight = 1 / MANY[case] if figure.startswith("w") else 1.0
        won += weight * ((on[case, n] > beside[c]) + 0.5 * (on[case, n] == beside[c]))
        total += weight
    return won / total


@pytest.mark.parametrize("figure", FIGURES)
def test_values_and_left_out_follow_the_definition(figure: str) -> None:
    rows = marks(1)
    every = list(range(MANY.size))
    found = froc_figures(study_of(rows), figure)
    for i, j in product(range(2), range(2)):
        assert found.values[i, j] == pytest.approx(naive(rows, every, figure, i, j), abs=1e-12)
        for case in every:
            rest = [c for c in every if c != case]
            assert found.left_out[i, j, case] == pytest.approx(
                naive(rows, rest, figure, i, j), abs=1e-12
            )


def test_an_unmarked_lesion_is_not_a_low_rating() -> None:
    missed = FrocStudy.of([], [], [], [], [], lesions_per_case=[0, 1], modalities="a", readers="x")
    assert froc_figures(missed, "wAFROC").values[0, 0] == 0.5  # neither case has a mark
    low = FrocStudy.of([0], [0], [1], [1], [-7.0], lesions_per_case=[0, 1], modalities="a",
                       readers="x")  # fmt: skip
    assert froc_figures(low, "wAFROC").values[0, 0] == 1.0


def test_lesion_weights_count() -> None:
    rows = ([0], [0], [1], [2], [3.0])
    study = FrocStudy.of(*rows, lesions_per_case=[0, 2], modalities="a", readers="x",
                         weights=[0.9, 0.1])  # fmt: skip
    assert froc_figures(study, "wAFROC").values[0, 0] == pytest.approx(0.1 + 0.9 / 2)
    assert froc_figures(study, "AFROC").values[0, 0] == pytest.approx(0.75)


def test_free_response_figures_go_through_the_same_analysis() -> None:
    found = obuchowski_rockette(froc_figures(study_of(marks(2)), "wAFROC"))
    assert found.differences[0].value is not None
    with pytest.raises(ValueError, match="not defined"):
        obuchowski_rockette(froc_figures(study_of(marks(2)), "wAFROC"), "delong")


def test_no_normal_case_is_undefined() -> None:
    study = FrocStudy.of([], [], [], [], [], lesions_per_case=[1, 1], modalities="a", readers="xy")
    found = obuchowski_rockette(froc_figures(study, "wAFROC"))
    assert found.means[0].value is None


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (([0], [0], [0], [1], [1.0]), "does not have"),
        (([0, 0], [0, 0], [1, 1], [1, 1], [1.0, 2.0]), "more than once"),
        (([0], [0], [9], [0], [1.0]), "outside"),
        (([0], [0], [0], [0], [np.nan]), "finite"),
    ],
)
def test_malformed_marks_are_refused(rows, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FrocStudy.of(*rows, lesions_per_case=[0, 1], modalities="a", readers="x")


def test_froc_points_and_figures_read_off() -> None:
    rows = ([0] * 4, [0] * 4, [0, 1, 1, 0], [0, 1, 2, 0], [2.0, 3.0, 1.0, 1.0])
    study = FrocStudy.of(*rows, lesions_per_case=[0, 2], modalities="a", readers="x")
    curve = froc_curve(study, 0, 0)
    assert curve.thresholds.tolist() == [3.0, 2.0, 1.0]
    assert curve.beside_per_case.tolist() == [0.0, 0.0, 0.5, 1.0]
    assert curve.lesions_found.tolist() == [0.0, 0.5, 0.5, 1.0]
    assert froc_curve(study, 0, 0, normal_only=True).beside_per_case[-1] == 2.0
    assert sensitivity_at(curve, 0.9) == 0.5
    a, b = 1 - np.exp(-0.5), 1 - np.exp(-1.0)
    assert efroc_area(curve) == pytest.approx(0.5 * a + 0.75 * (b - a) + 1 - b)


def test_lroc_with_right_places_is_the_roc() -> None:
    rng = np.random.default_rng(3)
    absent, present = np.round(rng.normal(size=30), 1), np.round(rng.normal(1, 1, 20), 1)
    area = lroc_figure(absent, present, np.ones(20), "ALROC")
    truth = np.r_[np.zeros(30), np.ones(20)]
    assert area == pytest.approx(roc_auc_score(truth, np.r_[absent, present]))
    assert lroc_figure(absent, present, np.zeros(20), "ALROC") == 0.0
    half = (np.arange(20) % 2 == 0).astype(int)
    assert lroc_figure(absent, present, half, "PCL", 1.0) == 0.5
    curve = lroc_curve(absent, present, half)
    grid = np.linspace(0, 0.4, 4001)
    peer = np.trapezoid(np.interp(grid, *_rising(curve).T), grid)
    assert lroc_figure(absent, present, half, "ALROC", 0.4) == pytest.approx(peer, abs=1e-3)


def test_at_a_step_of_the_lroc_its_upper_end_counts() -> None:
    assert lroc_figure([0.0, 2.0], [1.0], [1], "PCL", 0.5) == 1.0
    assert lroc_figure([0.0, 2.0], [1.0], [1], "ALROC", 0.5) == 0.0


def _rising(curve):
    return np.column_stack([curve[:, 0] + np.arange(len(curve)) * 1e-12, curve[:, 1]])


def test_lroc_refusals() -> None:
    with pytest.raises(ValueError, match="with and without"):
        lroc_curve([], [1.0], [1])
    with pytest.raises(ValueError, match="ALROC or PCL"):
        lroc_figure([0.0], [1.0], [1], "AUC")
