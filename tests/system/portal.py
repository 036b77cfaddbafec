"""A portal with its broker and worker, for tests that use it from outside.

`python -m tests.system.portal`, with PLUMBLINE_HOME set to an empty folder. Says its address, then
makes a person with a team of their own for every name that comes in, each as one line of JSON.
Ends when nothing more can come in, or when it is told to.
"""

import json
import os
import signal
import socket
import sys
from typing import NoReturn

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.utils.text import slugify  # noqa: E402

from portal.accounts.actions import create_team, create_token  # noqa: E402
from portal.accounts.models import User  # noqa: E402
from portal.launcher import Launcher  # noqa: E402

PASSWORD = "a long password"  # of everybody here


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def person(name: str) -> dict[str, str]:
    """Somebody new who owns a team, with a token for it."""
    email = f"{slugify(name)}@example.org"
    user = User.objects.create_user(email, PASSWORD, name=name)
    team = create_team(owner=user, name=f"Team of {name}")
    _, token = create_token(actor=user, team=team, name="tests")
    return {"email": email, "password": PASSWORD, "team": team.slug, "token": token}


def say(line: dict[str, str]) -> None:
    print(json.dumps(line), flush=True)


def end(*_: object) -> NoReturn:
    raise SystemExit(0)


def main() -> None:
    signal.signal(signal.SIGTERM, end)
    call_command("migrate", verbosity=0)
    port = free_port()
    with Launcher(port=port, concurrency=2) as launcher:
        launcher.wait_until_it_serves()
        say({"url": f"http://127.0.0.1:{port}"})
        for line in sys.stdin:
            launcher.check()
            say(person(line.strip()))


if __name__ == "__main__":
    main()
