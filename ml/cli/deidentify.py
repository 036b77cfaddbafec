"""`python -m ml deidentify`: DICOM files without what says who they are of, with a report."""

import argparse
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import cast

from ml.cli.errors import DONE, REFUSED, checked
from ml.engine.plan import limits_of
from ml.estimate import JsonObject, JsonValue
from ml.imaging.deid.keyed import KEY_BYTES
from ml.intake.refusal import refuse
from ml.sandbox.messages import Job
from ml.sandbox.parent import run as run_job
from ml.sandbox.results import left

_BESIDE = ("report.json", "covariates.csv")


def run(arguments: argparse.Namespace) -> int:
    """Read the inputs in a child; put what it wrote into the folder and say how much it was.

    Nothing that is printed repeats a name or a value of the inputs.
    """
    for number, path in enumerate(arguments.inputs, 1):
        if not path.exists():
            raise refuse("not_found", f"Input {number}: there is no such file or folder.")
    key = _key(arguments.key)
    out: Path = arguments.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise refuse("option_invalid", f"--out {out}: it must be a new or an empty folder.")
    out.mkdir(parents=True, exist_ok=True)
    paths = [path.resolve() for path in arguments.inputs]
    inputs: JsonObject = {"paths": list[JsonValue](map(str, paths)), "key": key.hex()}
    with tempfile.TemporaryDirectory(prefix=".work-", dir=out) as work:
        job = Job("deidentify", inputs, Path(work), reads=tuple(paths))
        result = checked(run_job(job, limits=limits_of(job.kind)), "deidentify").result
        for name in (*cast(list[str], result["names"]), *_BESIDE):
            source = left(Path(work), name)
            (out / name).parent.mkdir(exist_ok=True)
            shutil.move(source, out / name)
    print("\n".join(_lines(result, out, kept=arguments.key is not None)))
    return REFUSED if result["n_refused"] or not result["n_written"] else DONE


def _key(path: Path | None) -> bytes:
    """The key of a file; without one a key that nobody keeps.

    Raises:
        Refused: not_found, option_invalid.
    """
    if path is None:
        return secrets.token_bytes(KEY_BYTES)
    if not path.is_file():
        raise refuse(
            "not_found", f"--key {path}: make one with `head -c {KEY_BYTES} /dev/urandom > FILE`."
        )
    key = path.read_bytes()
    if len(key) < KEY_BYTES:
        raise refuse("option_invalid", f"--key {path}: a key has at least {KEY_BYTES} bytes.")
    return key


def _lines(result: JsonObject, out: Path, *, kept: bool) -> list[str]:
    burned_in = cast(JsonObject, result["burned_in"])
    written = f"{result['n_written']} of {result['n_files']} files written"
    lines = [
        f"{written}, of {result['n_patients']} patients: {out}",
        f"{burned_in['needs_review']} may have text in their pixels: {out / 'needs_review'}",
    ]
    if result["n_refused"]:
        lines.append(f"{result['n_refused']} refused: the reasons are in {out / 'report.json'}")
    if result["n_skipped"]:
        lines.append(f"{result['n_skipped']} left out: no DICOM files, listings, or there twice")
    if not kept:
        lines.append("No --key: another run makes other UIDs, pseudonyms and dates.")
    return lines
