"""A program in onnxruntime, walked like the others."""

from collections.abc import Iterable, Sequence

import numpy as np
import onnxruntime as ort
import torch

from ml.engine.session import options_of
from ml.program.cut import Shape
from ml.program.graph import Program
from ml.program.to_onnx import to_onnx
from ml.program.walk import Values


class WrittenWalker:
    """A program written as ONNX and run on the processor; taps there are none.

    Args:
        program: the network; dropout passes everything on.
        case: the shape of each input without its batch.
        threads: of one operation.

    Raises:
        ml.program.onnx_rules.NotWritten: for what has no rule.
        RuntimeError: what torch says of shapes that do not fit, or onnxruntime of the graph.
    """

    def __init__(self, program: Program, case: Sequence[Shape], *, threads: int = 1) -> None:
        self.program = program
        data = to_onnx(program, case)
        try:
            self._session = ort.InferenceSession(data, options_of(threads))
        except Exception as error:  # the runtime's own classes have no common base
            raise RuntimeError(str(error)[:300]) from None

    def run(self, inputs: Sequence[torch.Tensor], *, taps: Iterable[str] = ()) -> Values:
        """The outputs, by name.

        Raises:
            KeyError: for a tap.
        """
        for tap in taps:
            raise KeyError(tap)
        feed = {
            port.name: np.ascontiguousarray(value.numpy())
            for port, value in zip(self.program.inputs, inputs, strict=True)
        }
        names = list(dict.fromkeys(self.program.outputs))
        try:
            found = self._session.run(names, feed)
        except Exception as error:
            raise RuntimeError(str(error)[:300]) from None
        return {name: torch.from_numpy(one) for name, one in zip(names, found, strict=True)}
