"""Networks whose maps are known by hand, and maps of them by any method."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch

from ml.engine.explain import Explainer
from ml.engine.explain_form import METHODS
from ml.intake.pt2 import read_pt2
from tests.ml.engine.test_features import manifest_of
from tests.ml.program.networks import exported

SIDE = 8
FEW = {"map_samples": 5, "map_noise": 0.15, "map_masks": 60, "map_cells": 3, "map_shown": 0.5,
       "map_channels": 32, "map_seed": 3}  # fmt: skip


class Weighted(torch.nn.Module):
    """The log-odds are the sum of the picture with weights, plus 3; each logit half of them."""

    def __init__(self):
        super().__init__()
        weights = torch.randn((SIDE, SIDE), generator=torch.Generator().manual_seed(4))
        self.weights = torch.nn.Parameter(weights)

    def forward(self, image):
        found = (image * self.weights).sum((1, 2, 3)) + 3
        return torch.stack([-found / 2, found / 2], 1)


class Squares(torch.nn.Module):
    """The log-odds are half the sum of squares: their gradient is the picture."""

    def forward(self, image):
        found = (image * image).sum((1, 2, 3)) / 4
        return torch.stack([-found, found], 1)


class Quadrant(torch.nn.Module):
    """Reads the upper left quadrant of four filtered pictures, and nothing else."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.filters, self.seen = torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU()
        self.head = torch.nn.Linear(4, 2)
        read = torch.zeros(SIDE, SIDE)
        read[: SIDE // 2, : SIDE // 2] = 1
        self.register_buffer("read", read)

    def forward(self, image):
        return self.head((self.seen(self.filters(image)) * self.read).mean((2, 3)))


@cache
def program_of(kind):
    path = Path(mkdtemp(prefix="plumbline-known-")) / "m.pt2"
    return read_pt2(exported(kind().eval(), (1, SIDE, SIDE), path))


def manifest(**intensity):
    return manifest_of("tiny", input={"intensity": intensity})


PLAIN = {"scale": 255, "mean": 0.25, "std": 0.5}  # what the network takes goes from -0.5 to 1.5
DARK, REACH = -0.5, 2.0


def mapped(kind, method, cases, **changes):
    params = {key: FEW[key] for key in METHODS[method].params} | changes
    return explainer_for(kind, method, params).maps(cases)


def explainer_for(kind, method, params=None):
    """The layer of maps is what the filters see, or the picture itself."""
    layer = "seen" if kind is Quadrant else program_of(kind).inputs[0].name
    given = manifest(**PLAIN).model_copy(update={"target_layer": layer})
    return Explainer(program_of(kind), given, method=method, params=params)


def cases_of(n=3):
    return np.random.default_rng(8).uniform(DARK, DARK + REACH, (n, 1, SIDE, SIDE)).astype("f4")


def weights_of():
    return program_of(Weighted).weights["p_weights"]
