"""Says when a worker starts how its children are locked in, and whether they share a GPU."""

from typing import Any

from celery.signals import worker_ready
from celery.utils.log import get_task_logger
from django.conf import settings

from ml.sandbox import levels
from ml.sandbox.gpu import index_of

logger = get_task_logger(__name__)


def shared_gpu(processes: int) -> str:
    """What is wrong with so many processes of one worker; "" where it is as it should be."""
    index = index_of(settings.INFERENCE_DEVICE)
    if index is None or processes < 2:
        return ""
    return (
        f"{processes} processes of this worker share the GPU {index}, and its memory. Start one "
        "worker for each GPU, with --concurrency 1 and INFERENCE_DEVICE=cuda:N."
    )


@worker_ready.connect
def say(sender: Any = None, **_: Any) -> None:
    warning = shared_gpu(int(getattr(getattr(sender, "controller", None), "concurrency", 1) or 1))
    if warning:
        logger.warning(warning)
    try:
        isolation = levels.choose(settings.SANDBOX)
    except levels.Unavailable as problem:
        logger.error("%s No upload will be read and no model run.", problem)
        return
    logger.info("isolation: %s (%s)", isolation.level, ", ".join(isolation.walls))
    for why in isolation.missing:
        logger.info("isolation: %s", why)
    if levels.warning(isolation):
        logger.warning(levels.warning(isolation))
