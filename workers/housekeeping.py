"""The reconciler: whatever was lost between rows and broker is found again here."""

from celery.utils.log import get_task_logger

from portal.jobs import Job as Name
from portal.jobs import app
from portal.outbox import reconciler

logger = get_task_logger(__name__)


@app.task(name=Name.RECONCILE)
def reconcile() -> None:
    done = reconciler.reconcile()
    if any(done.values()):
        logger.info("reconciled: %s", done)
