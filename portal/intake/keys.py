"""The key that a team's patients are named by; made when it is first needed."""

import secrets

from ml.imaging.deid.keyed import KEY_BYTES
from portal.accounts.models import Team
from portal.intake.models import PatientKey


def key_of(team: Team) -> bytes:
    """The team's own key: the same in every job, so that what comes later fits."""
    drawn = {"secret": secrets.token_bytes(KEY_BYTES)}
    return bytes(PatientKey.objects.get_or_create(team=team, defaults=drawn)[0].secret)
