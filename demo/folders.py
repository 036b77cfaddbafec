"""How folders to hand in are written: YAML with readable notes, CSV, and all or nothing."""

import csv
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import yaml

Cell: TypeAlias = str | int | float | None

MARKS = ("cohort.yaml", "model.yaml", "predictions.yaml")


class FolderError(Exception):
    """The folder cannot be written there; the message says why."""


class _Dumper(yaml.SafeDumper):
    """Long text as a block, so that a person can read the notes in the file."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """A new folder beside the target that takes its place only when it is complete.

    An earlier folder of ours is replaced; anything else that stands there is left alone.
    """
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise FolderError(f"{target} is not a folder. Name another place, or move it away.")
    if target.is_dir() and any(target.iterdir()) and not any((target / m).is_file() for m in MARKS):
        raise FolderError(f"{target} holds other files. Name another place, or move them away.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".building-") as folder:
        building = Path(folder) / target.name
        building.mkdir()
        yield building
        if target.exists():
            shutil.rmtree(target)
        building.replace(target)


def write_yaml(path: Path, content: Mapping[str, object]) -> None:
    text = yaml.dump(
        dict(content),
        Dumper=_Dumper,
        default_flow_style=None,  # the innermost lists on one line
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )
    path.write_text(text, encoding="utf-8")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """An absent value is an empty cell; a float is written so that it reads back unchanged."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
