"""Which device computes: what was asked for, what there is, and why it is not the same.

Nothing here loads torch before a device other than the processor is asked for.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from ml.estimate import JsonObject
from ml.imaging.preprocess import Float32Array
from ml.sandbox.gpu import ONLY_GPU
from ml.sandbox.view import gpu_devices

AUTO, PROCESSOR, CUDA = "auto", "cpu", "cuda"
Autocast = Literal["float16", "bfloat16"]  # what a manifest may declare
FLOAT32 = "float32"


class BackEnd(Protocol):
    """Devices of one kind, numbered from 0."""

    def missing(self, index: int) -> str:
        """Why there is no such device, as a sentence; "" where there is one."""

    def place(self, tensor: Any, index: int) -> Any:
        """The tensor on the device; itself, where it lies there."""

    def pinned(self, array: Float32Array) -> Float32Array:
        """The same numbers where the device can fetch them while something is computed."""

    def computing(self, autocast: Autocast | None) -> AbstractContextManager[None]:
        """Around whatever is computed; ``autocast`` as a manifest declares it."""

    def free(self) -> None:
        """Give back memory that is kept for later, after something did not fit."""

    def torch_name(self, index: int) -> str | None:
        """What torch calls the device; None where torch itself does not know it."""


class Cuda:
    """NVIDIA's devices, as torch sees them."""

    def missing(self, index: int) -> str:
        if not gpu_devices():
            return "This process sees no device of NVIDIA's driver."
        try:
            import torch
        except ModuleNotFoundError:
            return "torch is not installed on this machine."
        if not torch.cuda.is_available():
            return "torch cannot use a GPU here: it is built without CUDA, or the driver is older."
        count = torch.cuda.device_count()
        at = _own(index)
        return "" if at < count else f"torch sees {count} GPUs, and cuda:{index} is none of them."

    def place(self, tensor: Any, index: int) -> Any:
        # From pinned memory the copy goes on while the processor does other things.
        return tensor.to(f"cuda:{_own(index)}", non_blocking=tensor.is_pinned())

    def pinned(self, array: Float32Array) -> Float32Array:
        import torch

        found: Float32Array = torch.from_numpy(array).pin_memory().numpy()
        return found

    @contextmanager
    def computing(self, autocast: Autocast | None) -> Iterator[None]:
        import torch

        # Else a product of "float32" numbers is one of 10-bit fractions, and cuDNN takes whichever
        # of its kernels was quickest this time.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = False
        if autocast is None:
            yield
            return
        with torch.autocast("cuda", dtype=getattr(torch, autocast)):
            yield

    def free(self) -> None:
        import torch

        torch.cuda.empty_cache()

    def torch_name(self, index: int) -> str | None:
        return f"cuda:{_own(index)}"


def _own(index: int) -> int:
    """The number of a device in this process: one that sees a single device calls it 0."""
    return 0 if os.environ.get(ONLY_GPU) == str(index) else index


# By the word before the colon. Another kind of device is one entry here.
BACK_ENDS: dict[str, BackEnd] = {CUDA: Cuda()}


@dataclass(frozen=True)
class Device:
    """Where a model computes.

    Attributes:
        name: "cpu", "cuda:0": what computes.
        asked: what was asked for.
        why: a sentence where it is not what was asked for, else "".
    """

    name: str = PROCESSOR
    asked: str = PROCESSOR
    why: str = ""

    @property
    def kind(self) -> str:
        return self.name.partition(":")[0]

    @property
    def index(self) -> int:
        return int(self.name.partition(":")[2] or 0)

    @property
    def is_cpu(self) -> bool:
        return self.name == PROCESSOR

    @property
    def place(self) -> Callable[[Any], Any]:
        """What brings a tensor to the device."""
        if self.is_cpu:
            return lambda tensor: tensor
        back_end, index = BACK_ENDS[self.kind], self.index
        return lambda tensor: back_end.place(tensor, index)

    def pinned(self, array: Float32Array) -> Float32Array:
        return array if self.is_cpu else BACK_ENDS[self.kind].pinned(array)

    def computing(self, autocast: Autocast | None = None) -> AbstractContextManager[None]:
        """Around whatever is computed. The processor keeps float32, whatever is declared."""
        return nullcontext() if self.is_cpu else BACK_ENDS[self.kind].computing(autocast)

    def free(self) -> None:
        if not self.is_cpu:
            BACK_ENDS[self.kind].free()

    @property
    def torch_name(self) -> str | None:
        return self.name if self.is_cpu else BACK_ENDS[self.kind].torch_name(self.index)

    def instead(self, why: str) -> "Device":
        """The processor, for what cannot be computed on this device."""
        return self if self.is_cpu else replace(self, name=PROCESSOR, why=why)

    @property
    def json(self) -> JsonObject:
        """For the evidence."""
        return {"device": self.name, "asked_device": self.asked, "why": self.why}

    def precision(self, autocast: Autocast | None) -> JsonObject:
        """For the evidence: what numbers were computed in, where the manifest declares autocast."""
        if autocast is None:
            return {}
        if self.is_cpu:
            return {
                "precision": FLOAT32,
                "declared_autocast": autocast,
                "why_precision": "Autocast is used on a GPU only.",
            }
        return {"precision": f"autocast {autocast}", "declared_autocast": autocast}


CPU = Device()


def looks_ahead(device: Device) -> bool:
    """Whether the next cases are read while some are computed: a processor is busy with these."""
    return not device.is_cpu


def resolve(asked: str) -> Device:
    """The device that was asked for where there is one, else the processor and why.

    Args:
        asked: "cpu", "cuda" (the first), "cuda:1", or "auto": a GPU where there is one.

    Example:
        >>> resolve("cpu")
        Device(name='cpu', asked='cpu', why='')
        >>> resolve("abacus:1").why
        "This version knows no device 'abacus:1'."
    """
    if asked == PROCESSOR:
        return CPU
    kind, _, number = (CUDA if asked == AUTO else asked).partition(":")
    back_end = BACK_ENDS.get(kind)
    if back_end is None or not (number or "0").isdecimal():
        return Device(asked=asked, why=f"This version knows no device {asked!r}.")
    index = int(number or 0)
    why = back_end.missing(index)
    return Device(PROCESSOR if why else f"{kind}:{index}", asked, why)
