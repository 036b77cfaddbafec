"""Which kind of model file this is, told by its first bytes, and the answer to the refused ones."""

import zipfile
from collections.abc import Collection
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
_OR_ALLOW = (
    "An owner of a team can allow TorchScript as a black box (team settings; at the command line "
    "--allow-torchscript): it is then opened behind namespaces, and nowhere else."
)
_UNSUPPORTED = (
    "Models in this format are not run in this version ({what}). Hand it in as ONNX, or as an "
    "archive of torch.export (.pt2)."
)
READ = ("onnx", "pt2", "safetensors", "monai-bundle", "ensemble", "endpoint")
_KINDS: dict[str, str] = {}
# first bytes, at this offset -> what the file is
_MAGIC = (
    (b"\x89HDF", 0, "HDF5, for instance Keras"),
    (b"TFL3", 4, "TensorFlow Lite"),
    (b"GGUF", 0, "GGUF"),
    (b"\x1f\x8b", 0, "gzip"),
)
_NO_MODEL = ((b"\x89PNG", 0), (b"\xff\xd8\xff", 0), (b"%PDF", 0), (b"\x7fELF", 0), (b"MZ", 0))


def not_allowed() -> str:
    """Why TorchScript is refused, the way out, and the other way."""
    return f"{_PICKLE}\n{_OR_ALLOW}"


def refuse_format(name: str) -> Refused:
    """The answer to a format that is known but not accepted."""
    if name == "torchscript":
        return refuse("pickle_refused", not_allowed())
    return refuse("format_unsupported", _UNSUPPORTED.format(what=_KINDS.get(name, name)))


def format_of(
    path: Path, file: str, allow: Collection[str] = ()
) -> Literal["onnx", "pt2", "safetensors", "torchscript"]:
    """Which of the formats that are run this file is in; ONNX itself has no magic.

    Args:
        allow: formats that bring code of their own and are taken all the same.

    Raises:
        Refused: empty_file, pickle_refused, format_unsupported, model_not_onnx.
    """
    with path.open("rb") as opened:
        head = opened.read(512)
    if not head:
        raise refuse("empty_file", "The file is empty.", file=file)
    if head.startswith(b"PK"):
        names = _names(path)
        if any(name.rpartition("/")[2] == "archive_format" for name in names):
            return "pt2"
        if _is_script(names):
            if "torchscript" in allow:
                return "torchscript"
            raise refuse("pickle_refused", not_allowed(), file=file)
        raise _zip_answer(names, file)
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


def _names(path: Path) -> list[str]:
    """Names in a zip; none where it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return []


def _is_script(names: list[str]) -> bool:
    """TorchScript has its code beside its pickles; a checkpoint has pickles alone."""
    ends = {name.partition("/")[2] for name in names}
    return "constants.pkl" in ends and any(end.startswith("code/") for end in ends)


def _zip_answer(names: list[str], file: str) -> Refused:
    """A zip where weights should be: which framework packed it?"""
    if not names:
        return refuse("model_not_onnx", "This is a damaged zip, not an ONNX file.", file=file)
    if {PurePosixPath(name).name for name in names} & {"data.pkl", "constants.pkl"}:
        return refuse("pickle_refused", _PICKLE, file=file)
    return refuse("model_not_onnx", "This is a zip, not an ONNX file.", file=file)
