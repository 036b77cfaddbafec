"""Tries, from inside a child, everything that its walls are to stop, and says what came of it."""

import ctypes
import errno
import os
import platform
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

from ml.estimate import JsonObject, JsonValue
from ml.sandbox import seccomp
from ml.sandbox.messages import Reporter

CALLS = (
    "ptrace", "mount", "umount2", "unshare", "setns", "keyctl", "add_key", "bpf", "io_uring_setup",
    "userfaultfd", "process_vm_readv", "process_vm_writev", "kexec_load", "init_module",
    "finit_module", "perf_event_open", "pidfd_open", "pidfd_getfd", "memfd_create", "personality",
    "shmget", "fork", "vfork", "execve", "execveat", "setuid", "capset", "tkill", "setsid",
    "open_by_handle_at", "symlinkat", "linkat", "mknodat", "pivot_root", "chroot", "reboot",
)  # fmt: skip
FAMILIES = ("AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK", "AF_PACKET", "AF_VSOCK")
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000


def said(try_it: Callable[[], object]) -> str:
    """ "done", or the name of the error."""
    try:
        try_it()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "done"


def probe(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    read, write = cast(list[str], inputs["read"]), cast(list[str], inputs["write"])
    parent = int(cast(int, inputs["parent"]))
    found: dict[str, JsonValue] = {
        "sockets": {
            name: said(partial(socket.socket, getattr(socket, name), socket.SOCK_DGRAM))
            for name in FAMILIES
        },
        "socketpair": said(socket.socketpair),
        "read": {path: said(lambda path=path: reading(path)) for path in read},
        "write": {path: said(lambda path=path: writing(path)) for path in write},
        "in_out": said(lambda: writing(str(out_dir))),
        "calls": {name: calling(name) for name in CALLS if name in calls()},
        "clone_newuser": cloning(CLONE_NEWUSER | 17),
        "clone_newnet_thread": cloning(CLONE_NEWNET | 0x10000),
        "clone_process": cloning(17),
        "fork": said(forking),
        "spawn": said(lambda: os.posix_spawn("/usr/bin/su", ["su"], {})),
        "processes": processes(),
        "parent_environ": said(lambda: reading(f"/proc/{parent}/environ")),
        "parent_root": said(lambda: list(Path(f"/proc/{parent}/root/").iterdir())),
        "signal_parent": said(lambda: os.kill(parent, 0)),
        "prlimit_parent": limiting(parent),
        "sysctl": said(lambda: writing_into("/proc/sys/kernel/core_pattern")),
        "symlink": said(lambda: (out_dir / "link").symlink_to("/etc/shadow")),
        "hard_link": said(lambda: os.link(read[-1], out_dir / "hard")),
        "pipe_file": said(lambda: os.mkfifo(out_dir / "fifo")),
        "environment": sorted(os.environ),
        "status": status(),
        "uid": os.getuid(),
        "host": platform.node(),
        "open_descriptors": descriptors(),
    }
    return found


def calls() -> dict[str, tuple[int, str]]:
    return seccomp.calls(platform.machine())


def reading(path: str) -> None:
    if Path(path).is_dir():
        list(Path(path).iterdir())
    else:
        descriptor = os.open(path, os.O_RDONLY)
        os.read(descriptor, 1)
        os.close(descriptor)


def writing(folder: str) -> None:
    """Make a file in a folder, or open one to write into; nothing of it stays."""
    place = Path(folder)
    path = place / "planted" if place.is_dir() else place
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    if path != place:
        path.unlink()


def writing_into(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY))


def calling(name: str) -> str:
    """The call with arguments that make it harmless where it is not refused."""
    libc = ctypes.CDLL(None, use_errno=True)
    ctypes.set_errno(0)
    if name in ("fork", "vfork", "reboot", "setuid"):
        return "not tried" if name != "setuid" else said(lambda: os.setuid(os.getuid()))
    number = ctypes.c_long(calls()[name][0])
    zero = ctypes.c_long(0)
    answer = libc.syscall(number, zero, zero, zero, zero, zero, zero)
    return "done" if answer >= 0 else errno.errorcode[ctypes.get_errno()]


def cloning(flags: int) -> str:
    """clone() with these flags; a process that comes of it ends at once."""
    libc = ctypes.CDLL(None, use_errno=True)
    ctypes.set_errno(0)
    zero = ctypes.c_long(0)
    number = ctypes.c_long(calls()["clone"][0])
    answer = libc.syscall(number, ctypes.c_long(flags), zero, zero, zero, zero)
    if answer == 0:
        os._exit(0)
    return "done" if answer > 0 else errno.errorcode[ctypes.get_errno()]


def forking() -> None:
    if os.fork() == 0:
        os._exit(0)


def limiting(pid: int) -> str:
    import resource

    return said(lambda: resource.prlimit(pid, resource.RLIMIT_CPU))


def processes() -> JsonValue:
    try:
        return sum(entry.name.isdigit() for entry in Path("/proc").iterdir())
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def status() -> dict[str, JsonValue]:
    wanted = ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp", "Groups")
    with Path("/proc/self/status").open() as lines:
        fields = dict(line.rstrip("\n").split(":", 1) for line in lines)
    return {name: fields[name].strip() for name in wanted}


def descriptors() -> list[JsonValue]:
    """What the child was left with: pipes, and nothing of a worker's."""
    kinds: list[JsonValue] = []
    for number in range(256):
        try:
            kinds.append(str(Path(f"/proc/self/fd/{number}").readlink()).split(":")[0])
        except OSError:
            continue
    return kinds
