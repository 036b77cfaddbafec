"""Damaged archives: ``python -m tests.ml.intake.pt2_mutants SEED COUNT FOLDER`` runs them.

``FOLDER/marker`` is what code in an archive would make, if any were run.
"""

import io
import json
import os
import pickle
import random
import sys
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch

from tests.ml.intake.mutants import count

Files = dict[str, bytes]
ODD = (
    None, 0, 1, -1, 2, 3, 7, 63, -5, 1000, 10**6, 10**9, 2**31, 2**40, 2**53, 2**63 - 1, 2**70,
    0.5, 1e30, float("nan"), "Infinity", "", "x", "é", "\ud800", "../../x", True, [], {}, [[]],
    "conv2d", "image", "torch.ops.aten.conv2d.default", "torch.ops.aten.rand.default",
)  # fmt: skip


class Many(torch.nn.Module):
    """Two classes of an 8 x 8 picture, by way of most families of operations."""

    def __init__(self) -> None:
        super().__init__()
        nn = torch.nn
        self.conv, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.up, self.own = nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1), nn.InstanceNorm2d(6)
        self.group, self.depth = nn.GroupNorm(2, 4), nn.Conv2d(4, 4, 3, groups=4)
        self.drop, self.layer = nn.Dropout(0.2), nn.LayerNorm(4)
        self.drops, self.query = nn.Dropout2d(0.1), nn.Linear(4, 12)
        self.head = nn.Linear(4, 2)
        self.register_buffer("order", torch.tensor([2, 0, 3, 1]))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        nn = torch.nn.functional
        x = nn.relu(self.norm(self.conv(image)))
        skip = nn.leaky_relu(self.group(self.depth(nn.pad(x, (1, 1, 1, 1), "reflect"))), 0.1)
        x = self.drops(nn.max_pool2d(x + skip, 3, 2, 1))
        x = self.own(self.up(x)).clamp(-1, 2)
        one, two = x.chunk(2, dim=1)
        x = torch.cat([one * two, nn.avg_pool2d(skip, 2, 1, 0)[:, 1:2]], 1)
        x = nn.interpolate(x, scale_factor=0.5, mode="bilinear") + x[:, :, ::2, ::2][:, :, :3, :3]
        tokens = x.flatten(2).transpose(1, 2)[:, :, self.order]
        q, k, v = self.query(tokens).reshape(x.shape[0], -1, 3, 4).permute(2, 0, 1, 3).unbind(0)
        tokens = tokens + nn.scaled_dot_product_attention(q, k, v)
        tokens = self.layer(nn.gelu(self.drop(tokens)))
        mean = torch.where(tokens > 0, tokens, tokens * 0.5).mean(1)
        mean = mean.expand(mean.shape[0], 4)
        return torch.softmax(self.head(mean), 1)


