"""The form behind a new share link."""

from django import forms

from portal.reports.actions import SHARE_DAYS

_DAYS = [(7, "a week"), (SHARE_DAYS, f"{SHARE_DAYS} days"), (90, "90 days"), (365, "a year")]


class ShareForm(forms.Form):
    for_whom = forms.CharField(
        label="For whom",
        max_length=120,
        help_text="A person, an office, a notified body: so that you know whose link it is.",
    )
    purpose = forms.CharField(
        label="Purpose",
        max_length=200,
        required=False,
        help_text="Shown above the report, for example “conformity assessment 2026-118”.",
    )
    days = forms.TypedChoiceField(label="Ends after", choices=_DAYS, coerce=int, initial=SHARE_DAYS)
    with_images = forms.BooleanField(label="With images", required=False)
