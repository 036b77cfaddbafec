"""A portal that really runs and a browser to use it with: one of each for the whole session."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

ROOT = Path(__file__).parents[1]
QUICK = {"RECONCILE_SECONDS": "1"}
CHROMIUM = Path("/usr/bin/chromium")
MISSING = f"{CHROMIUM} is not installed (Debian: apt-get install chromium)"
PATIENCE_MS = 60_000  # for what a worker has to do first, on a busy machine


@dataclass(frozen=True)
class Person:
    """Somebody with a team of their own, and a token for it."""

    email: str
    password: str
    team: str
    token: str


class LivePortal:
    """The running portal: where it answers, and how to make somebody who uses it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.complaints = (home / "portal.err").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.system.portal"],
            cwd=ROOT,
            env={**os.environ, **QUICK, "PLUMBLINE_HOME": str(home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.complaints,
            text=True,
        )
        self.url: str = self._answer()["url"]

    def person(self, name: str) -> Person:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        return Person(**self._answer())

    def _answer(self) -> dict[str, str]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.complaints.seek(0)
            raise RuntimeError(f"the portal ended:\n{self.complaints.read()[-3000:]}")
        answer: dict[str, str] = json.loads(line)
        return answer

    def logs(self) -> str:
        """The ends of its logs, for a test that failed."""
        found = sorted((self.home / "logs").glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text()[-2000:]}" for log in found)

    def end(self) -> int:
        """Say that nothing more comes; it ends its broker, worker and web by itself."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.complaints.close()
        return self.process.wait(timeout=60)


@pytest.fixture(scope="session")
def live_portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivePortal]:
    portal = LivePortal(tmp_path_factory.mktemp("portal"))
    yield portal
    assert portal.end() == 0


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(MISSING)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                *("--disable-quic", "--no-first-run", "--disable-background-networking"),
                *("--disable-component-update", "--disable-sync"),
            ],
        )
        yield browser
        browser.close()
