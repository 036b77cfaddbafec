"""The places of the side navigation, and the route behind each."""

from django.urls import NoReverseMatch, reverse

ROUTES = {
    "home": "home",
    "models": "registry:list",
    "cohorts": "cohorts:list",
    "audits": "audits:list",
    "reports": "reports:list",
    "protocols": "audits:protocols",
    "trail": "trail:list",
    "team": "accounts:team",
    "account": "accounts:account",
    "sign-in": "accounts:sign-in",
    "sign-out": "accounts:sign-out",
}


def place(key: str) -> str:
    """The address of a place, empty where the portal has no such page."""
    try:
        return reverse(ROUTES[key])
    except NoReverseMatch:
        return ""
