"""The gradients pass: how far each layer moves the answer, and which of its units are active."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ml.engine.cases import Case
from ml.engine.passes import gradients_form
from ml.engine.predict import Asked, finished, in_batches
from ml.engine.program_session import as_session, broken, program_of
from ml.engine.session import ModelError
from ml.estimate import JsonObject
from ml.imaging.preprocess import Float32Array
from ml.program.cut import only_needed
from ml.program.flow import (
    activations,
    active_units,
    flat_share,
    sensitivities,
    weighted,
)
from ml.program.graph import Program
from ml.program.places import logits_of
from ml.program.walk import Values, Walker
from ml.sandbox.messages import Reporter

TABLE = "gradients.parquet"
_LONGEST = 200  # characters of a layer's name


@dataclass(frozen=True)
class Flow:
    """Of one case, layer by layer.

    Attributes:
        score: the largest logit.
        norms: (layers,) of the layers with weights.
        flat: (activations,) share of numbers at the flat ends, of those that have two.
        active: (units,) of those that cut at zero, one after the other.
    """

    score: float
    norms: Float32Array
    flat: Float32Array
    active: np.ndarray[Any, np.dtype[np.bool_]]


class Flowing:
    """Gradients of one case at a time.

    Args:
        asked: the job.

    Raises:
        ModelError: gradient_layer, where no layer has weights or the input takes no gradient.
    """

    def __init__(self, asked: Asked) -> None:
        program = asked.opened("program", lambda: program_of(asked.path, asked.manifest))
        plain = as_session(
            program, asked.manifest, threads=asked.threads, device=asked.device, fused=False
        )
        self.device, self.dtype = asked.device, plain.dtype
        self.copies = plain.fixed_batch or 1
        self.json = plain.runtime_json
        self.logits = logits_of(program, plain.output)
        self.program: Program = only_needed(replace(program, outputs=(self.logits,)))
        self.layers = weighted(self.program, self.logits)
        self.activations = activations(self.program, self.logits)
        if not self.layers or not self.dtype.is_floating_point:
            raise ModelError("gradient_layer", "No layer of the network has a gradient.")
        self.walker = Walker(self.program, asked.device.place)
        names = dict.fromkeys(one.weight for one in self.layers)
        self.weights = {name: self.walker.weights[name].requires_grad_() for name in names}
        self.units: dict[str, int] = {}  # by activation, once a case was run

    def run(self, array: Float32Array) -> Flow:
        """Of one case; a graph for several at once is given copies of it."""
        seen: dict[str, torch.Tensor] = {}
        wanted = {one.node.name for one in self.activations}

        def note(values: Values, new: Sequence[str]) -> None:
            seen.update({name: values[name].detach() for name in new if name in wanted})

        try:
            case = torch.from_numpy(array.copy())[None]
            case = self.device.place(case.repeat(self.copies, *[1] * array.ndim)).to(self.dtype)
            with torch.enable_grad():
                logits = self.walker.run([case], watch=note)[self.logits]
                score = _largest(logits[:1])
                norms = sensitivities(score, list(self.weights.values()))
        except (RuntimeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise broken(error) from None
        by_weight = dict(zip(self.weights, norms, strict=True))
        flat = [flat_share(one, seen[one.node.name][:1]) for one in self.activations
                if not one.cuts]  # fmt: skip
        active = [
            active_units(self.program, one, seen[one.node.name])[0].cpu().numpy()
            for one in self.activations
            if one.cuts
        ]
        cutting = (one for one in self.activations if one.cuts)
        self.units = {one.node.name: len(of) for one, of in zip(cutting, active, strict=True)}
        return Flow(
            float(score.detach()),
            np.array([by_weight[one.weight] for one in self.layers], np.float32),
            np.array([float(one) for one in flat], np.float32),
            np.concatenate([*active, np.zeros(0, bool)]).astype(bool),
        )

    def described(self) -> bytes:
        """The layers in order, as the table keeps them."""
        layers: list[JsonObject] = [
            {
                "name": one.name[:_LONGEST],
                "kind": one.node.operation.base,
                "weights": int(self.program.weights[one.weight].size),
            }
            for one in self.layers
        ]
        acts: list[JsonObject] = [
            {
                "name": one.name[:_LONGEST],
                "kind": one.node.operation.base,
                "units": self.units.get(one.node.name, 0) if one.cuts else 0,
            }
            for one in self.activations
        ]
        text = {"layers": layers, "activations": acts}
        return json.dumps(text, allow_nan=False).encode()


def _largest(logits: torch.Tensor) -> torch.Tensor:
    """The largest logit; of a map that of the class with most, summed over its positions."""
    by_class = logits.flatten(2).sum(dim=2) if logits.dim() > 2 else logits.reshape(1, -1)
    return by_class[0].max()


def gradients_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run one shard inside a child.

    Args:
        inputs: as of ``predict_job``.

    Returns:
        As ``predict_job``, with a table of :func:`ml.engine.passes.gradients_form`.
    """
    asked = Asked.of(inputs)
    flowing = asked.opened("gradients", lambda: Flowing(asked))

    def rows(_: Sequence[Case], arrays: Float32Array) -> list[Flow | None]:
        found = [flowing.run(array) for array in arrays]
        return [one if _finite(one) else None for one in found]

    found = in_batches(
        asked.manifest.input, asked.cases, rows,
        batch=asked.batch, device=asked.device, reporter=reporter,
    )  # fmt: skip
    shape = gradients_form(inputs, 0)
    told = next((one for one in asked.case_ids if one in found.rows), None)
    by_case = [found.rows.get(one) for one in asked.case_ids]
    columns: dict[str, pa.Array] = {"case_id": pa.array(asked.case_ids, pa.string())}
    scores = [None if one is None else one.score for one in by_case]
    columns["score"] = pa.array(scores, pa.float64())
    bytes_of: dict[str, list[bytes | None]] = {
        "norms": [None if one is None else one.norms.astype("<f4").tobytes() for one in by_case],
        "flat": [None if one is None else one.flat.astype("<f4").tobytes() for one in by_case],
        "active": [None if one is None else np.packbits(one.active).tobytes() for one in by_case],
        "layers": [flowing.described() if one == told else None for one in asked.case_ids],
    }
    assert list(bytes_of) == list(shape.blobs)
    columns |= {name: pa.array(of, pa.binary()) for name, of in bytes_of.items()}
    columns["error"] = pa.array([found.errors.get(one) for one in asked.case_ids], pa.string())
    runtime: JsonObject = {**flowing.json, "gradient_layers": len(flowing.layers)}
    return finished(asked, found, pa.table(columns), out_dir / TABLE, runtime)


def _finite(one: Flow) -> bool:
    numbers = (one.score, one.norms, one.flat)
    return all(bool(np.isfinite(each).all()) for each in numbers)
