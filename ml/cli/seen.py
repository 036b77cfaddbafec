"""`python -m ml seen`: the picture of what a model would be given for one case."""

import argparse
import tempfile
from pathlib import Path
from typing import cast

from ml.cli.errors import DONE, checked
from ml.engine.plan import limits_of
from ml.engine.seen import steps_left
from ml.estimate import JsonObject, JsonValue
from ml.intake.folder import natural_order
from ml.intake.manifest import parse_yaml, validated
from ml.intake.model_manifest import ModelManifest
from ml.intake.refusal import refuse
from ml.sandbox.messages import Job
from ml.sandbox.parent import run as run_job


def run(arguments: argparse.Namespace) -> int:
    """Prepare a case in a child as the manifest declares it; say each step, write the last."""
    for path in (arguments.manifest, *arguments.images):
        if not path.exists():
            raise refuse("not_found", f"{path}: there is no such file or folder.")
    manifest: Path = arguments.manifest
    value = parse_yaml(manifest.read_bytes(), manifest.name)
    declared = validated(ModelManifest, value, manifest.name).input
    images: list[JsonValue] = [str(path) for path in _files(arguments.images)]
    inputs: JsonObject = {
        "input": cast(JsonObject, declared.model_dump(mode="json")),
        "cases": [{"case_id": "shown", "images": images}],
    }
    with tempfile.TemporaryDirectory() as work:
        job = Job("seen", inputs, Path(work))
        outcome = checked(run_job(job, limits=limits_of(job.kind)), str(arguments.images[0]))
        steps = steps_left(Path(work), outcome.result)
    for step, _ in steps:
        print(f"{step['name']:<12} {step['says']}\n{'':<12} {_numbers(step)}")
    given, pictures = steps[-1]
    arguments.out.write_bytes(pictures[len(pictures) // 2])
    print(f"{arguments.out}: {_numbers(given)}")
    return DONE


def _numbers(step: JsonObject) -> str:
    sides = " x ".join(str(side) for side in cast(list[int], step["shape"]))
    return f"{sides} numbers from {step['low']:.6g} to {step['high']:.6g}, mean {step['mean']:.6g}"


def _files(paths: list[Path]) -> list[Path]:
    """The files themselves; of a folder, all that lie in it."""
    found: list[Path] = []
    for path in paths:
        inside = (one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]
        found += sorted((one.resolve() for one in inside), key=lambda one: natural_order(str(one)))
    return found
