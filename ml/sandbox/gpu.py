"""One GPU of several: its device node and the name by which its driver shows it alone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ml.sandbox.view import gpu_devices

NAMED = re.compile(r"auto|cpu|cuda(?::(\d{1,3}))?")  # how a device may be asked for
ONLY_GPU = "PLUMBLINE_GPU"  # to a child: the number of the one GPU that it sees
_VISIBLE, _ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"
_LISTED = Path("/proc/driver/nvidia/gpus")
_CARD = re.compile(r"nvidia(\d+)")


@dataclass(frozen=True)
class Gpu:
    minor: int  # /dev/nvidiaN; not the number that CUDA gives it
    uuid: str


def index_of(device: str) -> int | None:
    """The number of the GPU that a device means; None for the processor.

    Args:
        device: as a worker is asked for it: cpu, cuda (the first), cuda:1; auto, the first where
            there is one.

    Raises:
        ValueError: for another word.

    Example:
        >>> index_of("cuda:1"), index_of("cpu")
        (1, None)
    """
    named = NAMED.fullmatch(device)
    if named is None:
        raise ValueError(f"a device is auto, cpu, cuda or cuda:N, not {device!r}")
    if device == "cpu" or (device == "auto" and not gpu_devices()):
        return None
    return int(named[1] or 0)


def listed(folder: Path = _LISTED) -> list[Gpu]:
    """The GPUs of this machine in the order of their places on the bus, as the driver tells."""
    found = []
    for place in sorted(folder.glob("*/information")):
        text = place.read_text()
        minor = re.search(r"^Device Minor:\s*(\d+)\s*$", text, re.MULTILINE)
        uuid = re.search(r"^GPU UUID:\s*(GPU-[0-9a-f-]+)\s*$", text, re.MULTILINE)
        if minor is None or uuid is None:
            return []  # a driver that tells something else: better none than a wrong one
        found.append(Gpu(int(minor[1]), uuid[1]))
    return found


def chosen(index: int, own: Mapping[str, str], folder: Path = _LISTED) -> Gpu | None:
    """The GPU of a number; None where it cannot be told which that is.

    Args:
        own: the environment. ``CUDA_VISIBLE_DEVICES`` of it says which GPUs are counted.
    """
    gpus = listed(folder)
    visible = [word for word in own.get(_VISIBLE, "").split(",") if word]
    if not visible:
        return gpus[index] if index < len(gpus) else None
    if index >= len(visible):
        return None
    word = visible[index]
    if word.isdecimal():
        return gpus[int(word)] if int(word) < len(gpus) else None
    alike = [one for one in gpus if one.uuid.startswith(word)]
    return alike[0] if len(alike) == 1 else None


def devices(gpu: Gpu | None, dev: Path = Path("/dev")) -> tuple[Path, ...]:
    """The device nodes of a child: what all GPUs share, and of their own nodes that of one.

    Args:
        gpu: None for all of them.
    """
    return tuple(
        path
        for path in gpu_devices(dev)
        if gpu is None or not (card := _CARD.fullmatch(path.name)) or int(card[1]) == gpu.minor
    )


def variables(index: int, gpu: Gpu | None) -> dict[str, str]:
    """What a child needs in its environment so that numbers mean the same, and one GPU is seen."""
    found = {_ORDER: "PCI_BUS_ID"}
    if gpu is not None:
        found |= {_VISIBLE: gpu.uuid, ONLY_GPU: str(index)}
    return found
