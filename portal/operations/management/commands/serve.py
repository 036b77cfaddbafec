"""`python manage.py serve`: the embedded portal, broker and worker, until Ctrl-C."""

import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.launcher import CannotStart, Launcher


def end_on_sigterm() -> None:
    """A polite kill ends the children too."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


class Command(BaseCommand):
    help = "Serve the portal with its embedded broker and a worker."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--concurrency", type=int, default=2, help="jobs at the same time")

    def handle(self, *, host: str, port: int, concurrency: int, **_: Any) -> None:
        end_on_sigterm()
        try:
            with Launcher(host=host, port=port, concurrency=concurrency) as launcher:
                launcher.wait_until_it_serves()
                self.stdout.write(f"Plumbline serves on http://{host}:{port}")
                launcher.stay(self.stdout.write)
        except CannotStart as failure:
            raise CommandError(str(failure)) from failure
        except KeyboardInterrupt:
            pass
