"""Landlock: a process gives up, for good, every file but the named ones (landlock(7)).

Works without namespaces and without privileges. What a kernel can restrict is told by a version
number, its ABI; everything that this one knows is used.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Sequence
from pathlib import Path

# The numbers of the calls are the same on every architecture.
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_ASK_VERSION = 1
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

# linux/landlock.h
_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_FIRST_RIGHTS = (1 << 13) - 1  # of ABI 1: to run, read, write, remove, and make files of any kind
_RIGHT_SINCE = {2: _REFER, 3: _TRUNCATE, 5: _IOCTL_DEV}
_NETWORK = 0b11  # to bind and to connect by TCP, since ABI 4
_SCOPES = 0b11  # abstract sockets and signals stay within, since ABI 6

READ = _READ_FILE | _READ_DIR
WRITE = READ | _WRITE_FILE | _TRUNCATE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER
DEVICE = _READ_FILE | _WRITE_FILE | _IOCTL_DEV
_OF_FILES = _READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV  # the rest makes sense of folders


class LandlockError(OSError):
    """The kernel did not take the rules."""


def abi() -> int:
    """The kernel's version of Landlock; 0 where it has none, or it is switched off."""
    found = _libc().syscall(
        ctypes.c_long(_CREATE), None, ctypes.c_size_t(0), ctypes.c_uint(_ASK_VERSION)
    )
    return max(0, int(found))


def handled(version: int) -> tuple[int, int, int]:
    """(rights to files, rights to the network, scopes) that a kernel of this ABI can take away."""
    files = _FIRST_RIGHTS
    for since, right in _RIGHT_SINCE.items():
        files |= right if version >= since else 0
    return files, _NETWORK if version >= 4 else 0, _SCOPES if version >= 6 else 0


def restrict(
    *,
    read: Sequence[Path],
    write: Sequence[Path],
    devices: Sequence[Path] = (),
    network: bool = False,
) -> None:
    """Leave this thread and what it starts with these files and folders and what is beneath.

    Nothing may be executed, and no link, pipe, socket or device made, anywhere. Paths that do not
    exist are left out. With ``network`` it may still connect. Must be called before there are
    threads.

    Raises:
        LandlockError: if the kernel has no Landlock or does not take the rules.
    """
    version = abi()
    if version < 1:
        raise LandlockError(errno.ENOSYS, "this kernel has no Landlock")
    files, taken, scopes = handled(version)
    taken = 0 if network else taken
    # A kernel takes a shorter structure for an older one: fields were only ever added at its end.
    packed = struct.pack("=QQQ", files, taken, scopes)
    length = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = _checked(
        "create",
        _libc().syscall(ctypes.c_long(_CREATE), packed, ctypes.c_size_t(length), ctypes.c_uint(0)),
    )
    try:
        for paths, rights in ((read, READ), (write, WRITE), (devices, DEVICE)):
            for path in paths:
                _allow(rules, path, rights & files)
        _checked("no_new_privs", _libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked("restrict", _libc().syscall(ctypes.c_long(_RESTRICT), rules, ctypes.c_uint(0)))
    finally:
        os.close(rules)


def _allow(rules: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not path.is_dir():
            rights &= _OF_FILES
        rule = struct.pack("=Qi", rights, place)  # a packed structure
        call = (ctypes.c_long(_ADD), rules, ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint(0))
        _checked(f"allow {path.name}", _libc().syscall(*call))
    finally:
        os.close(place)


def _checked(what: str, answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise LandlockError(number, f"{what}: {os.strerror(number)}")
    return answer


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
