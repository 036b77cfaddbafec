"""The limits of a child process, from the installation's settings."""

from django.conf import settings

from ml.sandbox.messages import Limits


def child_limits(wall_seconds: float) -> Limits:
    on_gpu = settings.INFERENCE_DEVICE == "cuda"
    return Limits(
        wall_seconds=wall_seconds,
        # A GPU's driver maps more address space than it uses, so there the limit is elsewhere.
        memory_bytes=None if on_gpu else settings.CHILD_MEMORY_BYTES,
    )
