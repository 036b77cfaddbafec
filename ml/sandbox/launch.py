"""One child process: its command line, its pipes, and its end."""

import contextlib
import json
import os
import select
import selectors
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from ml.estimate import JsonObject
from ml.sandbox import bubble, cgroup, gpu, view
from ml.sandbox.levels import Isolation
from ml.sandbox.messages import Limits
from ml.sandbox.view import PROJECT_ROOT

_PIECE = 1 << 16
_PASSED_ON = (
    "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH",  # what a GPU needs to be found
    # Where somebody chose the kernels of this processor, a child rounds as its parent does.
    "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE",
)  # fmt: skip


class CannotStart(Exception):
    """The child could not be started; says why."""


class Child:
    """A process in a session of its own, behind its walls, and the pipes to it.

    Args:
        isolation: the walls.
        limits: what it may use.
        module: its entry.
        read: files and folders it may read.
        write: folders it may write to; it starts in the first.
        jobs: how many it may be asked for.
    """

    def __init__(
        self,
        isolation: Isolation,
        limits: Limits,
        module: str,
        *,
        read: Sequence[Path],
        write: Sequence[Path],
        jobs: int = 1,
    ) -> None:
        self.selector = selectors.DefaultSelector()
        self.outgoing = b""
        self.closing = False
        self.in_namespaces = isolation.level == "namespaces"
        command = [sys.executable, "-P", "-s", "-m", module]
        # -P: the working folder holds files of strangers and is no place for modules
        env = environment(os.environ, limits)
        if self.in_namespaces:
            command = [*_bubble(limits, module, read, write, env), *command]
        self.group = cgroup.make(limits.resident_bytes, limits.tasks)
        events, events_of_child = os.pipe()
        command.append(str(events_of_child))
        try:
            self.process = subprocess.Popen(
                command if self.group is None else self.group.joined(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(events_of_child,),
                cwd=write[0],
                env=env,
                start_new_session=True,
            )
        except BaseException:
            os.close(events)
            if self.group is not None:
                self.group.remove()
            raise
        finally:
            os.close(events_of_child)
        assert self.process.stdout is not None
        assert self.process.stdin is not None
        self.stdin = self.process.stdin
        self.pipes = {"events": events, "output": self.process.stdout.fileno()}
        for source, descriptor in self.pipes.items():
            os.set_blocking(descriptor, False)
            self.selector.register(descriptor, selectors.EVENT_READ, source)
        os.set_blocking(self.stdin.fileno(), False)
        self.exit_notice = os.pidfd_open(self.process.pid)
        self.selector.register(self.exit_notice, selectors.EVENT_READ, "exit")
        self.send(_setup(isolation, limits, module, read, write, jobs))

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it and let go of everything that was held for it."""
        self.end()
        self.selector.close()
        os.close(self.exit_notice)
        os.close(self.pipes["events"])
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._close_stdin()
        if self.group is not None:
            self.group.remove()

    def send(self, line: bytes, *, last: bool = False) -> None:
        """Queue a line for it; `last`: nothing will follow. Never blocks."""
        self.outgoing += line
        self.closing = last
        if self.stdin.fileno() not in self.selector.get_map():
            self.selector.register(self.stdin.fileno(), selectors.EVENT_WRITE, "stdin")

    def runs(self) -> bool:
        # Not poll(): that would free the process id while we may still signal its group.
        return not select.select([self.exit_notice], [], [], 0)[0]

    def read(self, seconds: float) -> list[tuple[str, bytes]]:
        """What arrived within that time, in pieces; what waits to be sent goes out meanwhile."""
        heard = []
        for key, _ in self.selector.select(seconds):
            if key.data == "exit":
                continue
            if key.data == "stdin":
                self._write()
                continue
            piece = _read(key.fd)
            if piece == b"":  # the child closed it
                self.selector.unregister(key.fd)
            elif piece:
                heard.append((str(key.data), piece))
        return heard

    def _write(self) -> None:
        try:
            sent = os.write(self.stdin.fileno(), self.outgoing[:_PIECE])
            self.outgoing = self.outgoing[sent:]
        except BlockingIOError:
            return
        except OSError:  # it has gone; how is told elsewhere
            self.outgoing = b""
        if not self.outgoing:
            self.selector.unregister(self.stdin.fileno())
            if self.closing:
                self._close_stdin()

    def _close_stdin(self) -> None:
        with contextlib.suppress(OSError):
            self.stdin.close()

    def rest(self) -> list[tuple[str, bytes]]:
        """What is left in the pipes of a process that has ended; never more than they hold."""
        return [
            (source, piece)
            for source, descriptor in self.pipes.items()
            for _ in range(16)
            if (piece := _read(descriptor))
        ]

    def end(self) -> int:
        """End the whole process group, wait for the child, and give its exit code."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        code = self.process.returncode
        # bubblewrap ends as a shell would: a signal of its child is a code of 128 and more.
        return 128 - code if self.in_namespaces and 128 < code < 128 + 65 else code

    def out_of_memory(self) -> bool:
        return self.group is not None and self.group.out_of_memory()


def _bubble(
    limits: Limits,
    module: str,
    read: Sequence[Path],
    write: Sequence[Path],
    env: Mapping[str, str],
) -> list[str]:
    program = bubble.program()
    if program is None:
        raise CannotStart("bubblewrap is gone.")
    seen = bubble.View(
        code=view.code(module),
        read=view.outermost(read),
        write=write,
        devices=_gpu_devices(limits),
        extra=view.gpu_files(env.get("LD_LIBRARY_PATH", "")) if limits.gpu else (),
        tmp_bytes=limits.tmp_bytes,
    )
    return bubble.command(program, seen, work=write[0])


def _setup(
    isolation: Isolation,
    limits: Limits,
    module: str,
    read: Sequence[Path],
    write: Sequence[Path],
    jobs: int,
) -> bytes:
    """The first line a child gets: what it has to do to itself before it opens a job."""
    may_read: Sequence[Path] = [Path("/")]  # where the file system itself is made for it
    may_write = [*write, Path("/tmp")]  # noqa: S108  # a new one
    if isolation.level != "namespaces":
        driver = view.gpu_files(os.environ.get("LD_LIBRARY_PATH", "")) if limits.gpu else ()
        may_read = [*view.code(module), *map(Path, view.PROC), *driver, *view.outermost(read)]
        may_write = list(write)
    setup: JsonObject = {
        "limits": asdict(limits),
        "parent_pid": os.getpid(),
        "walls": list(isolation.walls),
        "read": [str(path) for path in may_read],
        "write": [str(path) for path in may_write],
        "gpu": limits.gpu,
        "devices": [str(path) for path in _gpu_devices(limits)],
        "jobs": jobs,
    }
    return json.dumps(setup).encode() + b"\n"


def _read(descriptor: int) -> bytes | None:
    """Up to one piece; empty when the other end is closed, None when nothing is there yet."""
    try:
        return os.read(descriptor, _PIECE)
    except BlockingIOError:
        return None


def _gpu_devices(limits: Limits) -> tuple[Path, ...]:
    if not limits.gpu:
        return ()
    return gpu.devices(gpu.chosen(limits.gpu_index, os.environ))


def environment(own: Mapping[str, str], limits: Limits | None = None) -> dict[str, str]:
    """What a child gets to see: nothing of ours but where the code is and how to find a GPU."""
    on_gpu: dict[str, str] = {}
    if limits is not None and limits.gpu:
        on_gpu = gpu.variables(limits.gpu_index, gpu.chosen(limits.gpu_index, own))
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp",  # noqa: S108  # a name some libraries ask for; nothing is kept there
        "LOGNAME": "nobody",  # torch asks for a name; there is no list of users to look in
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(PROJECT_ROOT),
        "PYTHONUNBUFFERED": "1",
        # One thread unless the job asks for more: results must not depend on the machine.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        # Of several threads, where they are asked for, one that waits gives its core to others.
        "OMP_WAIT_POLICY": "PASSIVE",
        # Few arenas and no returning of pages: less address space, and faster (docs/adr/0004).
        "MALLOC_ARENA_MAX": "2",
        "MALLOC_MMAP_THRESHOLD_": "8589934592",
        "MALLOC_TRIM_THRESHOLD_": "8589934592",
        **{name: own[name] for name in _PASSED_ON if name in own},
        **on_gpu,
    }
