"""A network whose dropout is switched on: cases in, several answers to each out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch

from ml.engine.dropout import Draw, DropoutSampler, seeded
from ml.engine.fused import alike
from ml.engine.program_session import program_of, use_threads
from ml.engine.runtime import FUSED, ONNXRUNTIME, PLAIN
from ml.engine.session import FloatArray, ModelError
from ml.engine.written import WrittenWalker
from ml.estimate import JsonObject
from ml.imaging.preprocess import Float32Array
from ml.intake.model_manifest import ModelManifest
from ml.program.cut import zeros
from ml.program.graph import Node, Program
from ml.program.onnx_rules import NotWritten


@dataclass(frozen=True)
class DropoutSession:
    """Samples of one output of a network.

    Attributes:
        samples: of each case.
        n_classes: numbers in one answer.
    """

    sampler: DropoutSampler
    output: str
    dtype: torch.dtype
    samples: int
    n_classes: int
    draw: Draw
    fused: bool

    def sample(self, batch: Float32Array, keys: Sequence[str]) -> FloatArray:
        """Raw outputs: (samples, n, k); a sample depends on seed, key and number alone.

        Args:
            batch: (n, ...) preprocessed cases in the declared layout.
            keys: n names of cases, which masks are drawn by.

        Raises:
            ModelError: model_failed, model_shape.
        """
        cases = torch.from_numpy(np.ascontiguousarray(batch))
        if not self.dtype.is_floating_point:
            cases = cases.round()
        try:
            found = self.sampler.sample(
                [cases.to(self.dtype)], keys, samples=self.samples, draw=self.draw
            )[self.output]
        except (RuntimeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
            text = " ".join(str(error).split())[:300]
            if "alloc" in text.lower() or "out of memory" in text.lower():
                raise MemoryError(text) from None
            raise ModelError("model_failed", f"It broke with its dropout on: {text}") from None
        raw = found.double().numpy()
        if raw.size != self.samples * len(keys) * self.n_classes:
            raise ModelError("model_shape", f"Its samples have the shape {raw.shape}.")
        return cast(FloatArray, raw.reshape(self.samples, len(keys), self.n_classes))

    @property
    def runtime_json(self) -> JsonObject:
        how = FUSED if self.fused else PLAIN
        trunk = [ONNXRUNTIME] if isinstance(self.sampler.trunk, WrittenWalker) else []
        return {
            "torch": torch.__version__,
            "providers": [*trunk, f"{how} on cpu"],
            "device": "cpu",
            "dropout_sites": len(self.sampler.sites),
        }


def open_dropout(
    path: Path,
    manifest: ModelManifest,
    *,
    samples: int,
    seed: int,
    threads: int = 1,
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
    sampler, fused = _sampler(program, active_sites(program), case, runtime)
    return DropoutSession(
        sampler=sampler,
        output=output,
        dtype=getattr(torch, program.inputs[0].dtype),
        samples=samples,
        n_classes=len(manifest.output.classes),
        draw=seeded(seed),
        fused=fused,
    )


def active_sites(program: Program) -> list[Node]:
    """The dropout sites that drop something when they are switched on, and not everything."""
    return [
        site
        for site in program.dropouts
        if isinstance(rate := site.arguments.get("p"), float | int) and 0 < rate < 1
    ]


def _sampler(
    program: Program, sites: Sequence[Node], case: tuple[int, ...], runtime: str | None
) -> tuple[DropoutSampler, bool]:
    """The quickest sampler that gives the plain one's samples of noise; is it fused?"""
    try:
        plain = DropoutSampler(program, sites, [case])
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            "dropout_unavailable", f"Its dropout cannot be switched on: {reason}."
        ) from None
    if len(case) != 3 or program.inputs[0].dtype != "float32":
        return plain, False
    noise = [torch.randn(one.shape, generator=_generator()) for one in zeros(program, [case])]
    for written in [True, False] if runtime == ONNXRUNTIME else [False]:
        try:
            fused = DropoutSampler(program, sites, [case], fused=True, written=written)
            expected, found = (
                sampler.sample(noise, ("", " "), samples=2, draw=seeded(0))[program.outputs[0]]
                for sampler in (plain, fused)
            )
        except (NotWritten, RuntimeError, IndexError, KeyError, TypeError, ValueError):
            continue
        if alike(found, expected):
            return fused, True
    return plain, False


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
