"""Is this process alive, and can it serve? For load balancers and the launcher."""

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET

from portal.audits.models import Evidence
from portal.jobs import app
from portal.outbox.models import OutboxMessage


@require_GET
def healthz(request: HttpRequest) -> HttpResponse:
    """Alive: touches neither the database nor the broker."""
    return HttpResponse("ok", content_type="text/plain")


@require_GET
def readyz(request: HttpRequest) -> HttpResponse:
    """Ready: the database answers. A missing broker delays work but loses nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse(
        {
            "database": "ok",
            "broker": _broker(),
            "outbox": OutboxMessage.objects.count(),
            "isolation": _isolation(),
        }
    )


def _isolation() -> str | None:
    """The level that the workers' latest shard was computed under; None before there is one."""
    level = "runtime__runtime__isolation__level"
    latest = Evidence.objects.order_by("-pk").values_list(level, flat=True).first()
    return None if latest is None else str(latest)


def _broker() -> str:
    try:
        with app.connection_for_write(transport_options={"socket_timeout": 1}) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=1)
    except Exception:
        return "away; work waits in the outbox"
    return "ok"
