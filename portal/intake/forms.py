"""What is handed in, and whether a cohort is sealed at once."""

from django import forms

from portal.intake.models import UploadKind


class HandInForm(forms.Form):
    kind = forms.ChoiceField(choices=UploadKind.choices, initial=UploadKind.MODEL)
    seal = forms.BooleanField(required=False, initial=True)
