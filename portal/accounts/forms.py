"""What people type about themselves and each other, and whether it can be used."""

from typing import Any

from django import forms
from django.contrib.auth import authenticate, password_validation
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from portal.accounts.models import Team, Theme, User
from portal.accounts.roles import Role

TOKEN_DAYS = ((30, "30 days"), (90, "90 days"), (365, "a year"))


class SignInForm(forms.Form):
    email = forms.EmailField(
        label="E-mail",
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    password = forms.CharField(
        strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        self.user: User | None = None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("email") and data.get("password"):
            found = authenticate(self.request, username=data["email"], password=data["password"])
            if not isinstance(found, User):
                # One sentence for every reason: who has an account is nobody's business.
                raise ValidationError("E-mail and password do not belong together.")
            self.user = found
        return data


class ProfileForm(forms.Form):
    name = forms.CharField(max_length=120, help_text="Shown on audits, reports and the trail.")
    theme = forms.ChoiceField(
        choices=Theme.choices, widget=forms.Select(attrs={"data-theme-choice": True})
    )


class PasswordForm(forms.Form):
    current = forms.CharField(
        label="Current password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    new = forms.CharField(
        label="New password",
        strip=False,
        help_text="At least 12 characters, and not one that everybody uses.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_current(self) -> str:
        current: str = self.cleaned_data["current"]
        if not self.user.check_password(current):
            raise ValidationError("This is not your current password.")
        return current

    def clean_new(self) -> str:
        new: str = self.cleaned_data["new"]
        password_validation.validate_password(new, self.user)
        return new


class TokenForm(forms.Form):
    team = forms.ModelChoiceField(queryset=Team.objects.none(), empty_label=None)
    token_name = forms.CharField(
        label="Name", max_length=80, help_text="What it is for, such as “build server”."
    )
    days = forms.TypedChoiceField(label="Valid for", choices=TOKEN_DAYS, coerce=int, initial=90)

    def __init__(self, teams: QuerySet[Team], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["team"].queryset = teams  # type: ignore[attr-defined]


class PersonForm(forms.Form):
    email = forms.EmailField(label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    name = forms.CharField(
        max_length=120,
        required=False,
        help_text="Used only when this person has no account yet; one is made then.",
    )
    role = forms.ChoiceField(choices=Role.choices, initial=Role.VIEWER)


class AllowForm(forms.Form):
    endpoints = forms.BooleanField(
        label="Models behind an address",
        required=False,
        help_text="Audits send the prepared pictures of a cohort to the server that model.yaml "
        "names: they leave this portal. Whoever may hand in a model chooses the address.",
    )
    torchscript = forms.BooleanField(
        label="TorchScript",
        required=False,
        help_text="Opening such a file runs code that it brings. It is opened in a process without "
        "a network that sees its own inputs alone, and only where the machine can make one; a "
        "fault in the kernel would open the way out. It is a black box: no gradients, no dropout.",
    )


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)
