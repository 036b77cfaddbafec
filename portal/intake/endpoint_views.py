"""Handing in a model that stays on its server, by a form."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from ml.intake.model_manifest import MANIFEST
from portal.accounts.access import check_may, get_team_or_404, signed_in
from portal.accounts.models import Team
from portal.accounts.roles import Act
from portal.blobs import store
from portal.intake import access, actions
from portal.intake.endpoint_form import EndpointForm
from portal.intake.models import UploadKind

_TYPED = "typed_endpoints"  # in the session: what was typed for the last uploads, by their ids
_KEPT = 5


@require_http_methods(["GET", "POST"])
@login_required
def endpoint(request: HttpRequest, team: str) -> HttpResponse:
    user = signed_in(request)
    found = get_team_or_404(user, team)
    if request.method == "GET":
        return _page(request, found, _again(request, found) or EndpointForm())
    check_may(user, found, Act.HAND_IN_MODEL)
    form = EndpointForm(request.POST)
    if not found.allows_endpoints or not form.is_valid():
        return _page(request, found, form)
    upload = actions.hand_in(
        actor=user,
        team=found,
        kind=UploadKind.MODEL,
        file_name=MANIFEST,
        blob=store.put_bytes(form.as_yaml()),
    )
    typed = {name: request.POST.get(name, "") for name in form.fields}
    before = list(request.session.get(_TYPED, {}).items())[1 - _KEPT :]
    request.session[_TYPED] = dict([*before, (str(upload.pk), typed)])
    return redirect(upload)


def _again(request: HttpRequest, team: Team) -> EndpointForm | None:
    """The form as it was sent by this person, with what became of it beside the fields."""
    wanted = request.GET.get("again", "")
    typed = request.session.get(_TYPED, {}).get(wanted)
    if typed is None:
        return None
    form = EndpointForm(typed)
    if form.is_valid():
        form.add_refusals(access.get_upload_or_404(team, UUID(wanted)).refusals)
    return form


def was_typed(request: HttpRequest, upload_id: UUID) -> bool:
    """Whether this person handed it in by the form, and can take it up there again."""
    return str(upload_id) in request.session.get(_TYPED, {})


def _page(request: HttpRequest, team: Team, form: EndpointForm) -> HttpResponse:
    context = {"section": "models", "form": form, "allowed": team.allows_endpoints}
    is_wrong = request.method == "POST"
    return render(request, "intake/endpoint.html", context, status=422 if is_wrong else 200)
