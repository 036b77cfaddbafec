"""Pages of the documentation that would lie if somebody forgot them."""

from collections.abc import Callable

from ml.corruptions.page import corruptions_page, strips
from portal.accounts.roles import MAY, Act, Role
from portal.audits.states import AUDIT, PROTOCOL
from portal.cohorts.states import COHORT
from portal.leases import WORK
from portal.registry.states import VERSION
from portal.reports.states import REPORT

LIVES = (AUDIT, WORK, VERSION, COHORT, PROTOCOL, REPORT)
NOTE = "Written from the code by `make docs`; a test holds it current."


def states_page() -> str:
    parts = ["# States", "", NOTE]
    for life in LIVES:
        title = life.noun[0].upper() + life.noun[1:]
        parts += ["", f"## {title}", "", "```mermaid", life.as_mermaid(), "```"]
    return "\n".join(parts) + "\n"


def roles_page() -> str:
    head = "| may | " + " | ".join(Role.values) + " |"
    rows = [
        f"| {act.value} | " + " | ".join("yes" if act in MAY[role] else "" for role in Role) + " |"
        for act in Act
    ]
    return "\n".join(["# Roles", "", NOTE, "", head, "|---" * (len(Role) + 1) + "|", *rows]) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "states.md": states_page,
    "roles.md": roles_page,
    "corruptions.md": lambda: corruptions_page(NOTE),
}
PICTURES: Callable[[], dict[str, bytes]] = strips  # name below docs/ -> what is in the file
