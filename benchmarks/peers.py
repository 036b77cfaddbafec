"""Modules of peers whose packages import more than the comparison takes."""

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any


def peer_module(name: str) -> Any:
    """A module of a peer, without what the packages around it do on import.

    pytorch-ood's own import asks for torchvision, which it takes for pictures and networks and no
    detector does; torch-uncertainty's for what trains networks. The packages around the module are
    set up empty in their place: the module itself is the peer's, unchanged.

    Raises:
        ModuleNotFoundError: if the peer is not installed.
    """
    parts = name.split(".")
    found = importlib.util.find_spec(parts[0]) if parts[0] not in sys.modules else None
    if parts[0] not in sys.modules and (found is None or not found.submodule_search_locations):
        raise ModuleNotFoundError(f"No module named {parts[0]!r}", name=parts[0])
    if found is not None and found.submodule_search_locations:
        _set_up_empty(parts[0], Path(found.submodule_search_locations[0]))
    folder = Path(sys.modules[parts[0]].__path__[0])
    for depth in range(2, len(parts)):
        folder /= parts[depth - 1]
        _set_up_empty(".".join(parts[:depth]), folder)
    return importlib.import_module(name)


def _set_up_empty(package: str, folder: Path) -> None:
    if package not in sys.modules:
        empty = ModuleType(package)
        empty.__path__ = [str(folder)]
        sys.modules[package] = empty


def without_torchvision() -> None:
    """Set up an empty torchvision where it is not installed, for peers that ask for it on import.

    pytorch-grad-cam takes it to prepare photographs and for detectors alone. Whatever is called
    of it fails.
    """
    if "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is not None:
        return
    empty = ModuleType("torchvision")
    empty.__path__ = []
    empty.__spec__ = ModuleSpec("torchvision", None)  # torch asks find_spec, which wants one
    transforms = ModuleType("torchvision.transforms")
    for name in ("Compose", "Normalize", "ToTensor"):
        setattr(transforms, name, None)
    sys.modules |= {"torchvision": empty, "torchvision.transforms": transforms}
