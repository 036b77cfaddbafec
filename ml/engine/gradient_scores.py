"""Scores of foreign inputs that take the gradient of a network: run only where asked for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ml.engine.cases import Case
from ml.engine.copies import Versions, rows_table
from ml.engine.device import CPU, Device
from ml.engine.fitting import in_pieces
from ml.engine.predict import Asked, CaseError, finished, in_batches
from ml.engine.program_session import as_session, broken, program_of
from ml.engine.requested_form import gradient_scores_form
from ml.engine.session import ModelError
from ml.estimate import JsonObject
from ml.imaging.intensity import unit_range
from ml.imaging.preprocess import Float32Array
from ml.program.cut import only_needed
from ml.program.graph import Program
from ml.program.places import logits_of
from ml.program.walk import Walker
from ml.sandbox.messages import Reporter
from ml.stats.ood.logit_scores import max_softmax

TEMPERATURE, STEP = 1000.0, 0.0014  # of the paper
TABLE = "gradient-scores.parquet"
NO_GRADIENT = "gradient_layer"
FORWARDS = 4.0  # a forward with its backward (3, as the attribute pass counts), and one more


class Odin:
    """ODIN of a network whose classes exclude each other: MSP at a temperature, after the input was
    moved a little to where the answer is surer. Familiar inputs move further.

    It costs about ``FORWARDS`` forwards of each case, which scores of cached outputs do not.

    Args:
        program: the network, in floats.
        output: the answer; by default the first. Of a single logit z the classes are (0, z).
        temperature: above 0, that logits are divided by.
        step: how far each number of the input is moved, in units of the prepared input. Chosen on
            foreign inputs it would leak: the paper's is for inputs of 0..1.
        gain: what one intensity of 0..1 is worth in a prepared input, to be broadcast over it: then
            the step is in intensities, as in the paper. None: 1.
        device: to compute on, in float32.

    Raises:
        KeyError, ValueError: where the program has no such output, takes whole numbers, through
            which no gradient is taken, or for a temperature or step that is not above 0.

    Source:
        Liang, Li, Srikant (2018), ICLR (Enhancing The Reliability of Out-of-distribution Image
        Detection in Neural Networks), section 3.
    """

    def __init__(
        self,
        program: Program,
        *,
        output: str | None = None,
        temperature: float = TEMPERATURE,
        step: float = STEP,
        gain: torch.Tensor | None = None,
        device: Device = CPU,
    ) -> None:
        if not (0 < temperature < float("inf") and 0 < step < float("inf")):
            raise ValueError(f"temperature and step must be above 0, got {temperature} and {step}")
        self.dtype: torch.dtype = getattr(torch, program.inputs[0].dtype)
        if not self.dtype.is_floating_point:
            raise ValueError("the network takes whole numbers, through which no gradient is taken")
        self.logits = logits_of(program, output or program.outputs[0])
        self.temperature, self.device = temperature, device
        self.step: float | torch.Tensor = step if gain is None else device.place(step * gain)
        whole = only_needed(replace(program, outputs=(self.logits,)))
        self._walker = Walker(whole, device.place)

    def scores(self, inputs: Sequence[torch.Tensor]) -> NDArray[np.float64]:
        """(n,) of n cases, 0..1; higher = more foreign.

        Args:
            inputs: one tensor for each input of the network, prepared; the first is moved.

        Raises:
            ValueError: for outputs that are not (n, classes).
        """
        with self.device.computing():
            moved = self.moved(inputs)
            with torch.inference_mode():
                found = self._warm([moved, *inputs[1:]])
        return max_softmax(found.double().cpu().numpy())

    def moved(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """The first input, each number a step to where the answer is surer."""
        with torch.enable_grad():
            first = inputs[0].detach().clone().to(self.dtype).requires_grad_()
            warm = self._warm([first, *inputs[1:]])
            loss = torch.nn.functional.cross_entropy(warm, warm.argmax(dim=1), reduction="sum")
            (slope,) = torch.autograd.grad(loss, first)
        return first.detach() - self.step * slope.sign()

    def _warm(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        found: torch.Tensor = self._walker.run(inputs)[self.logits]
        if found.dim() == 1 or (found.dim() == 2 and found.shape[1] == 1):
            found = torch.stack([torch.zeros_like(found.flatten()), found.flatten()], dim=1)
        if found.dim() != 2:
            raise ValueError(f"expected (n, classes), got {tuple(found.shape)}")
        return found / self.temperature


class Scoring:
    """The scores of prepared cases of one model.

    Args:
        asked: the job.

    Raises:
        ModelError: gradient_layer, where the input takes no gradient or outputs are no classes that
            exclude each other; model_shape, model_unloadable.
    """

    def __init__(self, asked: Asked) -> None:
        program = asked.opened("program", lambda: program_of(asked.path, asked.manifest))
        plain = as_session(
            program, asked.manifest, threads=asked.threads, device=asked.device, fused=False
        )
        declared = asked.manifest.input
        gain, _ = unit_range(declared)
        means = asked.manifest.output
        if not means.softmax and len(means.classes) > 1:
            raise ModelError(NO_GRADIENT, "Its findings do not exclude each other.")
        sides = [1] * (len(declared.shape) - 1)
        shape = (-1, *sides) if declared.layout == "NCHW" else (*sides, -1)
        try:
            self.odin = Odin(
                program, output=plain.output, device=asked.device,
                gain=torch.from_numpy(gain.astype(np.float32).reshape(shape)),
            )  # fmt: skip
        except ValueError as error:
            raise ModelError(NO_GRADIENT, f"{error}.") from None
        if means.kind == "probabilities" and self.odin.logits == plain.output:
            raise ModelError(NO_GRADIENT, "No logits lie before its probabilities.")
        self.size, self.json = plain.fixed_batch, plain.runtime_json
        self.device = asked.device
        self.fitted: list[int] = []  # cases that fitted into memory at once

    def scores(self, arrays: Float32Array) -> NDArray[np.float64]:
        """(n,) of n prepared cases; NaN where one is not finite."""
        n, size = len(arrays), self.size
        if size:  # a graph for exactly so many cases: filled up with the last, cut off after
            filled = np.concatenate([arrays, np.repeat(arrays[-1:], -n % size, axis=0)])
            pieces = [self._of(filled[at : at + size]) for at in range(0, len(filled), size)]
            return np.concatenate(pieces)[:n]
        pieces = in_pieces(
            n, lambda start, stop: self._of(arrays[start:stop]), self.fitted, self.device.free
        )
        return np.concatenate(pieces)

    def _of(self, arrays: Float32Array) -> NDArray[np.float64]:
        try:
            cases = self.device.place(torch.from_numpy(arrays.copy())).to(self.odin.dtype)
            return self.odin.scores([cases])
        except (RuntimeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise broken(error) from None


def gradient_scores_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run one shard inside a child.

    Args:
        inputs: as of ``predict_job``.

    Returns:
        As ``predict_job``, with a table of
        :func:`ml.engine.requested_form.gradient_scores_form`.
    """
    asked = Asked.of(inputs)
    scoring, told = _opened(asked)

    def rows(_: Sequence[Case], arrays: Float32Array) -> list[Versions | CaseError | None]:
        if scoring is None:
            return [CaseError(NO_GRADIENT) for _ in arrays]
        found = scoring.scores(arrays)
        return [[[float(one)]] if np.isfinite(one) else None for one in found]

    found = in_batches(
        asked.manifest.input, asked.cases, rows,
        batch=asked.batch, device=asked.device, reporter=reporter,
    )  # fmt: skip
    table = rows_table(asked.case_ids, gradient_scores_form(inputs, 0), found)
    fitted = scoring.fitted if scoring else []
    runtime = {**told, **({"cases_at_once": fitted[0]} if fitted else {})}
    return finished(asked, found, table, out_dir / TABLE, runtime)


def _opened(asked: Asked) -> tuple[Scoring | None, JsonObject]:
    """What scores, or None, and what the evidence says of it: no audit ends for want of a score."""
    try:
        scoring = asked.opened("gradient scores", lambda: Scoring(asked))
    except ModelError as error:
        if error.code != NO_GRADIENT:
            raise
        torch_alone: JsonObject = {"torch": torch.__version__, "providers": [], "device": "cpu"}
        return None, {**torch_alone, "no_score": error.message}
    return scoring, scoring.json
