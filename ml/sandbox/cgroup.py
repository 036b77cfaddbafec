"""A control group for one child, where one can be made: memory and tasks, counted for real.

The address space limit counts what is mapped, not what is used, and cannot be had on a GPU; a
group counts what the child and all it starts hold, its files in memory included.
"""

import contextlib
import itertools
import os
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
NAMED = "SANDBOX_CGROUP"  # variable: a folder of version 2 that was delegated to this user
_PREFIX = "plumbline-"
_number = itertools.count()

# sh is there wherever a worker runs; it moves itself before it becomes the child.
_JOIN = (
    'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ > "$1/cgroup.procs" || exit 126; shift; '
    'n=$((n-1)); done; exec "$@"'
)


@dataclass(frozen=True)
class Group:
    folders: tuple[Path, ...]  # one in version 2; memory and pids apart in version 1

    def joined(self, command: list[str]) -> list[str]:
        """The command, started as a member of the group."""
        folders = [str(folder) for folder in self.folders]
        return ["/bin/sh", "-c", _JOIN, "sh", str(len(folders)), *folders, *command]

    def out_of_memory(self) -> bool:
        """Whether the kernel ended a member because the group's memory was used up."""
        for folder in self.folders:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError):
                    fields = dict(line.split() for line in (folder / name).read_text().splitlines())
                    if int(fields.get("oom_kill", 0)):
                        return True
        return False

    def remove(self) -> None:
        """Away with it, when its members are; a group that stays is empty and harms nobody."""
        for folder in self.folders:
            for _ in range(20):
                try:
                    folder.rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.01)  # the last member is being put to rest


def make(memory_bytes: int | None, tasks: int | None, root: Path = ROOT) -> Group | None:
    """A new group with these limits; None where none can be made."""
    places = _places(root)
    name = f"{_PREFIX}{os.getpid()}-{next(_number)}"
    made: list[Path] = []
    try:
        for place in places:
            _tidy(place)
            folder = place / name
            folder.mkdir()
            made.append(folder)
            _limit(folder, memory_bytes, tasks)
    except OSError:
        Group(tuple(made)).remove()
        return None
    return Group(tuple(made)) if made else None


def _places(root: Path) -> list[Path]:
    """Where groups may be made: the delegated folder, or beside the worker in version 1."""
    named = os.environ.get(NAMED)
    if named:
        return [Path(named)]
    found = []
    for controller in ("memory", "pids"):
        place = root / controller / _own(controller).lstrip("/")
        if (place / "tasks").exists() and os.access(place, os.W_OK):
            found.append(place)
    return found


def _own(controller: str) -> str:
    """The group of version 1 that this process is in."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            if controller in names.split(","):
                return path
    return "/"


def _limit(folder: Path, memory_bytes: int | None, tasks: int | None) -> None:
    for name, value in (
        ("memory.limit_in_bytes", memory_bytes),
        ("memory.memsw.limit_in_bytes", memory_bytes),
        ("memory.max", memory_bytes),
        ("memory.swap.max", 0 if memory_bytes else None),
        ("pids.max", tasks),
    ):
        # A file that is not there belongs to the other version, or to swap this kernel lacks.
        if value is not None and (folder / name).exists():
            (folder / name).write_text(str(value))


def _tidy(place: Path) -> None:
    """Remove what workers that were killed have left."""
    for folder in place.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).split("-")[0]
        if not Path("/proc", pid).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()
