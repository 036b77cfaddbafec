"""What an operator allows and knows of endpoints; read from the environment of the worker."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ml.endpoint.address import Allowed

HOSTS, CA_FILE = "ENDPOINT_ALLOWED_HOSTS", "ENDPOINT_CA_FILE"
TOKEN, TEAMS = "ENDPOINT_TOKEN_", "ENDPOINT_TEAMS_"  # how a variable begins


def _no_token(host: str) -> str:
    return ""


@dataclass(frozen=True)
class Policy:
    allowed: tuple[str, ...] = ()  # see ml.endpoint.address.Allowed
    ca_file: str = ""
    token: Callable[[str], str] = _no_token  # of a host, for who asks; empty: none
    tries: int = 4
    pause: float = 0.5  # seconds before the second try
    total_seconds: float = 120.0  # for all tries of one request
    refusal: str = ""  # why nothing may be called at all; a sentence

    @classmethod
    def of(cls, environ: Mapping[str, str], team: str | None) -> "Policy":
        """The policy of this machine.

        Args:
            environ: its variables: ENDPOINT_ALLOWED_HOSTS, ENDPOINT_CA_FILE, and the tokens.
            team: the slug of the team that asks; None where one person runs a command of their own.

        Raises:
            ValueError: for an entry of ENDPOINT_ALLOWED_HOSTS of another form.
        """
        words = tuple(word.strip() for word in environ.get(HOSTS, "").split(",") if word.strip())
        Allowed.of(words)
        return cls(words, environ.get(CA_FILE, ""), lambda host: token_of(host, environ, team))


def variable_of(host: str) -> str:
    """How a host is written in the name of a variable.

    Example:
        >>> variable_of("gpu-1.example.org")
        'GPU__1_EXAMPLE_ORG'
    """
    return host.replace("-", "__").replace(".", "_").upper()


def token_of(host: str, environ: Mapping[str, str], team: str | None) -> str:
    """The bearer token for a host, where there is one and this team may use it.

    It belongs to its host, so a manifest cannot have it sent elsewhere; and to the teams that are
    named with it, so another team cannot use the endpoint in their name.

    Example:
        >>> known = {"ENDPOINT_TOKEN_A_ORG": "secret", "ENDPOINT_TEAMS_A_ORG": "neuro, chest"}
        >>> token_of("a.org", known, "neuro"), token_of("a.org", known, "skin")
        ('secret', '')
    """
    if "_" in host or ":" in host:  # two hosts could share the name of a variable
        return ""
    token = environ.get(TOKEN + variable_of(host), "").strip()
    if team is None or not token:
        return token
    teams = {name.strip() for name in environ.get(TEAMS + variable_of(host), "").split(",")}
    return token if teams & {team, "*"} else ""
