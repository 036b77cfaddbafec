"""The child's side of its isolation: it gives up what it will not need, then opens a job."""

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys
import time
from pathlib import Path
from typing import cast

from ml.estimate import JsonObject
from ml.sandbox import landlock, seccomp, view

_PR_SET_PDEATHSIG, _PR_CAPBSET_READ, _PR_CAPBSET_DROP = 1, 23, 24
_CAPABILITY_VERSION = 0x20080522
_CAPSET = {"x86_64": 126, "aarch64": 91}


def confine(setup: JsonObject) -> list[str]:
    """Put this process behind the walls it was told of, before anything heavy is loaded.

    Args:
        setup: limits, parent_pid, walls, read, write, gpu, devices: see ``ml.sandbox.parent``.

    Returns:
        The walls that stand.

    Raises:
        OSError: if one of them cannot be put up. The child must then do no work.
    """
    limits, walls = cast(JsonObject, setup["limits"]), cast(list[str], setup["walls"])
    gpu, network = bool(setup["gpu"]), bool(limits.get("network"))
    limit_self(limits, int(cast(int, setup["jobs"])))
    if "namespaces" not in walls:  # there, bubblewrap sees to both
        die_with_parent(int(cast(int, setup["parent_pid"])))
        drop_privileges()
    else:
        limit_processes(limits)
    stand = ["limits"]
    if "landlock" in walls:
        read = [Path(path) for path in cast(list[str], setup["read"])]
        write = [Path(path) for path in cast(list[str], setup["write"])]
        of_gpu = cast(list[str], setup["devices"])
        devices = [Path(path) for path in (*view.DEVICES, *of_gpu)]
        landlock.restrict(read=read, write=write, devices=devices, network=network)
        stand.append("landlock")
    if "seccomp" in walls:
        seccomp.install(gpu=gpu, network=network)
        stand.append("seccomp")
    if "namespaces" in walls:
        stand.append("namespaces")
    return stand


def limit_self(limits: JsonObject, jobs: int = 1) -> None:
    """Set what cannot be taken back. A limit above the machine's own is lowered to it.

    Args:
        limits: as in :class:`ml.sandbox.messages.Limits`.
        jobs: how many may follow each other; each has its own processor time.
    """
    for name, kind in (
        ("memory_bytes", resource.RLIMIT_AS),
        ("file_bytes", resource.RLIMIT_FSIZE),
        ("open_files", resource.RLIMIT_NOFILE),
    ):
        value = limits.get(name)
        if isinstance(value, int):
            _lower(kind, value, value)
    cpu = limits.get("cpu_seconds")
    if isinstance(cpu, int):
        # First SIGXCPU, which says why; then SIGKILL.
        _lower(resource.RLIMIT_CPU, cpu, cpu * jobs + 2)
    _lower(resource.RLIMIT_CORE, 0, 0)


def renew_cpu(limits: JsonObject) -> None:
    """Processor time for the next job, from what has been used until now."""
    cpu, hard = limits.get("cpu_seconds"), resource.getrlimit(resource.RLIMIT_CPU)[1]
    if isinstance(cpu, int):
        soft = int(time.process_time()) + cpu
        _lower(resource.RLIMIT_CPU, soft, hard)


def limit_processes(limits: JsonObject) -> None:
    """Threads and processes, where they are counted by namespace (Linux 5.14).

    Older kernels, and a child without a namespace, count all of the user's: the limit would hit
    the worker itself.
    """
    tasks = limits.get("tasks")
    if isinstance(tasks, int) and view.kernel() >= (5, 14):
        _lower(resource.RLIMIT_NPROC, tasks, tasks)


def _lower(kind: int, soft: int, hard: int) -> None:
    ceiling = resource.getrlimit(kind)[1]
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(kind, (soft, hard))


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel to end this process with its parent, even when that is killed outright."""
    with contextlib.suppress(OSError, AttributeError):  # other systems have no such call
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:  # it was gone before we asked
        os._exit(1)


def drop_privileges() -> None:
    """Give up every capability and every further group; nothing to do for an ordinary user.

    Raises:
        OSError: if root keeps any.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        return
    with contextlib.suppress(PermissionError):  # a root without capabilities has none to lose
        os.setgroups([])
    libc = ctypes.CDLL(None, use_errno=True)
    number = 0
    while libc.prctl(_PR_CAPBSET_READ, number, 0, 0, 0) >= 0:
        libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
        number += 1
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    if libc.capset(header, bytes(24)):
        raise OSError(ctypes.get_errno(), "capset")
