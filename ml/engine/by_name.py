"""A network built from its name and given its weights, as a program. In a child process only.

The class and its arguments come from our table; it is exported as anybody's module is, and the
archive is read by the reader of archives: whatever follows sees one form.
"""

import importlib
import io
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ml.intake.architectures import TABLE, checked
from ml.intake.model_manifest import Architecture, ModelManifest
from ml.intake.program_file import beside, key_of, read_program_file
from ml.intake.pt2 import read_pt2
from ml.intake.refusal import refuse
from ml.intake.safetensors_file import read_safetensors
from ml.program.graph import Array, Program

MOST_NUMBERS = 512 * 1024**2  # in all tensors of a network: 2 GiB of float32
MOST_CALLS = 200_000  # of torch while it is built
PREFIXES = ("module.", "model.", "net.", "network.", "_orig_mod.")
_SHOWN = 5
_DRAWN = (torch.ops.aten.uniform_.default, torch.ops.aten.normal_.default)


class _TooLarge(Exception):
    """The network asks for more than is given."""


class _Bounded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what is asked for before it is given."""

    numbers = 0
    calls = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # fmt: skip
        self.calls += 1
        first = args[0] if args else None
        if isinstance(first, (list, tuple)) and all(isinstance(one, int) for one in first):
            self.numbers += math.prod(first)
        elif isinstance(first, (int, float)) and "arange" in str(func):
            self.numbers += int(max((abs(one) for one in args[:2]), default=0))
        if self.numbers > MOST_NUMBERS or self.calls > MOST_CALLS:
            raise _TooLarge
        if func in _DRAWN:
            return first  # every weight is replaced: what it starts from is not worth the time
        return func(*args, **(kwargs or {}))


def open_by_name(path: Path, manifest: ModelManifest) -> Program:
    """The program of a stored file of weights and the architecture its manifest names.

    It is taken from beside the weights where intake left it; else it is built and exported anew.

    Raises:
        Refused: as ``program_by_name`` and ``read_safetensors``.
    """
    assert manifest.architecture is not None
    stored = read_safetensors(path)
    kept = beside(path)
    if kept.exists():
        found = read_program_file(kept, stored.tensors, key_of(path, manifest))
        if found is not None:
            return found
    return program_by_name(
        manifest.architecture, stored.tensors, manifest.input.shape, file=path.name
    )


def program_by_name(
    architecture: Architecture, tensors: Mapping[str, Array], shape: Sequence[int], *, file: str
) -> Program:
    """The network with its weights, at rest, for any number of cases at once.

    Args:
        architecture: name and arguments.
        tensors: every weight by its name; a prefix that all have in common is taken off.
        shape: of one case, channels first.
        file: of the weights, for refusals.

    Returns:
        The program; its notes say what was done to make the weights fit ("weights").

    Raises:
        Refused: architecture_unknown, architecture_invalid, model_limit, weights_mismatch,
            model_shape, model_unloadable, custom_op.
    """
    module = build(architecture)
    notes = load(module, tensors, file=file)
    program = _exported(module, architecture, shape, file)
    import monai

    return replace(
        program,
        notes={**program.notes, "monai": str(monai.__version__), "weights": "\n".join(notes)},
    )


def build(architecture: Architecture, *, file: str = "model.yaml") -> Any:
    """The module, in evaluation mode, with weights of no meaning.

    Raises:
        Refused: architecture_unknown, architecture_invalid, model_limit.
    """
    arguments = checked(architecture.name, architecture.arguments, file=file)
    row = TABLE[architecture.name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, at import
        function = getattr(importlib.import_module(row.module), row.function)
        try:
            with _Bounded():  # type: ignore[no-untyped-call]
                return function(**arguments).eval()
        except (_TooLarge, MemoryError):
            raise refuse(
                "model_limit",
                f"{architecture.name} with these arguments needs more than {MOST_NUMBERS:,} "
                "numbers or too many layers.",
                file=file,
            ) from None
        except Exception as error:  # what a constructor makes of arguments that do not fit
            raise refuse(
                "architecture_invalid",
                f"{architecture.name} cannot be built with these arguments: "
                f"{' '.join(str(error).split())[:300]}",
                file=file,
            ) from None


def load(module: Any, tensors: Mapping[str, Array], *, file: str) -> list[str]:
    """Give a module its weights, all of them and no others; sentences on what that took.

    Raises:
        Refused: weights_mismatch, naming what is missing, left over or of another shape.
    """
    wanted: dict[str, torch.Tensor] = module.state_dict(keep_vars=True)
    prefix = _prefix(tensors, wanted)
    given = {name.removeprefix(prefix): one for name, one in tensors.items()}
    # How many batches were seen in training plays no part at rest, and old files lack it.
    there = {id(one) for name, one in wanted.items() if name in given}  # DynUNet names some twice
    missing = [
        name for name, one in wanted.items()
        if id(one) not in there and not name.endswith("num_batches_tracked")
    ]  # fmt: skip
    over = [name for name in given if name not in wanted]
    other = [
        f"{name} is {_kind(given[name])}, not {_kind(one)}"
        for name, one in wanted.items()
        if name in given and _kind(given[name]) != _kind(one)
    ]
    if missing or over or other:
        parts = (("missing", missing), ("not of this network", over), ("of another kind", other))
        raise refuse(
            "weights_mismatch",
            "The weights are not those of the network named: "
            + "; ".join(_listed(what, names) for what, names in parts if names)
            + ". Correct the architecture or its arguments.",
            file=file,
        )
    notes = [f"The prefix {prefix!r} was taken off every name."] if prefix else []
    kinds: set[str] = set()
    seen: dict[int, str] = {}
    with torch.no_grad():
        for name, array in given.items():
            other_name = seen.setdefault(id(wanted[name]), name)
            if not np.array_equal(array, given[other_name], equal_nan=True):
                raise refuse(
                    "weights_mismatch",
                    f"{name[:120]} and {other_name[:120]} are one weight of the network, and the "
                    "file has two different ones.",
                    file=file,
                )
            stored = torch.from_numpy(array.copy())
            if stored.dtype != wanted[name].dtype:
                kinds.add(f"{stored.dtype}".removeprefix("torch."))
            wanted[name].copy_(stored)
    if kinds:
        notes.append(f"Stored as {', '.join(sorted(kinds))}, computed with in float32.")
    return notes


def _kind(tensor: Any) -> str:
    """Shape, and whether its numbers are whole: "[64, 3] of floats"."""
    floats = "float" in str(tensor.dtype)
    return f"{list(tensor.shape)} of {'floats' if floats else 'whole numbers'}"


def _prefix(tensors: Iterable[str], wanted: Iterable[str]) -> str:
    """What all names begin with and those of the network do not: the best fit, the shortest."""
    names, known, prefix = list(tensors), set(wanted), ""
    best, found = len(known.intersection(names)), ""
    while names:
        more = next((one for one in PREFIXES if all(n.startswith(one) for n in names)), None)
        if more is None:
            break
        names, prefix = [name.removeprefix(more) for name in names], prefix + more
        if (fits := len(known.intersection(names))) > best:
            best, found = fits, prefix
    return found


def _listed(what: str, names: Sequence[str]) -> str:
    shown = ", ".join(name[:120] for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"{what}: {shown}{more}"


class _AxesSwapped(torch.nn.Module):
    """Takes pictures as (y, x) for a network that was trained on (x, y)."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, cases: torch.Tensor) -> Any:
        found = self.module(cases.transpose(-2, -1))
        first = found[0] if isinstance(found, (tuple, list)) else found
        return first.transpose(-2, -1) if first.dim() == cases.dim() else first


def _exported(module: Any, architecture: Architecture, shape: Sequence[int], file: str) -> Program:
    for part in module.modules():
        # In evaluation mode most kinds return the very tensor they were given, and what reads that
        # tensor afterwards would be exported as reading what was dropped from.
        if isinstance(part, torch.nn.modules.dropout._DropoutNd):
            part.train()
    if architecture.axes == "xy":
        module = _AxesSwapped(module).train(module.training)
    archive = io.BytesIO()
    free = ({0: torch.export.Dim("batch")},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, in export
        try:
            exported = torch.export.export(module, (torch.zeros((2, *shape)),), dynamic_shapes=free)
        except Exception as error:  # a forward pass may raise anything
            raise refuse(
                "model_shape",
                f"{architecture.name} cannot take cases of the shape {list(shape)}: "
                f"{' '.join(str(error).split())[:300]}",
                file=file,
            ) from None
        torch.export.save(exported, archive)
    archive.seek(0)
    return read_pt2(archive, file=file)
