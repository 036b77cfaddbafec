"""Scores of foreign inputs that take the gradient of a network: run only where asked for."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from ml.engine.device import CPU, Device
from ml.program.cut import only_needed
from ml.program.graph import Program
from ml.program.places import logits_of
from ml.program.walk import Walker
from ml.stats.ood.logit_scores import max_softmax

TEMPERATURE, STEP = 1000.0, 0.0014  # of the paper
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
        device: Device = CPU,
    ) -> None:
        if not (0 < temperature < float("inf") and 0 < step < float("inf")):
            raise ValueError(f"temperature and step must be above 0, got {temperature} and {step}")
        self.dtype: torch.dtype = getattr(torch, program.inputs[0].dtype)
        if not self.dtype.is_floating_point:
            raise ValueError("the network takes whole numbers, through which no gradient is taken")
        self.logits = logits_of(program, output or program.outputs[0])
        self.temperature, self.step, self.device = temperature, step, device
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
