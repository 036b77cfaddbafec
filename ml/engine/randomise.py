"""The randomise pass: the map of every case after weights were permuted, stage by stage.

Cascading goes from the output down, each stage on top of those before; independent permutes one
stage alone; redrawn permutes all of them by a further draw. A map that stays the same shows the
picture, not what the network has learnt. Beside these the maps of the network as it is: of pictures
with a little noise, of the score of the other classes, and of pictures with a constant added that
the network takes off again. Ragged maps are compared as means over noisy copies too.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import torch

from ml.drawn import drawn
from ml.engine.cases import Case
from ml.engine.explain import (
    Explainer,
    Map,
    check_sides,
    explain,
    explainer_of,
    map_columns,
    runtime_of,
)
from ml.engine.explain_form import randomise_form, randomise_rows
from ml.engine.predict import Asked, Outputs, finished, in_batches
from ml.estimate import JsonObject
from ml.evidence.passes import (
    CASCADING,
    NO_CLASS,
    NO_LAYER,
    NOISE,
    OTHER_CLASS,
    REDRAWN,
    SHIFTED,
    SMOOTHED,
)
from ml.imaging.intensity import unit_range
from ml.imaging.preprocess import Float32Array
from ml.intake.model_manifest import ModelManifest
from ml.program.graph import Program
from ml.program.randomise import layers_from_the_top, randomised, stages
from ml.program.shifted import shifted
from ml.sandbox.messages import Reporter

Rows = Callable[[Sequence[Case], Float32Array], list[Map | None]]
TABLE = "randomise.parquet"
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


def randomise_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run one shard inside a child.

    Args:
        inputs: as of ``predict_job``; method, target, orders, stages, redrawn, noises, seed.

    Returns:
        As ``predict_job``, with a table of :func:`ml.engine.explain_form.randomise_form`. Where the
        network has fewer layers than there are stages, the last rows have the error "no_layer";
        where it scores the positive classes alone, those of another class have "no_class".
    """
    asked = Asked.of(inputs)
    first = explainer_of(asked, inputs)
    check_sides(first.sides)
    keys = [named(*row) for row in randomise_rows(inputs)]
    found: dict[str, Outputs[Map]] = {}
    for key, explained in _explained(asked, first, inputs):
        part = _part(reporter, len(found), len(set(keys)))
        found[key] = in_batches(
            asked.manifest.input, asked.cases, explained,
            batch=asked.batch, device=asked.device, reporter=part,
        )  # fmt: skip
    rows: list[Map | None] = []
    errors: list[str | None] = []
    for case_id, key in product(asked.case_ids, keys):
        made = found.get(key)
        rows.append(made.rows.get(case_id) if made else None)
        lacking = NO_CLASS if key.startswith(OTHER_CLASS) else NO_LAYER
        errors.append(made.errors.get(case_id) if made else lacking)
    shape = randomise_form(inputs, 0)
    columns = {"case_id": pa.array([one for one in asked.case_ids for _ in keys], pa.string())}
    columns |= {name: pa.array(list(of) * len(asked.case_ids)) for name, of in shape.keys.items()}
    columns |= map_columns(rows, first.sides)
    columns["error"] = pa.array(errors, pa.string())
    return finished(
        asked, _summed(found.values()), pa.table(columns), out_dir / TABLE, runtime_of(first)
    )


def named(order: str, stage: int) -> str:
    """What a row is called; those of the network as it is are one."""
    return "" if stage == 0 and order != SMOOTHED else f"{order} {stage}"


def _explained(asked: Asked, first: Explainer, inputs: JsonObject) -> Iterator[tuple[str, Rows]]:
    """By row, what makes its maps; rows that this network does not have are left out."""
    manifest, whole = with_layer(asked.manifest, first), first.attributor.program
    seed, noises = (int(cast(int, inputs[name])) for name in ("seed", "noises"))
    smooth = any(order == SMOOTHED for order, _ in randomise_rows(inputs))

    def opened(program: Program, kind: type[Explainer] = Explainer) -> Explainer:
        made = kind(
            program, manifest, method=first.method, target=first.target, device=first.device,
            params=first.params,
        )  # fmt: skip
        made.fitted = first.fitted  # of a network of the same size
        return made

    yield "", explain(first)
    last = len(stages(layers_from_the_top(whole, first.attributor.logits), _stages(inputs)))
    for order, stage, program in programs(whole, first.attributor.logits, inputs):
        changed = opened(program)
        yield named(order, stage), explain(changed)
        draw = {(CASCADING, last): 1}.get((order, stage), stage + 1 if order == REDRAWN else 0)
        if smooth and draw:
            yield named(SMOOTHED, draw), smoothed(changed, seed, noises)
    for at in range(1, noises + 1):
        yield named(NOISE, at), noisy(first, seed, at)
    if smooth:
        yield named(SMOOTHED, 0), smoothed(first, seed, noises)
    output = asked.manifest.output
    if set(output.classes) - set(output.positive):
        yield named(OTHER_CLASS, 1), explain(opened(whole, OtherClasses))
    yield named(SHIFTED, 1), brighter(opened(shifted(whole, constant(manifest))))


def _stages(params: JsonObject) -> int:
    return int(cast(int, params["stages"]))


def with_layer(manifest: ModelManifest, explainer: Explainer) -> ModelManifest:
    """The manifest that names the layer found: a randomised network keeps it."""
    return manifest.model_copy(update={"target_layer": explainer.attributor.layer.name})


def _part(reporter: Reporter, done: int, of: int) -> Reporter:
    """A reporter whose progress is one part of the whole."""
    return replace(
        reporter,
        progress=lambda at, total: reporter.progress((done * total + at) // of, total),
    )


def _summed(parts: Iterable[Outputs[Map]]) -> Outputs[Map]:
    """Errors and seconds of all stages: a case has failed if one of its rows has."""
    total: Outputs[Map] = Outputs()
    for part in parts:
        total.errors |= part.errors
        for case_id, took in part.seconds.items():
            total.seconds[case_id] = total.seconds.get(case_id, 0.0) + took
    return total
