"""The places of the side navigation, and the route behind each."""

from django.urls import ResolverMatch, reverse

ROUTES = {
    "home": "home-team",
    "models": "registry:models",
    "cohorts": "cohorts:cohorts",
    "audits": "audits:audits",
    "reports": "reports:reports",
    "protocols": "audits:protocols",
    "trail": "trail:trail",
    "team": "accounts:team-settings",
}
WITHOUT_TEAM = {
    "home": "home",
    "account": "accounts:account",
    "sign-in": "accounts:sign-in",
    "sign-out": "accounts:sign-out",
}
_SECTIONS = {
    "registry": "models",
    "intake": "models",
    "seen": "models",
    "cohorts": "cohorts",
    "audits": "audits",
    "reports": "reports",
    "trail": "trail",
}


def place(key: str, team: str = "") -> str:
    """The address of a place; empty for a place of a team when nobody is in one."""
    if team and key in ROUTES:
        return reverse(ROUTES[key], args=[team])
    return reverse(WITHOUT_TEAM[key]) if key in WITHOUT_TEAM else ""


def section_of(match: ResolverMatch | None) -> str:
    """Which place a page belongs to, when its view does not say."""
    if match is None:
        return ""
    if match.view_name in ("home", "home-team"):
        return "home"
    if match.app_name == "audits" and "protocol" in (match.url_name or ""):
        return "protocols"
    if match.app_name == "accounts" and "team" in match.kwargs:
        return "team"
    return _SECTIONS.get(match.app_name, "")
