"""What one walk shows of a program: cost, batch, map layer and head."""

import pytest
from torch import nn

from ml.engine.attribute import map_layer
from ml.engine.measured import measured
from ml.intake.model_manifest import ModelManifest
from ml.intake.pt2 import read_pt2
from tests.ml.intake.build import MANIFEST, merged
from tests.ml.program.networks import exported


def network():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2),
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("measured") / "model.pt2"
    return read_pt2(exported(network(), (1, 8, 8), path))


def declared(**changes):
    return ModelManifest.model_validate(merged(MANIFEST, {"format": "pt2"} | changes))


def test_a_small_network_by_hand(program):
    found = measured(program, declared())

    assert found["flops_per_case"] == 2 * (64 * 4 * 9 + 4 * 6 * 4 * 9 + 6 * 2)
    assert found["batch"] == "any"
    layer = found["map_layer"]
    assert (layer["where"], layer["channels"], layer["places"]) == ("3", 6, [2, 2])
    assert layer["receptive_field"] == layer["local_field"] == [8, 8]
    assert found["head"] == {"name": "linear", "where": "6", "features": 6, "outputs": 2}


def test_the_layer_that_is_asked_for(program):
    assert measured(program, declared(target_layer="0"))["map_layer"]["places"] == [8, 8]
    assert "'nowhere'" in measured(program, declared(target_layer="nowhere"))["map_layer"]["reason"]


def test_the_layer_is_the_one_that_maps_are_taken_of(program):
    taken = map_layer(program, [(1, 8, 8)], program.outputs[0])

    assert measured(program, declared())["map_layer"]["name"] == taken.name


class ChannelsLast(nn.Module):
    """As exports of Keras end: the last map is laid out with its channels behind."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 5, 3), nn.Linear(5 * 36, 2)

    def forward(self, x):
        return self.head(self.conv(x).relu().permute(0, 2, 3, 1).flatten(1))


def test_channels_that_were_laid_out_last_are_found_there(tmp_path):
    network = read_pt2(exported(ChannelsLast().eval(), (1, 8, 8), tmp_path / "m.pt2"))

    layer = measured(network, declared())["map_layer"]

    assert (layer["channels"], layer["places"]) == (5, [6, 6])
    assert layer["receptive_field"] == [3, 3]