@cache
def sound() -> bytes:
    """The whole file."""
    torch.manual_seed(3)
    file, module = io.BytesIO(), Many().eval()
    for part in (module.drop, module.drops):
        part.train()
    free = ({0: torch.export.Dim("batch")},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        exported = torch.export.export(module, (torch.zeros(2, 1, 8, 8),), dynamic_shapes=free)
        torch.export.save(exported, file)
    return file.getvalue()


@cache
def _files() -> Files:
    with zipfile.ZipFile(io.BytesIO(sound())) as opened:
        return {info.filename: opened.read(info) for info in opened.infolist()}


class _Marker:
    """Unpickling this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.system, (f"touch {self.path}",)


def mutations(marker: Path) -> Callable[[random.Random], bytes]:
    """The sound file with some bytes, numbers, names, members or weights changed.

    Args:
        marker: what the code that some mutants bring would make.
    """
    code = f"__import__('os').system('touch {marker}')"
    pickled = pickle.dumps(_Marker(marker))

    def mutated(rng: random.Random) -> bytes:
        if rng.random() < 0.1:
            return _bytes(bytearray(sound()), rng)
        files, kinds = dict(_files()), (*[_graph] * 6, _json, _json, _member)
        for _ in range(rng.choice([1, 1, 1, 2, 4])):
            rng.choice(kinds)(files, rng, code, pickled)
        return _packed(files, rng)

    return mutated


def _bytes(raw: bytearray, rng: random.Random) -> bytes:
    for _ in range(rng.choice([1, 2, 5, 30])):
        raw[rng.randrange(len(raw))] = rng.randrange(256)
    return bytes(raw[: rng.randrange(len(raw))] if rng.random() < 0.15 else raw)


def _packed(files: Files, rng: random.Random) -> bytes:
    file = io.BytesIO()
    method = rng.choice(
        [zipfile.ZIP_STORED] * 40 + [zipfile.ZIP_DEFLATED] * 9 + [zipfile.ZIP_BZIP2]
    )
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", method) as opened:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, data in files.items():
            opened.writestr(name, data)
            if rng.random() < 0.002:
                opened.writestr(name, data[: len(data) // 2])
    return file.getvalue()


def _graph(files: Files, rng: random.Random, code: str, pickled: bytes) -> None:
    """One argument, name or operation of one node: what most of a reader is about."""
    try:
        name = next(name for name in files if name.endswith("models/model.json"))
        model = json.loads(files[name])
        nodes = model["graph_module"]["graph"]["nodes"]
        node, other = rng.choice(nodes), rng.choice(nodes)
        kind = rng.randrange(8)
        if kind == 0:
            node["target"] = rng.choice([other["target"], code, "torch.ops.aten.exp.default"])
        elif kind == 1:
            node["inputs"] = other["inputs"]
        elif kind == 2:
            node["outputs"] = other["outputs"]
        elif kind == 3:
            node["inputs"].append(rng.choice(other["inputs"]))
        elif kind == 4:
            rng.choice(node["inputs"])["arg"] = rng.choice(other["inputs"])["arg"]
        elif kind == 5:
            nodes.remove(node)
        else:
            given = rng.choice(node["inputs"])["arg"]
            how = next(iter(given))
            given[how] = _other(given[how], rng, code)
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration):
        return  # an earlier mutation left no such graph
    files[name] = json.dumps(model).encode()


def _other(value: Any, rng: random.Random, code: str) -> Any:
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], _other(value[at], rng, code), *value[at + 1 :]]
    if isinstance(value, dict) and value and rng.random() < 0.7:
        key = rng.choice(list(value))
        return {**value, key: _other(value[key], rng, code)}
    if isinstance(value, bool) or rng.random() < 0.3:
        return rng.choice([*ODD, code, not value])
    alike = [odd for odd in ODD if type(odd) is type(value)]
    return rng.choice(alike or [code])


def _json(files: Files, rng: random.Random, code: str, pickled: bytes) -> None:
    """Any place of any document of the archive."""
    name = rng.choice([name for name in files if name.endswith(".json")] or list(files))
    try:
        value = json.loads(files[name])
    except ValueError:
        return
    place, way = value, []
    while isinstance(place, dict | list) and place and (rng.random() < 0.9 or not way):
        key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
        way.append((place, key))
        place = place[key]
    if not way:
        return
    holder, key = way[-1]
    kind = rng.randrange(4)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.append(holder[key])
    elif kind == 2 and isinstance(holder, dict):
        holder[rng.choice(["more", code])] = holder.pop(key)
    else:
        holder[key] = rng.choice([*ODD, code])
    files[name] = json.dumps(value).encode()


def _member(files: Files, rng: random.Random, code: str, pickled: bytes) -> None:
    """A whole file of the archive: gone, swapped, cut, renamed, or a pickle."""
    if not files:
        return
    name, other = rng.choice(list(files)), rng.choice(list(files))
    kind = rng.randrange(6)
    if kind == 0:
        del files[name]
    elif kind == 1:
        files[name] = files[other]
    elif kind == 2:
        files[name] = files[name][: rng.randrange(len(files[name]) + 1)]
    elif kind == 3:
        files[rng.choice([name + "x", "../" + name, "/" + name, "a/b", name.upper()])] = (
            files.pop(name)
        )  # fmt: skip
    elif kind == 4:
        files[name] = pickled
    else:
        raw = bytearray(files[name])
        files[name] = _bytes(raw, rng) if raw else b"x"


def main(seed: int, times: int, folder: Path) -> None:
    marker = folder / "marker"
    count("pt2", sound(), mutations(marker), seed, times, folder)
    assert not marker.exists(), "code of a mutant was run"


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
