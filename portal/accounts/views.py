"""Signing in and out, and a person's own account."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts import actions
from portal.accounts.access import signed_in, visible_teams
from portal.accounts.context import current_team
from portal.accounts.forms import PasswordForm, ProfileForm, SignInForm, TokenForm
from portal.accounts.models import User


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("password")
@never_cache
def sign_in(request: HttpRequest) -> HttpResponse:
    goal = _goal(request)
    if isinstance(request.user, User):
        return redirect(goal)
    form = SignInForm(request, request.POST or None)
    if form.is_valid() and form.user is not None:
        login(request, form.user)
        return redirect(goal)
    status = 422 if form.is_bound else 200
    return render(request, "accounts/sign_in.html", {"form": form, "next": goal}, status=status)


def _goal(request: HttpRequest) -> str:
    """Where to go afterwards: the page that asked to sign in, if it is one of ours."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if ours else reverse("home")


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    messages.info(request, "You are signed out.")
    return redirect("accounts:sign-in")


@require_http_methods(["GET", "POST"])
@login_required
def account(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    form = ProfileForm(request.POST or None, initial={"name": user.name, "theme": user.theme})
    if form.is_valid():
        actions.change_profile(user=user, **form.cleaned_data)
        messages.success(request, "Your account is saved.")
        return redirect("accounts:account")
    return _account_page(request, profile=form)


@require_POST
@sensitive_post_parameters("current", "new")
@login_required
def password(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    form = PasswordForm(user, request.POST)
    if form.is_valid():
        actions.change_password(user=user, password=form.cleaned_data["new"])
        update_session_auth_hash(request, user)
        messages.success(request, "Your password is changed. Other sessions are signed out.")
        return redirect("accounts:account")
    return _account_page(request, password=form)


@require_POST
@login_required
@never_cache
def create_token(request: HttpRequest) -> HttpResponse:
    """The answer is the page with the secret on it: it is shown once and kept nowhere."""
    user = signed_in(request)
    form = TokenForm(visible_teams(user), request.POST)
    if not form.is_valid():
        return _account_page(request, token=form)
    token, secret = actions.create_token(
        actor=user,
        team=form.cleaned_data["team"],
        name=form.cleaned_data["token_name"],
        days=form.cleaned_data["days"],
    )
    return _account_page(request, made=token, secret=secret)


@require_POST
@login_required
def end_token(request: HttpRequest, token_id: UUID) -> HttpResponse:
    user = signed_in(request)
    token = get_object_or_404(user.tokens.select_related("team"), pk=token_id)
    actions.end_token(actor=user, token=token)
    messages.success(request, f"The token “{token.name}” is ended.")
    return redirect("accounts:account")


def _account_page(request: HttpRequest, **forms: Any) -> HttpResponse:
    """The page with all its forms; one that was sent and refused is shown with its errors."""
    user = signed_in(request)
    teams = visible_teams(user)
    shown = current_team(request, list(teams))
    context = {
        "profile": ProfileForm(initial={"name": user.name, "theme": user.theme}),
        "password": PasswordForm(user),
        "token": TokenForm(teams, initial={"team": shown}),
        "tokens": user.tokens.select_related("team").order_by("ended_at", "-created_at"),
        "now": timezone.now(),
    } | forms
    refused = any(getattr(form, "errors", None) for form in forms.values())
    return render(request, "accounts/account.html", context, status=422 if refused else 200)
