"""Concatenations that each take the one before and add to it share one piece of memory."""

from collections.abc import Sequence
from typing import cast

import torch

from ml.engine.fusing.steps import Known, Step
from ml.program.graph import Argument, Node, Ref
from ml.program.walk import Values

_Parts = dict[str, tuple[str, ...]]


def join_growing(known: Known, nodes: Sequence[Node]) -> None:
    """Chains of concatenations of channels: each writes only what is new (DenseNets)."""
    parts: _Parts = {}
    chains: list[list[Node]] = []
    for node in nodes:
        names = _concatenated(known, node)
        if not names:
            continue
        whole = (*parts.get(names[0], names[:1]), *names[1:])
        parts[node.name] = whole
        for chain in chains:
            before = parts[chain[-1].name]
            if whole[: len(before)] == before and len(whole) > len(before):
                chain.append(node)
                break
        else:
            chains.append([node])
    for chain in chains:
        if len(chain) > 1:
            _share(known, chain, parts)


def _concatenated(known: Known, node: Node) -> tuple[str, ...]:
    """What a concatenation of pictures along channels takes; () for any other node."""
    if node.operation.name != "cat" or node.arguments.get("dim", 0) != 1:
        return ()
    names = tuple(cast(Ref, one).name for one in cast(tuple[Argument], node.arguments["tensors"]))
    whole = known.shapes[node.name]
    fits = all(known.shapes.get(name, ())[:1] == whole[:1] for name in names)
    return names if len(whole) == 4 and fits else ()


def _share(known: Known, chain: Sequence[Node], parts: _Parts) -> None:
    total = known.shapes[chain[-1].name][1]
    memory = f"{chain[0].name}.memory"
    had: tuple[str, ...] = ()
    for node in chain:
        new, had = parts[node.name][len(had) :], parts[node.name]
        size = known.shapes[node.name][1]
        start = size - sum(known.shapes[name][1] for name in new)
        known.joined[id(node)] = _extend(known, node.name, new, memory, total, start)
        known.growing.add(node.name)


def _extend(
    known: Known, name: str, new: tuple[str, ...], memory: str, total: int, start: int
) -> Step:
    def extend(values: Values) -> None:
        if start == 0:
            batch, _, *sides = values[new[0]].shape
            values[memory] = torch.empty((batch, total, *sides), memory_format=torch.channels_last)
        whole, at = values[memory], start
        for part in new:
            piece = values[part]
            whole[:, at : at + piece.shape[1]] = piece
            at += piece.shape[1]
        values[name] = whole[:, :at]

    return Step((*new, *(() if start == 0 else (memory,))), extend)
