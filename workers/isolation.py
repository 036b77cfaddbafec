"""Says when a worker starts how its children are locked in."""

from typing import Any

from celery.signals import worker_ready
from celery.utils.log import get_task_logger
from django.conf import settings

from ml.sandbox import levels

logger = get_task_logger(__name__)


@worker_ready.connect
def say(**_: Any) -> None:
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
