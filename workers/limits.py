"""The limits of a child process, from the installation's settings."""

from django.conf import settings

from ml.sandbox.messages import Limits
from ml.sandbox.view import gpu_devices


def child_limits(wall_seconds: float) -> Limits:
    device = settings.INFERENCE_DEVICE
    on_gpu = device == "cuda" or (device == "auto" and bool(gpu_devices()))
    return Limits(
        wall_seconds=wall_seconds,
        # A GPU's driver maps more address space than it uses, so there the limit is elsewhere.
        memory_bytes=None if on_gpu else settings.CHILD_MEMORY_BYTES,
        resident_bytes=settings.CHILD_MEMORY_BYTES,
        isolation=settings.SANDBOX,
        gpu=on_gpu,
    )
