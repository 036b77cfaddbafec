"""A small network trained to see a spot, and what the randomise pass leaves of it. Simulated."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from PIL import Image

from ml.engine import predict
from ml.engine.explain import Explainer
from ml.engine.explain_form import RANDOMISE
from ml.engine.passes import PASSES
from ml.engine.randomise import randomise_job
from ml.evidence.passes import CaseMaps, maps_of
from ml.evidence.store import table
from ml.intake.model_manifest import ModelManifest
from tests.ml.intake.build import MANIFEST, QUIET, merged
from tests.ml.program.networks import exported

SIDE, CASES = 16, 30
IDS = tuple(f"case-{at:03d}" for at in range(CASES))


def picture(number: int) -> np.ndarray:
    """(16, 16) noise and, in every other one, a bright spot; each has a dark one too."""
    rng = np.random.default_rng([3, number])
    found = rng.normal(120, 12, (SIDE, SIDE))
    for sign in (-1, 1) if number % 2 else (-1,):
        row, column = rng.integers(0, SIDE - 4, 2)
        found[row : row + 4, column : column + 4] += sign * 90
    return found.clip(0, 255).astype(np.uint8)


class Spots(torch.nn.Module):
    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.first, self.second = (
            torch.nn.Conv2d(1, 8, 3, padding=1),
            torch.nn.Conv2d(8, 8, 3, padding=1),
        )
        self.head = torch.nn.Linear(8, classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found = torch.relu(self.second(torch.relu(self.first(image))))
        return self.head(found.mean((2, 3)))


@cache
def trained() -> tuple[Spots, float]:
    """The network and its accuracy on pictures that it has not seen."""
    torch.manual_seed(0)
    net = Spots()
    images = torch.tensor(np.stack([picture(at) for at in range(500, 900)])[:, None] / 255).float()
    labels = torch.arange(500, 900) % 2
    steps = torch.optim.Adam(net.parameters(), 0.02)
    for at in range(150):
        chosen = slice(at % 4 * 100, at % 4 * 100 + 100)
        loss = torch.nn.functional.cross_entropy(net(images[chosen]), labels[chosen])
        steps.zero_grad()
        loss.backward()
        steps.step()
    unseen = torch.tensor(np.stack([picture(at) for at in range(CASES)])[:, None] / 255).float()
    with torch.no_grad():
        right = net.eval()(unseen).argmax(1) == torch.arange(CASES) % 2
    return net, float(right.float().mean())


def walked(net: torch.nn.Module, *, classes: int = 2, **params: Any) -> CaseMaps:
    """The maps of the randomise pass over all pictures."""
    return maps_of(left_by(net, classes=classes, **params), IDS)


def left_by(net: torch.nn.Module, *, classes: int = 2, **params: Any) -> pa.Table:
    """The table of the randomise pass over all pictures."""
    predict._kept.clear()
    work = Path(mkdtemp(prefix="plumbline-spots-"))
    exported(net.eval(), (1, SIDE, SIDE), work / "m.pt2")
    cases = []
    for at, name in enumerate(IDS):
        Image.fromarray(picture(at)).save(work / f"{name}.png")
        cases.append({"case_id": name, "images": [str(work / f"{name}.png")]})
    names = ["a", "b"][-classes:]
    output = {"kind": "logits", "classes": names, "positive": ["b"]}
    output["activation"] = "softmax" if classes > 1 else "sigmoid"
    given = {"format": "pt2", "file": "m.pt2", "input": {"size": [SIDE, SIDE]}, "output": output}
    manifest = ModelManifest.model_validate(merged(MANIFEST, given)).model_dump(mode="json")
    inputs = {"model": {"path": str(work / "m.pt2"), "manifest": manifest}, "cases": cases}
    done = randomise_job({**inputs, **PASSES[RANDOMISE].params, **params}, work, QUIET)
    return table((work / done["table"]).read_bytes())


def edges(explainer: Explainer, arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What an edge detector would give in place of an explanation: no weight is looked at."""
    across, down = np.gradient(arrays[:, 0], axis=(1, 2))
    n = len(arrays)
    return np.hypot(across, down).astype(np.float32), np.zeros(n), np.full(n, np.nan)
