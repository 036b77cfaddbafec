"""A device that is none: it computes on the processor what was placed on it, and nothing else.

Its tensors are of a class of their own. As on a GPU, a tensor of it and one of the processor (but
for single numbers) are not computed with together, nor does numpy take one of it.
"""

from contextlib import contextmanager

import torch
from torch.utils._pytree import tree_flatten

from ml.program.walk import Walker

MOVES = ("cpu", "to", "__get__", "as_subclass")


class Placed(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name in ("numpy", "__array__", "tolist"):
            raise AssertionError("a tensor was read before it was brought back")
        if name not in MOVES:
            for tensor in tree_flatten((args, kwargs or {}))[0]:
                strange = isinstance(tensor, torch.Tensor) and not isinstance(tensor, Placed)
                if strange and tensor.dim():
                    raise RuntimeError(f"{name}: a tensor of the device and one of the processor")
        found = super().__torch_function__(func, types, args, kwargs or {})
        if name == "cpu":
            with torch._C.DisableTorchFunctionSubclass():
                return found.as_subclass(torch.Tensor)
        return found


class FakeBackEnd:
    """Two devices."""

    def __init__(self):
        self.placed, self.pins, self.freed, self.casts = 0, 0, 0, []

    def missing(self, index):
        return "" if index < 2 else "There are two of them."

    def place(self, tensor, index):
        if isinstance(tensor, Placed):
            return tensor
        self.placed += 1
        return tensor.clone().as_subclass(Placed)

    def pinned(self, array):
        self.pins += 1
        return array.copy()

    @contextmanager
    def computing(self, autocast):
        self.casts.append(autocast)
        if autocast is None:
            yield
            return
        with torch.autocast("cpu", dtype=getattr(torch, autocast)):
            yield

    def free(self):
        self.freed += 1

    def torch_name(self, index):
        return None


def watched(monkeypatch):
    """Every node that is walked, as whether all tensors that it reads lie on the device."""
    seen, step = [], Walker.step

    def noted(self, node, values, **options):
        read = [values.get(name, self.weights.get(name)) for name in node.uses]
        tensors = [one for one in read if isinstance(one, torch.Tensor)]
        seen.append((node.name, all(isinstance(one, Placed) for one in tensors)))
        step(self, node, values, **options)

    monkeypatch.setattr(Walker, "step", noted)
    return seen
