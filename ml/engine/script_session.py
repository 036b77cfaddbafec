"""TorchScript, which brings code of its own: a black box, opened only where it is let.

``torch.jit.load`` runs what a file says while it opens it (``__setstate__``), and its code can
write files (``torch.from_file``); so a team's owner must have allowed it, and this process must
stand behind namespaces, where nothing but its own throw-away folder can be written. See
docs/formats.md.
"""

import re
import warnings
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ml.engine.device import CPU, Device
from ml.engine.fitting import short_of_memory
from ml.engine.session import ModelError, Session, check_may_open
from ml.engine.smoke import noise
from ml.estimate import JsonObject, JsonValue
from ml.imaging.preprocess import Float32Array
from ml.intake.model_manifest import ModelManifest
from ml.intake.program_card import without_program

_jit: Any = torch.jit  # it has no types
_CODE_BYTES = 8 << 20  # of its code that are looked through
# What a reader of the card should know of; it is a look, not what keeps it in.
_TELLING = re.compile(
    rb"torch\.(?:from_file|save|load)\b|\b__setstate__\b|\bops\.(?!prim\b|aten\b)\w+"
)


@dataclass(frozen=True)
class ScriptSession(Session):
    module: Any  # torch.jit.ScriptModule
    name: str | None  # of the output, where it gives a dictionary
    device: Device

    def _raw(self, piece: Float32Array) -> NDArray[np.generic]:
        # A copy: a single case of a batch in another order may be contiguous and step backwards.
        found = _run(self.module, self.device.place(torch.from_numpy(piece.copy())), self.device)
        if isinstance(found, dict):
            found = found.get(self.name or next(iter(found), None))
        elif isinstance(found, tuple | list):
            found = found[0] if found else None
        if not isinstance(found, torch.Tensor):
            raise ModelError("model_shape", "The model gives no tensor, or none of the name.")
        return np.asarray(found.detach().cpu().double().numpy())

    @property
    def runtime_json(self) -> JsonObject:
        return {
            "torch": torch.__version__,
            **self.fitted_json,
            "providers": [f"TorchScript on {self.device.kind}"],
            **self.device.json,
        }

    def _free(self) -> None:
        self.device.free()


def _run(module: Any, cases: torch.Tensor, device: Device) -> Any:
    """One forward by the plain interpreter: what optimises itself would change its last digits."""
    try:
        with torch.inference_mode(), _jit.optimized_execution(False), device.computing():
            return module(cases)
    except MemoryError:
        raise
    except Exception as error:  # its code may raise anything
        text = " ".join(str(error).split())[-300:]
        if short_of_memory(error):
            raise MemoryError(text) from None
        raise ModelError("model_failed", f"The model broke while it ran: {text}") from None


def open_script(
    path: Path,
    manifest: ModelManifest,
    *,
    allow: Collection[str],
    walls: Collection[str],
    threads: int = 1,
    device: Device = CPU,
) -> ScriptSession:
    """Open a TorchScript file, which runs code of it.

    Args:
        path, manifest, threads, device: as for ``ml.engine.session.open_session``.
        allow: formats that bring code and are taken all the same, as an owner of the team says.
        walls: that stand around this process.

    Raises:
        ModelError: pickle_refused, isolation_required; model_unloadable, model_failed.
        MemoryError: if it does not fit.
    """
    check_may_open(allow, walls)
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("warn")
    place = device.torch_name
    if place is None:
        device = device.instead(f"TorchScript runs by torch, which does not know {device.name}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch would rather have torch.export; so would we
            module = _jit.load(str(path), map_location=place or "cpu")
        module.eval()
    except MemoryError:
        raise
    except Exception as error:  # its code may raise anything
        text = " ".join(str(error).split())[:300]
        raise ModelError("model_unloadable", f"torch cannot open the model: {text}") from None
    session = ScriptSession(
        None, len(manifest.output.classes), module, manifest.output.name, device
    )
    return _for_one_case(session, manifest)


def _for_one_case(session: ScriptSession, manifest: ModelManifest) -> ScriptSession:
    """The session, or one that runs case by case where the file was traced with one case."""
    try:
        session.run(noise(manifest.input, 2))
    except ModelError:  # if it is not for that, the trial run will say so
        return ScriptSession(1, session.n_classes, session.module, session.name, session.device)
    return session


def describe_script(path: Path, session: ScriptSession) -> JsonObject:
    """The card of a TorchScript file: little, since it is a black box; and what its code names."""
    numbers = [*session.module.parameters(), *session.module.buffers()]
    telling = sorted({found.decode() for found in _TELLING.findall(_code(path))})[:10]
    notes: list[JsonValue] = ["It runs code of its own, behind namespaces; the team allows it."]
    if telling:
        notes.append(f"Its code names {', '.join(telling)}.")
    return {
        "format": "torchscript",
        "producer": f"torch {torch.__version__}, by which it was opened",
        "operations": {},
        "parameters": sum(int(tensor.numel()) for tensor in numbers),
        "inputs": [],
        "outputs": [],
        "has_dropout": False,
        **without_program(["TorchScript is run as a black box: export it as pt2 for more."]),
        "notes": notes,
    }


def _code(path: Path) -> bytes:
    """The text of its code, as far as it is looked through."""
    pieces, left = [], _CODE_BYTES
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if "/code/" in f"/{member.filename}" and member.filename.endswith(".py") and left > 0:
                with archive.open(member) as opened:
                    pieces.append(opened.read(left))
                left -= len(pieces[-1])
    return b"\n".join(pieces)
