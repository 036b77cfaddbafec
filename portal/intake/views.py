"""Handing files in, and watching intake read them."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import TooManyFilesSent, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal.accounts.access import check_may, get_team_or_404, signed_in
from portal.accounts.models import Team
from portal.intake import access, actions, examples
from portal.intake.endpoint_views import was_typed
from portal.intake.forms import HandInForm
from portal.intake.models import Upload, UploadKind
from portal.intake.packing import pack
from portal.intake.spool import Received, Spool
from portal.leases import FINAL
from portal.ui.numbers import size

RECENT = 8


@csrf_exempt  # the token is checked in _receive, once the files have a place to go
@require_http_methods(["GET", "POST"])
@login_required
def hand_in(request: HttpRequest, team: str) -> HttpResponse:
    found = get_team_or_404(signed_in(request), team)
    if request.method == "GET":
        return _page(request, found, HandInForm(initial=_wanted(request)))
    with TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
        spool = Spool(request, Path(folder))
        request.upload_handlers = [spool]
        try:
            return _receive(request, found, spool)
        except TooManyFilesSent:
            most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
            form = HandInForm(initial=_wanted(request))
            return _page(request, found, form, f"More than {most:,} files: send them as one zip.")


@csrf_protect
def _receive(request: HttpRequest, team: Team, spool: Spool) -> HttpResponse:
    form = HandInForm(request.POST)
    if not form.is_valid():
        return _page(request, team, form, "Choose what it is: a model, a cohort or predictions.")
    kind = UploadKind(form.cleaned_data["kind"])
    check_may(request.user, team, actions.ACT_OF[kind])
    if spool.too_large:
        return _page(request, team, form, _too_large())
    received = [*request.FILES.getlist("files"), *request.FILES.getlist("folder")]
    files = [file for file in received if isinstance(file, Received)]
    try:
        name, blob = pack(files, spool.folder)
    except ValidationError as error:
        return _page(request, team, form, error.messages[0])
    upload = actions.hand_in(
        actor=signed_in(request),
        team=team,
        kind=kind,
        file_name=name,
        blob=blob,
        seal=form.cleaned_data["seal"],
    )
    return redirect(upload)


@require_GET
@login_required
def example(request: HttpRequest, team: str, name: str) -> HttpResponse:
    get_team_or_404(signed_in(request), team)
    if name not in examples.names():
        raise Http404
    response = HttpResponse(examples.text(name), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@require_GET
@login_required
def upload(request: HttpRequest, team: str, upload_id: UUID) -> HttpResponse:
    found = access.get_upload_or_404(get_team_or_404(signed_in(request), team), upload_id)
    return render(request, "intake/upload.html", _shown(request, found))


@require_GET
@login_required
def progress(request: HttpRequest, team: str, upload_id: UUID) -> HttpResponse:
    """The progress box alone, which the page asks for until the upload is read."""
    found = access.get_upload_or_404(get_team_or_404(signed_in(request), team), upload_id)
    return render(request, "intake/_progress.html", _shown(request, found) | {"asked_again": True})


@require_POST
@login_required
def retry(request: HttpRequest, team: str, upload_id: UUID) -> HttpResponse:
    user = signed_in(request)
    found = access.get_upload_or_404(get_team_or_404(user, team), upload_id)
    actions.retry_upload(actor=user, upload=found)
    messages.success(request, "It waits to be read again.")
    return redirect(found)


def _page(request: HttpRequest, team: Team, form: HandInForm, problem: str = "") -> HttpResponse:
    context = {
        "section": "cohorts" if form["kind"].value() == UploadKind.COHORT else "models",
        "form": form,
        "problem": problem,
        "kinds": [(kind, actions.ACT_OF[kind].name, examples.PARTS[kind]) for kind in UploadKind],
        "starters": {name: examples.text(name) for name in sorted(examples.names())},
        "most_bytes": settings.UPLOAD_MAX_BYTES,
        "recent": access.uploads_of(team)[:RECENT],
    }
    return render(request, "intake/hand_in.html", context, status=422 if problem else 200)


def _too_large() -> str:
    return (
        f"That is more than {size(settings.UPLOAD_MAX_BYTES)}, the most that can be handed in at "
        "once. Nothing of it was kept."
    )


def _wanted(request: HttpRequest) -> dict[str, Any]:
    kind = request.GET.get("kind")
    return {"kind": kind if kind in UploadKind.values else UploadKind.MODEL, "seal": True}


def _shown(request: HttpRequest, upload: Upload) -> dict[str, Any]:
    kind = UploadKind(upload.kind)
    return {
        "section": "cohorts" if kind == UploadKind.COHORT else "models",
        "upload": upload,
        "result": upload.model_version or upload.cohort_version or upload.predictions,
        "is_over": upload.state in FINAL,
        "may_retry": actions.ACT_OF[kind].name,
        "refused": bool(upload.refusals),
        "lines": upload.log,
        "was_typed": was_typed(request, upload.pk),
    }
