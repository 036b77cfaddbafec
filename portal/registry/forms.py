"""Why a version is withdrawn: asked, because it stays on the page for good."""

from django import forms


class WithdrawForm(forms.Form):
    because = forms.CharField(
        label="Reason",
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Shown wherever this version appears. It cannot be taken back.",
    )
