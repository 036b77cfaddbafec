"""The measuring part: evidence in, estimates and findings out. No server, no database."""

import os

# onnxruntime reports its use to its makers, unless it is told not to before it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
