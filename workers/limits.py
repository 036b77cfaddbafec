"""The limits of a child process, from the installation's settings."""

from django.conf import settings

from ml.sandbox.gpu import index_of
from ml.sandbox.messages import Limits


def child_limits(wall_seconds: float) -> Limits:
    index = index_of(settings.INFERENCE_DEVICE)
    return Limits(
        wall_seconds=wall_seconds,
        # A GPU's driver maps more address space than it uses, so there the limit is elsewhere.
        memory_bytes=None if index is not None else settings.CHILD_MEMORY_BYTES,
        resident_bytes=settings.CHILD_MEMORY_BYTES,
        isolation=settings.SANDBOX,
        gpu=index is not None,
        gpu_index=index or 0,
    )
