"""Features beside the outputs: what layers inside give, from the same forward where that can be.

The outputs are those of the predict pass to the last bit, so one table serves both.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import torch

from ml.engine.cases import Case
from ml.engine.device import CPU, Device
from ml.engine.fused import FusedWalker
from ml.engine.passes import EARLY, MOST_FEATURES, PENULTIMATE
from ml.engine.predict import TABLE, Asked, finished, in_batches
from ml.engine.program_session import ProgramSession, as_session, program_of
from ml.engine.session import FloatArray, ModelError, Session
from ml.engine.smoke import noise
from ml.estimate import JsonObject
from ml.evidence.packed import Float32Array, packed
from ml.evidence.passes import FEATURES
from ml.evidence.store import outputs_table
from ml.imaging.declared import Input
from ml.intake.model_manifest import ModelManifest
from ml.program.graph import Program
from ml.program.places import (
    channel_axis,
    features_of,
    found_value,
    logits_of,
    settled,
    single_cuts,
    spatial,
)
from ml.program.walk import Values, Walker
from ml.sandbox.messages import Reporter


@dataclass(frozen=True)
class Layer:
    """Where features are taken.

    Attributes:
        asked: as it was asked for: "penultimate", "early", or the name of a value or module.
        value: of the program.
    """

    asked: str
    value: str


def layers_of(program: Program, asked: Sequence[str], output: str) -> tuple[Layer, ...]:
    """The values that features are taken of.

    Args:
        asked: "penultimate" is what the last linear layer on the way to the output reads;
            "early" the first value through which all passes and to which nothing is applied at
            once; other names are those of values or modules.
        output: of the program.

    Returns:
        Without "penultimate" or "early" where the network has none, as one of two branches from
        the image on: what was not named by anybody must not stop an audit.

    Raises:
        ModelError: feature_layer, where there is no layer of another name.
    """
    found = []
    for name in asked:
        try:
            value = _value(program, name, output)
        except KeyError:
            value = None
        if value is None and name in (PENULTIMATE, EARLY):
            continue
        if value is None:
            raise ModelError("feature_layer", f"The network has no layer {name!r}.")
        found.append(Layer(name, value))
    return tuple(found)


def _value(program: Program, name: str, output: str) -> str | None:
    if name == PENULTIMATE:
        return features_of(program, output)
    if name == EARLY:
        cuts = single_cuts(program, logits_of(program, output))
        inside = settled(program, [one for one in cuts if one != output])
        return next(iter(inside), None)
    return found_value(program, name)


@dataclass
class Tapped:
    """A session whose every run leaves features as well.

    Attributes:
        session: whose outputs they are.
        layers: that are tapped.
        widths: numbers of each layer, by its name as asked for.
        same_forward: features are from the forward that gives the outputs. It is so if on noise
            the outputs keep every bit while the layers are tapped; else the program is walked
            a second time.
    """

    session: Session
    layers: tuple[Layer, ...]
    same_forward: bool
    widths: Mapping[str, int]
    _taps: "_Taps"
    _tapping: ProgramSession
    _axes: Mapping[str, int]

    @property
    def device(self) -> Device:
        """That the layers are computed on."""
        return self._tapping.device

    def run(self, batch: Float32Array) -> tuple[FloatArray, dict[str, Float32Array]]:
        """Outputs of a batch, and the features of every layer.

        Args:
            batch: (n, ...) preprocessed cases.

        Returns:
            (n, k) outputs, and by layer (n, d): the value itself where it has one position; else
            each channel's mean over the positions, and for "early" its standard deviation too.

        Raises:
            ModelError, MemoryError: as :meth:`ml.engine.session.Session.run`.
        """
        self._taps.seen.clear()
        outputs = self._tapping.run(batch)
        if not self.same_forward:
            outputs = self.session.run(batch)
        features = {}
        for layer in self.layers:
            pieces = [seen[layer.value] for seen in self._taps.seen]
            value = torch.cat(pieces)[: len(batch)].cpu().double().numpy()
            spread = layer.asked == EARLY
            features[layer.asked] = pooled(value, self._axes[layer.value], spread=spread)
        return outputs, features


def pooled(value: FloatArray, axis: int, *, spread: bool = False) -> Float32Array:
    """A value as one row of numbers per case.

    Args:
        value: (n, ...) with channels along ``axis``.
        spread: the standard deviation of each channel follows the means.

    Returns:
        (n, channels), or twice as many; float32.

    Example:
        >>> pooled(np.array([[[1.0, 3.0], [0.0, 0.0]]]), 1, spread=True)
        array([[2., 0., 1., 0.]], dtype=float32)
    """
    around = tuple(at for at in range(1, value.ndim) if at != axis)
    if not around:
        return value.reshape(len(value), -1).astype(np.float32)
    parts = [value.mean(axis=around)] + ([value.std(axis=around)] if spread else [])
    return np.concatenate(parts, axis=1).astype(np.float32)


@dataclass
class _Taps:
    """A walker that keeps some values of every run."""

    walker: Walker | FusedWalker
    names: tuple[str, ...]
    seen: list[Values] = field(default_factory=list)

    @property
    def program(self) -> Program:
        return self.walker.program

    def run(self, inputs: Sequence[torch.Tensor], *, taps: Iterable[str] = ()) -> Values:
        found = self.walker.run(inputs, taps=(*taps, *self.names))
        self.seen.append({name: found[name] for name in self.names})
        return found


def tapped(
    session: Session,
    program: Program,
    manifest: ModelManifest,
    asked: Sequence[str],
    *,
    device: Device = CPU,
) -> Tapped:
    """A session that leaves features; its outputs stay what they are.

    Args:
        session: as the predict pass opens it.
        program: of the same model.
        asked: see :func:`layers_of`.
        device: that a second walk, where there is one, is computed on.

    Raises:
        ModelError: feature_layer, model_shape.
    """
    layers = layers_of(program, asked, manifest.output.name or program.outputs[0])
    names = tuple(dict.fromkeys(layer.value for layer in layers))
    if isinstance(session, ProgramSession):
        walker = _keeping(session.walker, program, names, manifest.input)
        inner = session
    else:
        inner = as_session(program, manifest, device=device, fused=False)
        walker = Walker(program, inner.device.place)
    taps = _Taps(walker, names)
    tapping = replace(inner, walker=cast(Any, taps))
    cases = noise(manifest.input, 3)
    try:
        same = np.array_equal(tapping.run(cases), session.run(cases))
    except ModelError:  # what was fused with a tap no longer fits together
        taps.walker, same = Walker(program, inner.device.place), False
        tapping.run(cases)
    axes = {}
    for name in names:
        value = taps.seen[-1][name]
        axes[name] = channel_axis(program, name, value.dim())
        numbers = value[0].numel() // max(1, int(np.prod(spatial(value.shape, axes[name]))))
        if 2 * numbers > MOST_FEATURES:
            raise ModelError("feature_layer", f"The layer {name!r} has {numbers} channels.")
    found = Tapped(session, layers, bool(same), {}, taps, tapping, axes)
    _, features = found.run(cases)
    return replace(found, widths={name: rows.shape[1] for name, rows in features.items()})


def _keeping(
    walker: Walker | FusedWalker, program: Program, names: Sequence[str], declared: Input
) -> Walker | FusedWalker:
    """The same way of walking, with some values kept."""
    if isinstance(walker, Walker):
        return walker
    example = torch.from_numpy(noise(declared, program.inputs[0].shape[0] or 2))
    try:
        return FusedWalker(program, [example], keep=names, linear=walker.linear)
    except (RuntimeError, LookupError, TypeError, ValueError):
        return Walker(program)


def features_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run one shard inside a child: as ``predict_job``, and what the layers give beside it.

    Args:
        inputs: as of ``predict_job``; features, the names of layers.

    Returns:
        As ``predict_job``; the table has a column ``features.<layer>`` for each, see
        ``ml.evidence.packed``: of nulls where the network has no such layer.
    """
    asked, names = Asked.of(inputs), [str(name) for name in cast(list[str], inputs["features"])]
    session = asked.session(reporter, out_dir)
    program = asked.opened("program", lambda: program_of(asked.path, asked.manifest))
    taps = asked.opened(
        f"features {names}",
        lambda: tapped(session, program, asked.manifest, names, device=asked.device),
    )

    def rows(
        _: Sequence[Case], arrays: Float32Array
    ) -> list[tuple[list[float], list[Float32Array | None]] | None]:
        outputs, features = taps.run(arrays)
        return [
            (
                outputs[at].tolist(),
                [features[name][at] if name in features else None for name in names],
            )
            if np.isfinite(outputs[at]).all()
            else None
            for at in range(len(arrays))
        ]

    found = in_batches(
        asked.manifest.input, asked.cases, rows,
        batch=asked.batch, device=asked.device, reporter=reporter,
    )  # fmt: skip
    nothing: list[float | None] = [None] * session.n_classes
    table = outputs_table(
        asked.case_ids,
        [found.rows[one][0] if one in found.rows else nothing for one in asked.case_ids],
        found.errors,
    )
    for at, name in enumerate(names):
        column = [found.rows[one][1][at] if one in found.rows else None for one in asked.case_ids]
        table = table.append_column(FEATURES + name, packed(column, taps.widths.get(name)))
    runtime = session.runtime_json | {
        "features": "same forward" if taps.same_forward else "second",
        "features_device": taps.device.name,
    }
    return finished(asked, found, table, out_dir / TABLE, runtime, session)


def outputs_alone(table: pa.Table) -> pa.Table:
    """The table of the predict pass, to the last byte, of one with features beside the outputs."""
    return table.select([name for name in table.column_names if not name.startswith(FEATURES)])
