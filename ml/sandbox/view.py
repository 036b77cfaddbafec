"""What of the machine a child may see: the code it runs and a few facts of the hardware."""

import os
import platform
import site
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

PROJECT_ROOT = Path(__file__).parents[2]

# Shared libraries, and where the loader finds them. No program of these systems, no settings.
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")
# How many processors there are and how they share memory: libraries choose their kernels by it.
_HARDWARE = ("/sys/devices/system/cpu", "/sys/devices/system/node")
# What of /proc is about the machine, not about its processes; only where /proc is not a new one.
PROC = ("/proc/cpuinfo", "/proc/meminfo", "/proc/sys/vm/overcommit_memory", "/proc/self")
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_GPU_DRIVER = ("/sys/bus/pci", "/sys/devices", "/sys/module/nvidia", "/etc/OpenCL", "/etc/cdi")
_GPU_DEVICES = ("nvidia*", "nvidia-caps/*")
WIDE = {Path("/"), Path("/usr"), Path("/usr/local"), Path("/opt"), Path("/home"), Path("/root")}


@cache
def code(module: str) -> tuple[Path, ...]:
    """The interpreter, its packages, and the top package of a module; no other file of ours.

    Paths are given as they are named and as what they lead to: each must open.
    """
    package = PROJECT_ROOT / module.split(".", maxsplit=1)[0]
    named = [
        *map(Path, _LIBRARIES),
        *_interpreter(),
        *(Path(place) for place in site.getsitepackages()),
        *(Path(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib", "purelib")),
        PROJECT_ROOT / "ml",
        package,
        *map(Path, _HARDWARE),
    ]
    return outermost(named)


def _interpreter() -> Iterable[Path]:
    yield Path(sys.executable)
    yield from _links(Path(sys.executable))
    for prefix in (Path(sys.prefix), Path(sys.base_prefix)):
        if prefix not in WIDE:  # a Python of the system: its libraries are named on their own
            yield prefix
            yield prefix.resolve()


def _links(path: Path) -> Iterable[Path]:
    """Every place on the way from a link to what it leads to."""
    for _ in range(40):
        if not path.is_symlink():
            return
        path = Path(os.path.normpath(path.parent / path.readlink()))
        yield path


def outermost(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The paths that exist, without those that lie in another one of them."""
    kept: list[Path] = []
    for path in sorted({path for path in paths if path.exists()}, key=lambda path: path.parts):
        if not any(path.is_relative_to(above) for above in kept):
            kept.append(path)
    return tuple(kept)


def gpu_devices(dev: Path = Path("/dev")) -> tuple[Path, ...]:
    """The device nodes of NVIDIA's driver on this machine."""
    found = {path for pattern in _GPU_DEVICES for path in dev.glob(pattern) if not path.is_dir()}
    return tuple(sorted(found))


def gpu_files(library_path: str) -> tuple[Path, ...]:
    """What a GPU's driver reads besides: the bus, and the libraries' folders that were named."""
    named = [Path(place) for place in library_path.split(":") if place.startswith("/")]
    return tuple(
        path for path in (*map(Path, _GPU_DRIVER), *named) if path.exists() and path not in WIDE
    )


def kernel() -> tuple[int, int]:
    """The first two numbers of the kernel's version; (0, 0) if it has another form."""
    numbers: Sequence[str] = platform.release().split(".")
    try:
        return int(numbers[0]), int(numbers[1].split("-")[0])
    except (IndexError, ValueError):
        return 0, 0
