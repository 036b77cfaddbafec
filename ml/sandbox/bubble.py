"""The command that puts a child into namespaces of its own, by bubblewrap (bwrap(1))."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NOBODY = "65534"


@dataclass(frozen=True)
class View:
    """What is bound into the child's otherwise empty file system, each at its own path."""

    code: Sequence[Path]
    read: Sequence[Path]
    write: Sequence[Path]
    devices: Sequence[Path] = ()  # of a GPU
    extra: Sequence[Path] = ()  # files of a GPU's driver
    tmp_bytes: int = 64 * 1024**2


def program() -> str | None:
    """Where bubblewrap is installed."""
    return shutil.which("bwrap")


def command(program: str, view: View, *, work: Path) -> list[str]:
    """The words that come before the child's own command.

    Args:
        program: of bubblewrap.
        view: what the child sees.
        work: the folder it starts in; one of those it writes to.
    """
    words = [
        program,
        # Named one by one: what cannot be had is an error, not a child with fewer walls.
        *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net"),
        "--unshare-cgroup-try",
        "--die-with-parent",
        *("--uid", NOBODY, "--gid", NOBODY, "--hostname", "sandbox"),
        *("--cap-drop", "ALL"),
        *("--proc", "/proc", "--dev", "/dev"),
        *("--size", str(view.tmp_bytes), "--tmpfs", "/tmp"),  # noqa: S108  # the child's own
    ]
    for path in (*view.code, *view.extra):
        words += ["--ro-bind", str(path.resolve()), str(path)]
    for path in view.devices:
        words += ["--dev-bind", str(path), str(path)]
    # A folder before what lies in it, so that a readable one within a writable one stays so.
    binds = [("--ro-bind", path) for path in view.read] + [("--bind", path) for path in view.write]
    for how, path in sorted(binds, key=lambda bind: len(bind[1].parts)):
        words += [how, str(path.resolve()), str(path)]
    # Last, when every mount point is made: folders in memory are no place to write to either.
    words += ["--remount-ro", "/dev", "--remount-ro", "/"]
    return [*words, "--chdir", str(work), "--"]
