"""What a team takes besides plain networks, asked anew before each job."""

import os

from ml.endpoint.policy import Policy
from portal.accounts.models import Team

NOT_CALLED = (
    "The team does not take models behind an address: their audits send pictures to another "
    "server. An owner of the team can allow them in its settings."
)


def allowed_formats(team: Team) -> list[str]:
    """Formats whose files bring code of their own, as far as an owner allows them."""
    held = Team.objects.get(pk=team.pk)
    return ["torchscript"] if held.allows_torchscript else []


def policy_of(team: Team) -> Policy:
    """The operator's rules for endpoints, with the tokens that are this team's."""
    held = Team.objects.get(pk=team.pk)
    if not held.allows_endpoints:
        return Policy(refusal=NOT_CALLED)
    try:
        return Policy.of(os.environ, held.slug)
    except ValueError as error:
        return Policy(refusal=f"ENDPOINT_ALLOWED_HOSTS, a setting of the workers: {error}.")
