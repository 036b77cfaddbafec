"""Corruptions of pictures, by name: what each does, how severe, in which unit."""

from ml.corruptions import generic
from ml.corruptions.registry import Corruption, add, corruption, pack

for _one in generic.CORRUPTIONS:
    add(_one)

__all__ = ["Corruption", "add", "corruption", "pack"]
