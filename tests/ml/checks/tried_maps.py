"""Networks that are known, run by the perturb pass over pictures of noise."""

from dataclasses import replace

import numpy as np
from PIL import Image

from ml.engine.cases import Case
from ml.engine.explain_form import perturb_form, perturb_rows
from ml.engine.perturb import perturb
from ml.engine.predict import prepare_case
from ml.evidence.orders import RANKINGS
from ml.evidence.passes import OF_MAP, CaseMaps, CaseOutputs
from tests.ml.engine.test_features import manifest_of
from tests.ml.intake.build import QUIET

N = 16
PARAMS = {"baselines": ["mean", "blur"], "rankings": list(RANKINGS), "steps": 8, "seed": 5}


def noise_file(folder, seed, size):
    path = folder / f"{seed}.png"
    pixels = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


class Known:
    """A network whose logit is a sum of pixels with weights, then a sigmoid."""

    fixed_batch, n_classes = None, 1

    def __init__(self, weights):
        self.weights = weights

    def logit(self, batch):
        return (batch[:, 0].astype(float) * self.weights).sum((1, 2))[:, None]

    def run(self, batch):
        return 1 / (1 + np.exp(-self.logit(batch)))


def quadrant():
    weights = np.zeros((8, 8))
    weights[:4, :4] = np.random.default_rng(1).normal(size=(4, 4))
    return weights


def exact(weights):
    return lambda picture: weights * (picture - picture.mean())


def tried_on_noise(
    make_evidence, folder, network, explain, *,
    declared=None, score=None, each=True, params=PARAMS, further=None,
):  # fmt: skip
    """Evidence of a known network and ways to explain it, over 16 pictures of noise.

    Args:
        explain: the map of one picture; of a batch of prepared cases where not ``each``.
        further: by ranking, more of them.
    """
    declared = declared or manifest_of("tiny").input
    cases = [Case(f"case-{n:03d}", (noise_file(folder, n, declared.sides),)) for n in range(N)]

    def of_batches(one):
        if not each:
            return one
        return lambda arrays: np.stack([one(array[0]) for array in arrays]).astype(np.float32)

    others = {name: of_batches(one) for name, one in (further or {}).items()}
    found = perturb(
        network, of_batches(explain), declared, cases, params, further=others, reporter=QUIET
    )
    rows = perturb_rows(params)
    keys = dict(zip(("baseline", "order", "step"), zip(*rows, strict=True), strict=True))
    n = network.n_classes
    broken = [np.nan] * len(perturb_form(params, n).numbers)
    numbers = np.array(
        [[broken if row is None else row for row in found.rows[one.case_id]] for one in cases]
    )
    outputs = numbers[..., :n]
    scores = outputs[..., 0] if score is None else score(outputs)
    first = scores[:, 0]
    evidence = make_evidence(first, np.arange(N) % 2)
    shown = of_batches(explain)(np.stack([prepare_case(one, declared) for one in cases]))
    of_map = dict(zip(OF_MAP, np.moveaxis(numbers[..., n:], -1, 0), strict=False))
    return replace(
        evidence,
        attributions=CaseMaps({}, shown[:, None], first[:, None], first[:, None] * np.nan),
        perturbations=CaseOutputs(keys, outputs, score=scores, of_map=of_map),
    )
