"""Networks that are attacked, jobs over pictures of their size, and what these leave."""

import numpy as np
import torch
from PIL import Image

from ml.engine.attack import attack_job
from ml.engine.attack_form import ATTACK
from ml.engine.cases import prepare_case
from ml.engine.passes import PASSES, check_of, most_bytes_of
from ml.evidence.passes import outputs_of
from ml.evidence.store import table
from ml.intake.model_manifest import ModelManifest
from tests.ml.intake.build import MANIFEST, QUIET, merged
from tests.ml.program.networks import exported

SIDE = 12
PARAMS = PASSES[ATTACK].params


class Single(torch.nn.Module):
    """One logit, or its probability, of a small smooth network."""

    def __init__(self, *, sigmoid=True, bias=0.0):
        super().__init__()
        torch.manual_seed(3)
        self.first, self.head = torch.nn.Conv2d(1, 4, 3), torch.nn.Linear(4, 1)
        self.sigmoid = sigmoid
        with torch.no_grad():
            self.first.weight *= 3
            self.head.weight *= 3
            self.head.bias.fill_(bias)

    def logit(self, image):
        return self.head(torch.nn.functional.softplus(self.first(image)).mean((2, 3)))

    def forward(self, image):
        found = self.logit(image)
        return torch.sigmoid(found) if self.sigmoid else found


class Steep(torch.nn.Module):
    """Answers by how many pixels are bright; each is asked by a sigmoid, gentle or saturated."""

    def __init__(self, steepness, sharpness=8.0):
        super().__init__()
        self.steepness, self.sharpness = steepness, sharpness

    def forward(self, image):
        bright = torch.sigmoid(self.steepness * (image - 0.5)).mean((1, 2, 3))
        found = self.sharpness * (bright - 0.5)
        return torch.stack([-found, found], 1)


class Weighed(torch.nn.Module):
    """A sum of all numbers, each with a weight of its own."""

    def __init__(self, channels=1, scale=0.5):
        super().__init__()
        weights = torch.randn((channels, SIDE, SIDE), generator=torch.Generator().manual_seed(5))
        self.weights, self.scale = torch.nn.Parameter(weights * scale), scale

    def forward(self, image):
        return (image * self.weights).sum((1, 2, 3))[:, None]


def manifest_for(*, classes=("none", "spot"), size=SIDE, **changes):
    """Of logits; of one class they are taken as those of a sigmoid."""
    activation = "sigmoid" if len(classes) == 1 else "softmax"
    given = {
        "format": "pt2", "file": "m.pt2", "input": {"size": size},
        "output": {"kind": "logits", "classes": list(classes), "activation": activation,
                   "positive": [classes[-1]]},
    }  # fmt: skip
    return ModelManifest.model_validate(merged(merged(MANIFEST, given), changes))


def picture_files(folder, n=5, *, low=0, high=256, side=SIDE, channels=0, seed=0):
    """Paths of made-up pictures, grey or of colour channels."""
    paths = []
    for at in range(n):
        shape = (side, side, channels) if channels else (side, side)
        pixels = np.random.default_rng(seed + at).integers(low, high, shape, dtype=np.uint8)
        path = folder / f"p{at}-{low}-{high}-{channels}-{seed}.png"
        Image.fromarray(pixels).save(path)
        paths.append(path)
    return paths


def job_of(module, manifest, paths, folder, channels=1):
    """The inputs of an attack job: the module exported, and a case for each picture."""
    file = folder / "m.pt2"
    exported(module.eval(), (channels, SIDE, SIDE), file)
    cases = [{"case_id": f"c{at}", "images": [str(path)]} for at, path in enumerate(paths)]
    model = {"path": str(file), "manifest": manifest.model_dump(mode="json")}
    return {"model": model, "cases": cases, **PARAMS}


def done(job, folder):
    """What an attack job answers, and its evidence, held against its form."""
    n_classes = len(job["model"]["manifest"]["output"]["classes"])
    result = attack_job(job, folder, QUIET)
    data, ids = (folder / result["table"]).read_bytes(), [one["case_id"] for one in job["cases"]]
    check_of(ATTACK, job, n_classes)(data, ids)
    assert len(data) <= most_bytes_of(ATTACK, job, n_classes, len(ids))
    return result, outputs_of(table(data), ids)


def prepared(asked, at):
    """The prepared array of a case."""
    array = np.empty(asked.manifest.input.shape, np.float32)
    prepare_case(asked.cases[at], asked.manifest.input, array)
    return array
