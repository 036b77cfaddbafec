"""A network whose dropout is switched on: cases in, several answers to each out."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from ml.engine.device import CPU, Autocast, Device
from ml.engine.dropout import Draw, DropoutSampler, Site, seeded
from ml.engine.fitting import in_pieces
from ml.engine.fused import alike
from ml.engine.program_session import broken, program_of, use_threads
from ml.engine.runtime import FUSED, ONNXRUNTIME, PLAIN
from ml.engine.session import FloatArray, ModelError
from ml.engine.written import WrittenWalker
from ml.estimate import JsonObject
from ml.imaging.preprocess import Float32Array
from ml.intake.model_manifest import ModelManifest
from ml.program.cut import zeros
from ml.program.graph import Node, Program
from ml.program.onnx_rules import NotWritten

_ROWS = 64  # cases times samples that the stochastic part takes at once, at most
_EACH = 8  # samples of each case, once something did not fit: with fewer cases there are fewer rows


@dataclass(frozen=True)
class DropoutSession:
    """Samples of one output of a network.

    Attributes:
        samples: of each case.
        n_classes: numbers in one answer.
        fitted, fitted_rows: how many cases, and samples of one case, fitted into memory at once,
            where it was fewer than were asked for.
    """

    sampler: DropoutSampler
    output: str
    dtype: torch.dtype
    samples: int
    n_classes: int
    draw: Draw
    fused: bool
    device: Device
    autocast: Autocast | None = None
    fitted: list[int] = field(default_factory=list)
    fitted_rows: list[int] = field(default_factory=list)
    maps: str = ""  # as of ``ml.engine.session.Session``

    def sample(self, batch: Float32Array, keys: Sequence[str]) -> FloatArray:
        """Raw outputs: (samples, n, k); a sample depends on seed, key and number alone.

        Args:
            batch: (n, ...) preprocessed cases in the declared layout.
            keys: n names of cases, which masks are drawn by.

        Raises:
            ModelError: model_failed, model_shape.
            MemoryError: where one sample of one case does not fit.
        """
        pieces = in_pieces(
            len(keys),
            lambda start, stop: self._of_some(batch[start:stop], keys[start:stop], 0, self.samples),
            self.fitted,
            self.device.free,
        )
        raw = np.concatenate(pieces, axis=1).astype(np.float64)
        if raw.size != self.samples * len(keys) * self.n_classes:
            raise ModelError("model_shape", f"Its samples have the shape {raw.shape}.")
        return cast(FloatArray, raw.reshape(self.samples, len(keys), self.n_classes))

    def sample_maps(
        self, batch: Float32Array, keys: Sequence[str], *, first: int, count: int
    ) -> Float32Array:
        """Raw maps of some of the samples: (count, n, k, ...), whatever the layout.

        Args:
            batch, keys: as of ``sample``; n pictures, volumes or patches of them.
            first, count: which samples.

        Raises:
            ModelError: model_failed, model_shape.
            MemoryError: where one sample of one picture does not fit.
        """
        pieces = in_pieces(
            len(keys),
            lambda start, stop: self._of_some(batch[start:stop], keys[start:stop], first, count),
            self.fitted,
            self.device.free,
        )
        raw = np.concatenate(pieces, axis=1).astype(np.float32)
        if self.maps == "NHWC":
            raw, sides = np.moveaxis(raw, -1, 2), batch.shape[1:-1]
        else:
            sides = batch.shape[2:]
        if raw.shape != (count, len(keys), self.n_classes, *sides):
            raise ModelError("model_shape", f"Its samples have the shape {raw.shape}.")
        return raw

    def _of_some(
        self, batch: Float32Array, keys: Sequence[str], first: int, count: int
    ) -> NDArray[np.generic]:
        if len(keys) > 1:
            each = len(keys) * _EACH if self.fitted else _ROWS
            return self._drawn(batch, keys, first, count, min(each, _ROWS))
        # Of a single case it is the samples that are too many: they are drawn in fewer at once.
        rows = min([count, _ROWS, *self.fitted_rows])
        while True:
            try:
                return self._drawn(batch, keys, first, count, rows)
            except MemoryError:
                if rows == 1:
                    raise
                rows = (rows + 1) // 2
                self.fitted_rows[:] = [rows]
            self.device.free()

    def _drawn(
        self, batch: Float32Array, keys: Sequence[str], first: int, count: int, rows: int
    ) -> NDArray[np.generic]:
        cases = torch.from_numpy(np.ascontiguousarray(batch))
        if not self.dtype.is_floating_point:
            cases = cases.round()

        def draw(sample: int, keys: Sequence[str], sites: Sequence[Site]) -> list[torch.Tensor]:
            return self.draw(first + sample, keys, sites)

        try:
            with self.device.computing(self.autocast):
                found = self.sampler.sample(
                    [cases.to(self.dtype)], keys, samples=count, draw=draw, rows=rows
                )[self.output].cpu()
        except (RuntimeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise broken(error, "It broke with its dropout on") from None
        # numpy knows no bfloat16, and a double is kept as one.
        return np.asarray((found if found.dtype == torch.float64 else found.float()).numpy())

    @property
    def runtime_json(self) -> JsonObject:
        how = FUSED if self.fused else PLAIN
        trunk = [ONNXRUNTIME] if isinstance(self.sampler.trunk, WrittenWalker) else []
        return {
            "torch": torch.__version__,
            "providers": [*trunk, f"{how} on {self.device.kind}"],
            **self.device.json,
            **self.device.precision(self.autocast),
            **({"cases_at_once": self.fitted[0]} if self.fitted else {}),
            **({"samples_at_once": self.fitted_rows[0]} if self.fitted_rows else {}),
            "dropout_sites": len(self.sampler.sites),
        }


def open_dropout(
    path: Path,
    manifest: ModelManifest,
    *,
    samples: int,
    seed: int,
    threads: int = 1,
    device: Device = CPU,
    runtime: str | None = None,
) -> DropoutSession:
    """Open a model with every site switched on that its answer depends on.

    Normalisation layers stay at rest whatever is drawn: they are other nodes of the program.

    Args:
        path: the weights. It is opened nowhere but in a child.
        manifest: what the model declares.
        samples: of each case.
        seed: of the masks.
        threads: of one operation.
        device: to compute on; masks are drawn on the processor whatever it is.
        runtime: that a trial chose for the network; it runs what no site touches, where that is
            onnxruntime and the samples stay the same.

    Raises:
        ModelError: model_unloadable, model_shape; dropout_unavailable where no site can be
            switched on.
    """
    use_threads(threads)
    program = program_of(path, manifest)
    output = manifest.output.name or program.outputs[0]
    if output not in program.outputs:
        raise ModelError("model_shape", f"There is no output '{output}'.")
    program = replace(program, outputs=(output,))
    case = tuple(manifest.input.shape)
    sampler, fused = _sampler(program, active_sites(program), case, runtime, device)
    return DropoutSession(
        sampler=sampler,
        output=output,
        dtype=getattr(torch, program.inputs[0].dtype),
        samples=samples,
        n_classes=len(manifest.output.classes),
        draw=seeded(seed),
        fused=fused,
        maps=manifest.maps,
        device=device,
        autocast=manifest.autocast,
    )


def active_sites(program: Program) -> list[Node]:
    """The dropout sites that drop something when they are switched on, and not everything."""
    return [
        site
        for site in program.dropouts
        if isinstance(rate := site.arguments.get("p"), float | int) and 0 < rate < 1
    ]


def _sampler(
    program: Program,
    sites: Sequence[Node],
    case: tuple[int, ...],
    runtime: str | None,
    device: Device,
) -> tuple[DropoutSampler, bool]:
    """The quickest sampler that gives the plain one's samples of noise; is it fused?"""
    try:
        plain = DropoutSampler(program, sites, [case], place=device.place)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            "dropout_unavailable", f"Its dropout cannot be switched on: {reason}."
        ) from None
    if program.inputs[0].dtype != "float32":
        return plain, False
    noise = [torch.randn(one.shape, generator=_generator()) for one in zeros(program, [case])]
    # What the fused executor knows.
    pictures = len(case) == 3 and device.is_cpu
    for how in _ways(pictures=pictures, written=runtime == ONNXRUNTIME):
        try:
            quicker = DropoutSampler(program, sites, [case], **how, place=device.place)
            if not pictures and quicker.cut.between == plain.cut.between:
                break  # nothing is shared, so it is the same
            expected, found = (
                sampler.sample(noise, ("", " "), samples=2, draw=seeded(0))[program.outputs[0]]
                for sampler in (plain, quicker)
            )
        except (NotWritten, RuntimeError, IndexError, KeyError, TypeError, ValueError):
            continue
        if alike(found, expected):
            return quicker, pictures
    return plain, False


def _ways(*, pictures: bool, written: bool) -> list[dict[str, bool]]:
    """What a sampler can be asked for beside the plain one, the quickest first."""
    if not pictures:
        return [{"shared": True}]
    return [*([{"fused": True, "written": True}] if written else []), {"fused": True}]


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
