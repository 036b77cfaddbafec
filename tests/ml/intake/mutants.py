"""Damaged model files by the hundred, in a child: each is run, or refused with a code."""

import json
import random
import resource
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch

from ml.engine.program_session import open_program
from ml.engine.session import ModelError
from ml.engine.smoke import noise
from ml.intake.model_manifest import Format, ModelManifest
from ml.intake.program import read_program
from ml.intake.refusal import Refused
from tests.ml.intake.build import MANIFEST, merged

MEMORY, SECONDS = 6 * 1024**3, 500


def outcome(path: Path, kind: Format) -> str:
    """ "ran", "memory", or the code that the file is refused with."""
    declared = ModelManifest.model_validate(merged(MANIFEST, {"format": kind}))
    try:
        read_program(path, kind)
    except Refused as refused:
        return refused.refusals[0].code
    try:
        open_program(path, declared).run(noise(declared.input, 2))
    except ModelError as error:
        return error.code
    except MemoryError:
        return "memory"
    return "ran"


def count(
    kind: Format,
    sound: bytes,
    mutated: Callable[[random.Random], bytes],
    seed: int,
    times: int,
    folder: Path,
) -> None:
    """Print how many of ``times`` mutants ended how, as JSON; anything but a code is an error.

    A mutant stays in the folder until the next one is written: of an error, it is the one at fault.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    rng, path, counts = random.Random(seed), folder / "mutant", Counter[str]()
    path.write_bytes(sound)
    assert outcome(path, kind) == "ran"
    for _ in range(times):
        path.write_bytes(mutated(rng))
        counts[outcome(path, kind)] += 1
    print(json.dumps(counts))
