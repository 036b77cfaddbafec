"""What the normalise pass left: layers, what they are given, outputs with other statistics."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.evidence.packed import BYTES, Float32Array

STORED, OTHERS, AGAIN = "stored", "beside others", "estimated again"
VERSIONS = (STORED, OTHERS, AGAIN)
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class NormLayer:
    """One normalising layer of a network.

    Attributes:
        name: the module it was written in, else its value.
        kind: "batch", "instance", "group" or "layer".
        stored: it uses statistics that were counted in training.
        channels: that it has statistics of; 0 where it stores none.
        kept: of these, how many are kept as evidence.
    """

    name: str
    kind: str
    stored: bool
    channels: int
    kept: int


@dataclass(frozen=True)
class Normalised:
    """Of n cases; a case that failed or was not drawn is NaN.

    Attributes:
        layers: in the order they run.
        shift: (n, kept) of each kept channel of the layers with stored statistics, one layer after
            the other: the mean over a case's positions less the stored mean, in stored standard
            deviations.
        ratio: (n, kept) the variance over a case's positions over the stored one.
        outputs: by version (n, k): with the stored statistics, with those and other cases in the
            batch, and with those of the case's own group.
        column: whose levels are the groups; "" where all cases are one.
        used: by level, how many cases its statistics rest on; 0 where there are too few.
        failures: case id -> error code.
        probabilities: by version (n, k) 0..1 after the declared activation.
        score: by version (n,) P(finding present).
    """

    layers: tuple[NormLayer, ...]
    shift: Float32Array
    ratio: Float32Array
    outputs: Mapping[str, FloatArray]
    column: str = ""
    used: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    probabilities: Mapping[str, FloatArray] = field(default_factory=dict)
    score: Mapping[str, FloatArray] = field(default_factory=dict)

    @property
    def ran(self) -> NDArray[np.bool_]:
        """(n,) the case was run, and well."""
        return np.asarray(np.isfinite(self.outputs[STORED]).all(axis=1))

    @property
    def stored(self) -> tuple[NormLayer, ...]:
        return tuple(one for one in self.layers if one.stored)


def normalised_of(table: pa.Table, case_ids: Sequence[str]) -> Normalised:
    """The table of the pass, for the cases of a cohort in its order.

    Raises:
        ValueError: for layers or numbers of them that do not fit together.
    """
    place = {case_id: at for at, case_id in enumerate(case_ids)}
    described = next((one for one in table["layers"].to_pylist() if one is not None), b"{}")
    column, used, layers = _described(described)
    kept = sum(one.kept for one in layers if one.stored)
    given = np.full((len(case_ids), 2, kept), np.nan, np.float32)
    names = [name for name in table.column_names if name.startswith("output_")]
    outputs = {name: np.full((len(case_ids), len(names)), np.nan) for name in VERSIONS}
    numbers = [table[name].to_numpy(zero_copy_only=False) for name in names]
    columns = (table[name].to_pylist() for name in ("case_id", "statistics", "given", "error"))
    failures: dict[str, str] = {}
    for row, (case_id, version, blob, error) in enumerate(zip(*columns, strict=True)):
        at = place[case_id]
        if error:
            failures.setdefault(case_id, error)
        outputs[version][at] = [one[row] for one in numbers]
        if blob is not None:
            if len(blob) != 2 * kept * BYTES:
                raise ValueError(f"{case_id} has other numbers than its layers have channels")
            given[at] = np.frombuffer(blob, "<f4").reshape(2, kept)
    if not np.isfinite(given[~np.isnan(given)]).all():
        raise ValueError("what layers are given holds what is no number")
    return Normalised(layers, given[:, 0], given[:, 1], outputs, column, used, failures)


def _described(text: bytes) -> tuple[str, dict[str, int], tuple[NormLayer, ...]]:
    try:
        found = json.loads(text)
        layers = tuple(
            NormLayer(
                str(one["name"]), str(one["kind"]), bool(one["stored"]), int(one["channels"]),
                int(one["kept"]),
            )
            for one in found.get("layers", [])
        )  # fmt: skip
        used = {str(one["level"]): int(one["used"]) for one in found.get("groups", [])}
        column = str(found.get("column", ""))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ValueError("the layers of the network cannot be read") from None
    if any(one.kept < 0 for one in layers):
        raise ValueError("a layer keeps less than nothing")
    return column, used, layers
