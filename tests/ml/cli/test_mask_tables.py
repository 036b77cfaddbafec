"""Measures of masks asked for at the command line, from tables of numbers."""

import json

import numpy as np
import pytest

from ml.cli.main import main
from tests.ml.cli.test_stats import write

CASES = {
    "case_id": ["c1", "c2", "c3", "c4"],
    "hd": [1.5, 2.5, 40, ""],
    "p": [9, 8, 0, 0],
    "r": [9, 9, 9, 0],
}
COLUMNS = ["--value", "hd", "--prediction", "p", "--reference", "r"]
PAIRS = {
    "case_id": ["c1"] * 6 + ["c2"] * 3,
    "a": ["reader:x", "reader:y", "model", "model", "reader:x", "model", "reader:x", "model",
          "reader:y"],
    "b": ["reader:y", "reference", "reader:x", "reader:y", "others", "consensus", "reader:y",
          "reader:y", "reference"],
    "dice": [0.8, 0.1, 0.6, 0.7, 0.1, 0.1, 0.5, 0.9, ""],
}  # fmt: skip


@pytest.fixture
def ask(tmp_path, capsys):
    def run(measure, columns, *words):
        code = main(["stats", measure, write(tmp_path / "t.csv", columns), *words])
        return code, json.loads(capsys.readouterr().out)

    return run


@pytest.mark.parametrize(
    ("measure", "words", "value", "n"),
    [
        ("mask_mean", [], 44 / 3, 3),
        ("mask_median", [], 2.5, 3),
        ("mask_median", ["--both-empty", "0"], 2.0, 4),
        ("mask_mean", ["--one-empty", "left-out"], 2.0, 2),
    ],
)
def test_the_policy_of_empty_masks_is_an_option(ask, measure, words, value, n):
    code, made = ask(measure, CASES, *COLUMNS, "--unit", "mm", *words)

    assert code == 0
    assert made["value"] == pytest.approx(value)
    assert (made["n"], made["extra"]["unit"]) == (n, "mm")
    assert made["extra"]["n_prediction_empty"] == 1
    assert made["extra"]["n_both_empty"] == 1


def test_only_readers_are_paired(ask):
    """Rows of the reference, of consensus and of the model are no pairs of readers."""
    _, made = ask("pairwise_dice", PAIRS)

    assert made["value"] == pytest.approx((0.8 + 0.5) / 2)
    assert made["extra"]["n_pairs"] == 2


def test_the_model_beside_the_readers(ask):
    _, made = ask("model_beside_readers", PAIRS)

    assert made["model"]["value"] == pytest.approx((0.65 + 0.9) / 2)
    assert made["readers"]["value"] == pytest.approx((0.8 + 0.5) / 2)
    assert made["difference"]["value"] == pytest.approx(0.125)


def test_another_model_is_named(ask):
    renamed = PAIRS | {"a": [name.replace("model", "net") for name in PAIRS["a"]]}
    _, made = ask("model_beside_readers", renamed, "--model", "net")

    assert made["difference"]["value"] == pytest.approx(0.125)


def test_cases_of_a_patient_are_drawn_together(ask):
    n = 24
    pairs = {
        "case_id": np.repeat(np.arange(n), 2), "a": ["reader:x", "model"] * n,
        "b": ["reader:y", "reader:y"] * n, "dice": np.round(np.linspace(0.3, 0.9, 2 * n), 3),
        "patient": np.repeat(np.arange(n // 2), 4),
    }  # fmt: skip
    _, made = ask("pairwise_dice", pairs, "--cluster", "patient")
    assert made["extra"]["n_clusters"] == n // 2
    assert "12 groups" in made["method"]


@pytest.mark.parametrize(
    ("measure", "columns", "words", "message"),
    [
        ("pairwise_dice", {k: [*v, v[0]] for k, v in PAIRS.items()}, [], "stands twice"),
        (
            "pairwise_dice",
            {**PAIRS, "a": ["reader:y", *PAIRS["a"][1:]]},
            [],
            "stands twice for one case, or is of one mask",
        ),
        (
            "pairwise_dice",
            {"case_id": ["c", "c"], "a": "xy", "b": "yx", "dice": [0.5, 0.5]},
            [],
            "stands twice",
        ),
        (
            "pairwise_dice",
            {**PAIRS, "patient": [1, 2, *[1] * 7]},
            ["--cluster", "patient"],
            "two groups",
        ),
        ("mask_mean", {**CASES, "p": [9, 8, 0, -1]}, COLUMNS, "0 or more"),
        ("mask_mean", {**CASES, "hd": [1, "", 3, ""]}, COLUMNS, "case 1 has no value"),
        ("mask_mean", {**CASES, "hd": [1, 2, 3, 4]}, COLUMNS, "case 3 has a value"),
    ],
)
def test_refuses(ask, measure, columns, words, message):
    code, made = ask(measure, columns, *words)

    assert code != 0
    assert message in made["refused"][0]["message"]
