"""A process of its own, which must come to the same numbers."""

import os
import subprocess
import sys

from ml.sandbox.launch import environment


def said_elsewhere(code: str) -> str:
    """What some code prints in another process, with the environment of a child of ours.

    Hashes of strings start from another seed there; kernels chosen for this processor stay.
    """
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=environment(os.environ),
    ).stdout  # fmt: skip
