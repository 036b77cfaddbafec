"""What the gradients pass left: how far layers move the answer, and which units are active."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.evidence.packed import Float32Array

BoolArray = NDArray[np.bool_]
CUTTING = ("relu", "relu6")


@dataclass(frozen=True)
class FlowLayer:
    """A layer with weights: its name, operation and how many weights it has."""

    name: str
    kind: str
    weights: int


@dataclass(frozen=True)
class FlowActivation:
    """An activation with a flat part: its name, operation, and units of one that cuts at zero."""

    name: str
    kind: str
    units: int

    @property
    def cuts(self) -> bool:
        return self.kind in CUTTING


@dataclass(frozen=True)
class GradientFlow:
    """Of n cases; a case that failed or was not drawn is NaN, and none of its units is active.

    Attributes:
        layers: with weights, in the order they run.
        activations: with a flat part, in the order they run.
        norms: (n, layers) the norm of the gradient of the largest logit by a layer's weights, times
            the norm of these: in logits per relative change of the weights.
        flat: (n, those with two flat ends) share of numbers at an end.
        active: (n, units) of those that cut at zero, one activation after the other.
        failures: case id -> error code.
    """

    layers: tuple[FlowLayer, ...]
    activations: tuple[FlowActivation, ...]
    norms: Float32Array
    flat: Float32Array
    active: BoolArray
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def ran(self) -> BoolArray:
        """(n,) the case was run, and well."""
        return np.asarray(np.isfinite(self.norms).all(axis=1) & bool(self.layers))

    @property
    def cutting(self) -> tuple[FlowActivation, ...]:
        return tuple(one for one in self.activations if one.cuts)

    @property
    def saturating(self) -> tuple[FlowActivation, ...]:
        return tuple(one for one in self.activations if not one.cuts)


def flow_of(table: pa.Table, case_ids: Sequence[str]) -> GradientFlow:
    """The table of the pass, for the cases of a cohort in its order.

    Raises:
        ValueError: for layers or numbers of them that do not fit together.
    """
    place = {case_id: at for at, case_id in enumerate(case_ids)}
    described = next((one for one in table["layers"].to_pylist() if one is not None), b"{}")
    layers, activations = _described(described)
    units = sum(one.units for one in activations if one.cuts)
    ends = sum(not one.cuts for one in activations)
    norms = np.full((len(case_ids), len(layers)), np.nan, np.float32)
    flat = np.full((len(case_ids), ends), np.nan, np.float32)
    active = np.zeros((len(case_ids), units), bool)
    failures = {}
    columns = (table[name].to_pylist() for name in ("case_id", "error", "norms", "flat", "active"))
    for case_id, error, *blobs in zip(*columns, strict=True):
        if error:
            failures[case_id] = error
            continue
        at = place[case_id]
        sizes = [None if one is None else len(one) for one in blobs]
        if sizes != [4 * len(layers), 4 * ends, -(-units // 8)]:
            raise ValueError(f"{case_id} has other numbers than the network has layers")
        norms[at], flat[at] = (np.frombuffer(one, "<f4") for one in blobs[:2])
        bits = np.frombuffer(blobs[2], np.uint8)
        active[at] = np.unpackbits(bits, count=units).astype(bool)
    if not (np.isfinite(norms) | np.isnan(norms)).all() or (norms < 0).any():
        raise ValueError("a norm is below nothing or no number")
    return GradientFlow(layers, activations, norms, flat, active, failures)


def _described(text: bytes) -> tuple[tuple[FlowLayer, ...], tuple[FlowActivation, ...]]:
    try:
        found: dict[str, Any] = json.loads(text)
        layers = tuple(
            FlowLayer(str(one["name"]), str(one["kind"]), int(one["weights"]))
            for one in found.get("layers", [])
        )
        activations = tuple(
            FlowActivation(str(one["name"]), str(one["kind"]), int(one["units"]))
            for one in found.get("activations", [])
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ValueError("the layers of the network cannot be read") from None
    if any(one.units < 0 for one in activations):
        raise ValueError("an activation has fewer units than none")
    return layers, activations
