"""Any model file that can become a program becomes one here: the door for passes over networks."""

from pathlib import Path

from ml.intake.onnx_graph import MOST_BYTES, read_graph
from ml.intake.onnx_program import read_onnx_program
from ml.intake.pt2 import read_pt2
from ml.intake.refusal import refuse
from ml.program.graph import Program


def read_program(path: Path, kind: str, case: tuple[int, ...] | None = None) -> Program:
    """The network in a file of weights, as the one inner form.

    Args:
        path: the file. It is opened nowhere but in a child.
        kind: its format as ``model.yaml`` names it: "pt2" or "onnx".
        case: the shape of one case as declared, for ONNX files that need it.

    Raises:
        Refused: see docs/intake-codes.md; format_unsupported for other formats.
    """
    if kind == "pt2":
        return read_pt2(path)
    if kind == "onnx":
        if path.stat().st_size > MOST_BYTES:
            raise refuse("model_limit", "The file is larger than 2 GiB.", file=path.name)
        return read_onnx_program(read_graph(path.read_bytes(), path.name), path.name, case)
    raise refuse("format_unsupported", f"The format {kind[:40]!r} is not read.", file=path.name)
