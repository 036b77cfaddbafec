"""Which kind of model file this is, told by its first bytes, and the answer to the refused ones."""

import zipfile
from pathlib import Path, PurePosixPath
from typing import Literal

from ml.intake.refusal import Refused, refuse

PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib", ".torchscript")

HOW_TO_EXPORT = """\
model.eval(); [part.train() for part in model.modules() if "Dropout" in type(part).__name__]
cases, free = torch.zeros(2, 3, 224, 224), ({0: torch.export.Dim("batch")},)  # two of its shape
torch.export.save(torch.export.export(model, (cases,), dynamic_shapes=free), "model.pt2")"""

_PICKLE = (
    "Files of this kind can run code on the machine that opens them, so they are never opened "
    "here. Export the network alone with these three lines, to an archive of torch.export:\n"
    + HOW_TO_EXPORT
)
_UNSUPPORTED = (
    "Models in this format are not run in this version ({what}). Hand it in as ONNX, or as an "
    "archive of torch.export (.pt2)."
)
READ = ("onnx", "pt2", "safetensors", "monai-bundle", "ensemble")
_KINDS = {
    "endpoint": "model behind an address",
}
# first bytes, at this offset -> what the file is
_MAGIC = (
    (b"\x89HDF", 0, "HDF5, for instance Keras"),
    (b"TFL3", 4, "TensorFlow Lite"),
    (b"GGUF", 0, "GGUF"),
    (b"\x1f\x8b", 0, "gzip"),
)
_NO_MODEL = ((b"\x89PNG", 0), (b"\xff\xd8\xff", 0), (b"%PDF", 0), (b"\x7fELF", 0), (b"MZ", 0))


def refuse_format(name: str) -> Refused:
    """The answer to a format that is known but not accepted."""
    if name == "torchscript":
        return refuse("pickle_refused", _PICKLE)
    return refuse("format_unsupported", _UNSUPPORTED.format(what=_KINDS.get(name, name)))


def format_of(path: Path, file: str) -> Literal["onnx", "pt2", "safetensors"]:
    """Which of the formats that are run this file is in; ONNX itself has no magic.

    Raises:
        Refused: empty_file, pickle_refused, format_unsupported, model_not_onnx.
    """
    with path.open("rb") as opened:
        head = opened.read(512)
    if not head:
        raise refuse("empty_file", "The file is empty.", file=file)
    if head.startswith(b"PK"):
        if _is_pt2(path):
            return "pt2"
        raise _zip_answer(path, file)
    # Before pickles: the length of a header may begin as one does.
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000:
        return "safetensors"
    if (head[0] == 0x80 and head[1:2] in b"\x02\x03\x04\x05") or (
        PurePosixPath(file).suffix.lower() in PICKLES
    ):
        raise refuse("pickle_refused", _PICKLE, file=file)
    for magic, offset, what in _MAGIC:
        if head[offset:].startswith(magic):
            raise refuse("format_unsupported", _UNSUPPORTED.format(what=what), file=file)
    if any(head[offset:].startswith(magic) for magic, offset in _NO_MODEL) or (
        head.lstrip()[:1] in (b"<", b"{")
    ):
        raise refuse("model_not_onnx", "This is no ONNX file.", file=file)
    return "onnx"


def _is_pt2(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(PurePosixPath(name).name == "archive_format" for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def _zip_answer(path: Path, file: str) -> Refused:
    """A zip where weights should be: which framework packed it?"""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {PurePosixPath(name).name for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return refuse("model_not_onnx", "This is a damaged zip, not an ONNX file.", file=file)
    if names & {"data.pkl", "constants.pkl"}:
        return refuse("pickle_refused", _PICKLE, file=file)
    return refuse("model_not_onnx", "This is a zip, not an ONNX file.", file=file)
