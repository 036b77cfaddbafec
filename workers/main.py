"""Where a worker starts: celery -A workers.main worker"""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

from django.conf import settings  # noqa: E402

from portal.jobs import QUEUE_OF, Job  # noqa: E402
from portal.jobs import app as app  # noqa: E402
from workers import explored as explored  # noqa: E402
from workers import housekeeping as housekeeping  # noqa: E402
from workers import inference as inference  # noqa: E402
from workers import intake as intake  # noqa: E402
from workers import isolation as isolation  # noqa: E402
from workers import seen as seen  # noqa: E402
from workers import statistics as statistics  # noqa: E402

app.conf.beat_schedule = {
    "reconcile": {
        "task": Job.RECONCILE.value,
        "schedule": settings.RECONCILE_SECONDS,
        # An old one is worth nothing: the next does the same. It must not pile up.
        "options": {
            "queue": QUEUE_OF[Job.RECONCILE].value,
            "expires": max(settings.RECONCILE_SECONDS * 2, 5),
        },
    }
}
app.conf.beat_schedule_filename = str(settings.HOME / "beat-schedule")
