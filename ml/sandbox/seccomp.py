"""The filter over system calls: what is not on the list is refused, with no compiler needed.

The kernel takes the filter as a program of the classic BPF machine (seccomp(2), and the kernel's
documentation "Seccomp BPF"); it is small enough to be put together here.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

LIST = Path(__file__).with_name("syscalls.txt")

# linux/audit.h
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP = {"x86_64": 317, "aarch64": 277}  # the number of seccomp() itself

# linux/seccomp.h
ALLOW, KILL_PROCESS, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_SET_MODE_FILTER, _FLAG_TSYNC = 1, 1
_PR_SET_NO_NEW_PRIVS = 38

# linux/bpf_common.h: load a word, jump, and, return
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NR, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

_X32 = 0x40000000  # the second ABI of x86_64, by which a filter on numbers could be walked round
_NEWEST = 452  # numbers from here on are answered with "no such call", so that libraries fall back

_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020080  # a namespace of any kind
_PRCTL_ALLOWED = (15, 16, 0x53564D41)  # a thread's name, set and got; the name of a mapping
# FIOCLEX, FIONCLEX, FIONREAD, FIONBIO; TCGETS and TIOCGWINSZ are how a library asks "a terminal?"
_IOCTL_ALLOWED = (0x5451, 0x5450, 0x541B, 0x5421, 0x5401, 0x5413)
_INTERNET = (2, 10)  # families of sockets: IPv4 and IPv6
_FCNTL_REFUSED = (8, 10, 15, 1024, 1026)  # owners of signals, leases, notices
_NETWORK_RULES = ("network-only", "internet-only")

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand


class FilterError(OSError):
    """The kernel did not take the filter."""


def supported(machine: str | None = None) -> bool:
    """Whether a filter can be written for this architecture."""
    return (machine or platform.machine()) in ARCHITECTURES


@cache
def calls(machine: str) -> dict[str, tuple[int, str]]:
    """Name -> (number, rule) of every listed call that the architecture has."""
    column = 1 if machine == "x86_64" else 2
    rows = [line.split() for line in LIST.read_text().splitlines() if not line.startswith("#")]
    return {row[0]: (int(row[column]), row[3]) for row in rows if row[column] != "-"}


def program(
    machine: str, pid: int, *, gpu: bool = False, network: bool = False
) -> list[Instruction]:
    """The filter for one process.

    Args:
        machine: ``x86_64`` or ``aarch64``.
        pid: of the process; it may send signals to no other.
        gpu: a driver speaks to its devices by ioctl, so all of these are let through then.
        network: connections may be opened, and none taken.
    """
    steps: list[Instruction] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, ARCHITECTURES[machine]),
        _give(KILL_PROCESS),  # a call by the rules of another architecture
        (_LOAD, 0, 0, _NR),
    ]
    if machine == "x86_64":
        steps += [(_AT_LEAST, 0, 1, _X32), _give(KILL_PROCESS)]
    for number, rule in calls(machine).values():
        block = _block(rule, pid, gpu, network)
        steps += [(_EQUAL, 0, len(block), number), *block]
    return [*steps, (_AT_LEAST, 0, 1, _NEWEST), _refuse(errno.ENOSYS), _refuse()]


def _block(rule: str, pid: int, gpu: bool, network: bool) -> list[Instruction]:
    """What is done about a call; every way through it ends in a verdict."""
    if gpu and rule in ("gpu-only", "terminal-questions"):
        return [_give(ALLOW)]
    if network and rule in _NETWORK_RULES:
        return _among(0, _INTERNET) if rule == "internet-only" else [_give(ALLOW)]
    rules: dict[str, Callable[[], list[Instruction]]] = {
        "allow": lambda: [_give(ALLOW)],
        "refuse": lambda: [_refuse()],
        "gpu-only": lambda: [_refuse()],
        "network-only": lambda: [_refuse()],
        "internet-only": lambda: [_refuse()],
        "absent": lambda: [_refuse(errno.ENOSYS)],  # its arguments lie where no filter can look
        "threads-only": lambda: [
            (_LOAD, 0, 0, _argument(0)),
            (_ANY_BIT, 2, 0, _CLONE_NEW),
            (_ANY_BIT, 0, 1, _CLONE_THREAD),
            _give(ALLOW),
            _refuse(),
        ],
        "own-process": lambda: _among(0, [pid]),
        "own-process-or-zero": lambda: _among(0, [0, pid]),
        "names-only": lambda: _among(0, _PRCTL_ALLOWED),
        "terminal-questions": lambda: _among(1, _IOCTL_ALLOWED, otherwise=errno.ENOTTY),
        "no-signals": lambda: _unless(1, _FCNTL_REFUSED),
    }
    return rules[rule]()


def _among(at: int, values: Sequence[int], otherwise: int = errno.EPERM) -> list[Instruction]:
    """Allow the call if its argument is one of these; the kernel looks at its lower half only."""
    return [
        (_LOAD, 0, 0, _argument(at)),
        *[(_EQUAL, len(values) - n, 0, value) for n, value in enumerate(values)],
        _refuse(otherwise),
        _give(ALLOW),
    ]


def _unless(at: int, values: Sequence[int]) -> list[Instruction]:
    return [
        (_LOAD, 0, 0, _argument(at)),
        *[(_EQUAL, len(values) - n, 0, value) for n, value in enumerate(values)],
        _give(ALLOW),
        _refuse(),
    ]


def _argument(at: int) -> int:
    return _ARGUMENTS + 8 * at  # the lower half of it: both architectures are little-endian


def _give(verdict: int) -> Instruction:
    return (_RETURN, 0, 0, verdict)


def _refuse(number: int = errno.EPERM) -> Instruction:
    return _give(ERRNO | number)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def install(*, gpu: bool = False, network: bool = False) -> None:
    """Put all threads of this process under the filter, for good.

    Raises:
        FilterError: if the kernel refuses, or the architecture is not one of the list's.
    """
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        raise FilterError(errno.ENOSYS, f"no filter is written for {machine}")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise FilterError(ctypes.get_errno(), "no_new_privs")
    steps = program(machine, os.getpid(), gpu=gpu, network=network)
    packed = b"".join(struct.pack("=HBBI", *step) for step in steps)
    given = _Program(len(steps), packed)
    call = ctypes.c_long(_SECCOMP[machine])
    mode, flag = ctypes.c_uint(_SET_MODE_FILTER), ctypes.c_uint(_FLAG_TSYNC)
    if libc.syscall(call, mode, flag, ctypes.byref(given)):
        raise FilterError(ctypes.get_errno(), "the kernel does not take the filter")


def available() -> bool:
    """Whether this kernel takes filters for this architecture."""
    actions = Path("/proc/sys/kernel/seccomp/actions_avail")
    return supported() and actions.exists() and "errno" in actions.read_text()
