"""Means of several answers are means of probabilities, whatever scale is declared."""

import numpy as np
import pytest

from ml.intake.model_manifest import Scores
from ml.scores import activated, mean_outputs


def declared(kind, activation, positive=("b",)):
    return Scores(kind=kind, activation=activation, classes=["a", "b"], positive=list(positive))


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.filterwarnings("error")
def test_the_mean_of_logits_gives_the_mean_of_probabilities(activation):
    scale = declared("logits", activation)
    raw = np.random.default_rng(3).normal(scale=4, size=(7, 20, 2))
    raw[:, 0] = [1000.0, -1000.0]  # certain, all of them

    found = activated(mean_outputs(raw, scale), scale)

    assert found == pytest.approx(activated(raw, scale).mean(axis=0), abs=1e-12)
    assert np.abs(found - activated(raw.mean(axis=0), scale)).max() > 0.01


def test_numbers_that_are_not_as_declared_are_not_averaged_away():
    scale = declared("probabilities", "softmax")
    raw = np.array([[[0.5, 0.5], [0.9, 0.1]], [[0.4, 0.6], [1.5, -0.5]], [[0.4, 0.6], [0.5, 0.5]]])

    found = mean_outputs(raw, scale)

    assert found[0] == pytest.approx([1.3 / 3, 1.7 / 3])
    assert found[1].tolist() == [1.5, -0.5]
    assert np.isnan(activated(found, scale)[1]).all()
    raw[1, 0] = [np.nan, 0.5]
    assert np.isnan(mean_outputs(raw, scale)[0, 0])
