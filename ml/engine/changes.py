"""What makes maps of changed networks and pictures, one change after the other.

Weights are permuted stage by stage: cascading goes from the output down, each stage on top of those
before; independent permutes one stage alone; redrawn permutes all of them by a further draw. Beside
these the network as it is: with a little noise on the picture, with a constant added that the
network takes off again, for the other classes, and with all that a method draws drawn again.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import numpy as np
import torch

from ml.drawn import drawn
from ml.engine.cases import Case
from ml.engine.explain import Explainer, Map, explain
from ml.engine.explain_form import RESEEDS, randomise_rows
from ml.engine.predict import Asked
from ml.estimate import JsonObject
from ml.evidence.passes import (
    CASCADING,
    NOISE,
    OTHER_CLASS,
    REDRAWN,
    RESEEDED,
    SHIFTED,
    SMOOTHED,
)
from ml.imaging.intensity import unit_range
from ml.imaging.preprocess import Float32Array
from ml.intake.model_manifest import ModelManifest
from ml.program.graph import Program
from ml.program.randomise import layers_from_the_top, randomised, stages
from ml.program.shifted import shifted

Stage = tuple[str, int]
Rows = Callable[[Sequence[Case], Float32Array], list[Map | None]]
NOISE_SIZE = 0.01  # standard deviation, of the range of what the network is given of a case


class OtherClasses(Explainer):
    """Maps of the classes that are not positive: the sum of their logits."""

    def _weights(self, logits: torch.Tensor) -> torch.Tensor:
        output = self.manifest.output
        counted = [float(name not in output.positive) for name in output.classes]
        return torch.tensor([counted]).repeat(len(logits), 1)


def programs(
    program: Program, output: str, params: JsonObject
) -> Iterator[tuple[str, int, Program]]:
    """Order, stage and program of every stage that has layers, but the network as it is."""
    groups = stages(layers_from_the_top(program, output), _stages(params))
    seed = int(cast(int, params["seed"]))
    for order in cast(list[str], params["orders"]):
        for at in range(1, len(groups) + 1):
            chosen = groups[:at] if order == CASCADING else groups[at - 1 : at]
            yield order, at, randomised(program, [one for group in chosen for one in group], seed)
    layers = [one for group in groups for one in group]
    for at in range(1, int(cast(int, params["redrawn"])) + 1):
        yield REDRAWN, at, randomised(program, layers, seed + at)


def noisy(explainer: Explainer, seed: int, at: int) -> Rows:
    """As :func:`ml.engine.explain.explain`, of the cases with noise of NOISE_SIZE.

    Args:
        seed, at: the noise of a case depends on these and its id alone.
    """
    plain = explain(explainer)

    def rows(cases: Sequence[Case], arrays: Float32Array) -> list[Map | None]:
        worse = [
            one
            + NOISE_SIZE
            * np.ptp(one)
            * drawn(seed, case.case_id, NOISE, at).normal(0, 1, one.shape)
            for case, one in zip(cases, arrays, strict=True)
        ]
        return plain(cases, np.stack(worse).astype(np.float32))

    return rows


def smoothed(explainer: Explainer, seed: int, noises: int) -> Rows:
    """As :func:`noisy`, the mean of the maps over so many noisy copies of each case.

    Source:
        Hedström et al. (2024), Sanity checks revisited, arXiv:2401.06465 (smooth MPRT).
    """
    each = [noisy(explainer, seed, at) for at in range(1, noises + 1)]

    def rows(cases: Sequence[Case], arrays: Float32Array) -> list[Map | None]:
        copies = [one(cases, arrays) for one in each]
        return [_mean(made) for made in zip(*copies, strict=True)]

    return rows


def _mean(made: Sequence[Map | None]) -> Map | None:
    there = [one for one in made if one is not None]
    if len(there) < len(made):
        return None
    mean = np.stack([one.map for one in there]).mean(axis=0, dtype=np.float64)
    return Map(mean.astype(np.float32), float(np.mean([one.score for one in there])), np.nan)


def brighter(explainer: Explainer) -> Rows:
    """As :func:`ml.engine.explain.explain`, of the cases plus half of what intensities span."""
    plain, by = explain(explainer), constant(explainer.manifest)

    def rows(cases: Sequence[Case], arrays: Float32Array) -> list[Map | None]:
        return plain(cases, arrays + np.float32(by))

    return rows


def constant(manifest: ModelManifest) -> float:
    """What is added to a picture: half of the largest span of a channel's intensities."""
    scale, _ = unit_range(manifest.input)
    return float(np.max(scale)) / 2


def named(order: str, stage: int) -> str:
    """What a row is called; those of the network as it is are one."""
    return "" if stage == 0 and order != SMOOTHED else f"{order} {stage}"


def changes_of(asked: Asked, first: Explainer, inputs: JsonObject) -> Iterator[tuple[Stage, Rows]]:
    """By row of the pass, what makes its maps: first those of the network as it is.

    Rows that this network or method does not have are left out.
    """
    manifest, whole = with_layer(asked.manifest, first), first.attributor.program
    seed, noises = (int(cast(int, inputs[name])) for name in ("seed", "noises"))
    smooth = any(order == SMOOTHED for order, _ in randomise_rows(inputs))

    def opened(
        program: Program, kind: type[Explainer] = Explainer, own: JsonObject | None = None
    ) -> Explainer:
        made = kind(
            program, manifest, method=first.method, target=first.target, device=first.device,
            params=first.params | (own or {}),
        )  # fmt: skip
        made.fitted = first.fitted  # of a network of the same size
        return made

    yield (CASCADING, 0), explain(first)
    last = len(stages(layers_from_the_top(whole, first.attributor.logits), _stages(inputs)))
    for order, stage, program in programs(whole, first.attributor.logits, inputs):
        changed = opened(program)
        yield (order, stage), explain(changed)
        draw = {(CASCADING, last): 1}.get((order, stage), stage + 1 if order == REDRAWN else 0)
        if smooth and draw:
            yield (SMOOTHED, draw), smoothed(changed, seed, noises)
    for at in range(1, noises + 1):
        yield (NOISE, at), noisy(first, seed, at)
    if smooth:
        yield (SMOOTHED, 0), smoothed(first, seed, noises)
    if "map_seed" in first.params:
        for at in range(1, RESEEDS + 1):
            own: JsonObject = {"map_seed": int(cast(int, first.params["map_seed"])) + at}
            yield (RESEEDED, at), explain(opened(whole, own=own))
    output = asked.manifest.output
    if set(output.classes) - set(output.positive):
        yield (OTHER_CLASS, 1), explain(opened(whole, OtherClasses))
    yield (SHIFTED, 1), brighter(opened(shifted(whole, constant(manifest))))


def _stages(params: JsonObject) -> int:
    return int(cast(int, params["stages"]))


def with_layer(manifest: ModelManifest, explainer: Explainer) -> ModelManifest:
    """The manifest that names the layer found: a randomised network keeps it."""
    return manifest.model_copy(update={"target_layer": explainer.attributor.layer.name})
