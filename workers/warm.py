"""The child that this worker process keeps between the shards of one audit's model."""

import atexit
import shutil
import tempfile
from pathlib import Path

from celery.signals import worker_process_shutdown
from django.conf import settings

from ml.sandbox.messages import Limits
from ml.sandbox.warm import WarmChild

_kept: dict[tuple[str, Limits], WarmChild] = {}  # one at most


def child_of(subject: str, limits: Limits) -> WarmChild:
    """The child for one subject: of one audit, so of one team, and of its model or of none.

    Any other is ended, one of the same subject under other limits too.
    """
    known = _kept.get((subject, limits))
    if known is not None and known.base.exists():
        return known
    drop()
    settings.SCRATCH_DIR.mkdir(parents=True, exist_ok=True)
    base = Path(tempfile.mkdtemp(dir=settings.SCRATCH_DIR)).resolve()
    child = _kept[subject, limits] = WarmChild(base, limits)
    return child


def drop(*_: object, **__: object) -> None:
    """End the child that is kept, and remove its folder."""
    while _kept:
        _, child = _kept.popitem()
        child.close()
        shutil.rmtree(child.base, ignore_errors=True)


worker_process_shutdown.connect(drop)
atexit.register(drop)
