"""Nothing that measures reports to anybody."""

import os
import subprocess
import sys


def test_onnxruntime_does_not_report_its_use(repo_root):
    """Switched on, it begins by writing down a number for this machine, and says when it cannot."""
    lines = ("import ml.engine.session", "import onnxruntime", "print(onnxruntime.__version__)")
    own = {"HOME": "/proc/nobody", "XDG_CACHE_HOME": "/proc/nobody", "PATH": os.environ["PATH"]}

    done = subprocess.run(
        [sys.executable, "-c", "; ".join(lines)],
        cwd=repo_root, env=own, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.strip()
    assert "telemetry" not in done.stderr
