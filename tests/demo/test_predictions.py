import csv

import numpy as np
import pytest
import yaml

from demo.predictions import write

CLASSES = ("glioma", "notumor")


def handed_in(tmp_path, table, **changes):
    options = {
        "classes": CLASSES,
        "positive": ("glioma",),
        "model_name": "VGG16",
        "model_version": "0.1.1",
    } | changes
    return write(tmp_path / "predictions", table, **options)


def test_writes_what_was_given(tmp_path):
    score = float(np.float32(0.1))

    folder = handed_in(tmp_path, {"yes-y1": [score, 1 - score], "no-no1": np.array([0.0, 1.0])})

    assert yaml.safe_load((folder / "predictions.yaml").read_text()) == {
        "kind": "probabilities",
        "classes": ["glioma", "notumor"],
        "positive": ["glioma"],
        "model": {"name": "VGG16", "version": "0.1.1"},
    }
    with (folder / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["case_id"] for row in rows] == ["yes-y1", "no-no1"]
    assert float(rows[0]["glioma"]) == score


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        ([0.5], "has 1 scores; expected 2"),
        ([0.5, float("nan")], "not a finite number"),
        ([0.9, 0.9], "add up to 1"),
        ([1.5, -0.5], "from 0 to 1"),
    ],
)
def test_refuses_what_is_no_probability(tmp_path, scores, sentence):
    with pytest.raises(ValueError, match=sentence):
        handed_in(tmp_path, {"yes-y1": scores})

    assert not (tmp_path / "predictions").exists()


def test_logits_may_be_any_number(tmp_path):
    assert handed_in(tmp_path, {"yes-y1": [-3.0, 8.0]}, kind="logits").is_dir()


@pytest.mark.parametrize("positive", [(), ("tumour",), CLASSES])
def test_refuses_positive_classes_that_say_nothing(tmp_path, positive):
    with pytest.raises(ValueError, match="some, not all"):
        handed_in(tmp_path, {"yes-y1": [0.5, 0.5]}, positive=positive)
