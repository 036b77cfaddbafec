"""Signing in and out, and a person's own account."""

from uuid import UUID

from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST


def sign_in(request: HttpRequest) -> HttpResponse:
    return render(request, "auth.html")


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("accounts:sign-in")


@login_required
def account(request: HttpRequest) -> HttpResponse:
    return render(request, "base.html")


@require_POST
@login_required
def password(request: HttpRequest) -> HttpResponse:
    return redirect("accounts:account")


@require_POST
@login_required
def create_token(request: HttpRequest) -> HttpResponse:
    return redirect("accounts:account")


@require_POST
@login_required
def end_token(request: HttpRequest, token_id: UUID) -> HttpResponse:
    return redirect("accounts:account")
