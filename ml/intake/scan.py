"""Everything in an upload, told by its first bytes: what it is, and that nobody opens it."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from ml.estimate import JsonObject, JsonValue
from ml.intake.folder import Folder, natural_order, open_plain
from ml.intake.refusal import Refused

MOST_ROWS = 200  # more files than that are counted
_HEAD = 512
_BY_MAGIC = (
    (b"PK\x03\x04", 0, "zip"),
    (b"\x80\x02", 0, "pickle"),
    (b"\x80\x03", 0, "pickle"),
    (b"\x80\x04", 0, "pickle"),
    (b"\x80\x05", 0, "pickle"),
    (b"\x89HDF", 0, "HDF5"),
    (b"TFL3", 4, "TensorFlow Lite"),
    (b"GGUF", 0, "GGUF"),
    (b"\x1f\x8b", 0, "gzip"),
    (b"\x89PNG", 0, "picture"),
    (b"\xff\xd8\xff", 0, "picture"),
    (b"%PDF", 0, "PDF"),
    (b"\x7fELF", 0, "program for a machine"),
    (b"MZ", 0, "program for a machine"),
    (b"#!", 0, "program text"),
)
_BY_NAME = {
    ".py": "program text", ".sh": "program text", ".js": "program text", ".ipynb": "program text",
    ".md": "text", ".txt": "text", ".csv": "table", ".json": "JSON", ".yaml": "YAML",
    ".yml": "YAML", ".onnx": "ONNX", ".pt2": "archive of torch.export",
}  # fmt: skip


def scan(folder: Folder) -> list[JsonObject]:
    """One row a file: name, bytes, kind. No more than its first 512 bytes are read.

    A kind is what the bytes say; only where they say nothing is the name believed.
    """
    rows: list[JsonObject] = []
    for name in sorted(folder.sizes, key=natural_order)[:MOST_ROWS]:
        with open_plain(folder.path(name)) as file:
            head = file.read(_HEAD)
        rows.append({"name": name, "bytes": folder.sizes[name], "kind": kind_of(head, name)})
    return rows


def scanned(folder: Folder, rows: list[JsonObject], used: Mapping[str, str]) -> JsonObject:
    """The scan as a card keeps it: what was done with each file.

    Args:
        folder: all files.
        rows: as ``scan`` gave them.
        used: name -> what it was read as; every other file was not opened.

    Returns:
        files: name, bytes, kind, use ("" where it was not opened); n_files, and n_bytes in all.
    """
    files: list[JsonValue] = [
        {
            **row,
            "use": used.get(str(row["name"]), ""),
        }
        for row in rows
    ]
    total = sum(folder.sizes.values())
    return {"files": files, "n_files": len(folder.sizes), "n_bytes": total}


def with_scan(refused: Refused, folder: Folder, rows: list[JsonObject]) -> Refused:
    """The refusal together with what lay in the upload.

    Nobody keeps count of what was opened until then, so nothing is said of it: a file's ``use``
    is the codes that it was refused for, "" where none names it.
    """
    named: dict[str, str] = {}
    for one in refused.refusals:
        if one.file is not None and one.code not in named.get(one.file, "").split(", "):
            named[one.file] = ", ".join(filter(None, (named.get(one.file), one.code)))
    return Refused(refused.refusals, scanned(folder, rows, named))


def kind_of(head: bytes, name: str) -> str:
    """What a file is, by its first bytes.

    Example:
        >>> kind_of(bytes([0x80, 4, 0x95]), "model.onnx"), kind_of(b"name: x", "model.yaml")
        ('pickle', 'YAML')
    """
    if not head:
        return "empty"
    # The length of a header may begin as a pickle does.
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000:
        return "safetensors"
    for magic, offset, kind in _BY_MAGIC:
        if head[offset:].startswith(magic):
            return kind
    return _BY_NAME.get(PurePosixPath(name).suffix.lower(), "unknown")
