"""Several files of weights as one model: what is stored of an ensemble, and how it is read.

Each member is stored as any file of weights. The weights of the ensemble are an index, which names
them by their SHA-256 in the order of the manifest: so its own SHA-256 covers them all.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

from ml.estimate import JsonObject, JsonValue
from ml.evidence.store import canonical
from ml.intake.folder import Folder
from ml.intake.model_manifest import MANIFEST, ModelManifest
from ml.intake.refusal import Problems, Refusal, Refused, refuse

INDEX = "members.json"
NO_GRADIENTS = (
    "The members of an ensemble are run one by one and not looked into: hand in a member by "
    "itself for that."
)
MemberFormat = Literal["onnx", "pt2", "safetensors"]
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Member:
    format: MemberFormat
    sha256: str


def index_of(members: Sequence[Member]) -> bytes:
    """The bytes that stand for an ensemble.

    Example:
        >>> index_of([Member("onnx", "0" * 64)])[:40]
        b'{"members":[{"format":"onnx","sha256":"0'
    """
    rows: list[JsonValue] = [{"format": one.format, "sha256": one.sha256} for one in members]
    return canonical({"members": rows})


def members_in(index: bytes) -> list[Member]:
    """The members that an index names; their files lie beside it under their SHA-256.

    Raises:
        ValueError: if it is none of ``index_of``.

    Example:
        >>> members_in(index_of([Member("pt2", "1" * 64)]))[0].format
        'pt2'
    """
    try:
        rows = json.loads(index)["members"]
        found = [Member(row["format"], row["sha256"]) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"the index of the members cannot be read: {error}") from None
    for one in found:
        # Names become paths: nothing but what we wrote ourselves may pass.
        if one.format not in get_args(MemberFormat) or not _SHA256.fullmatch(one.sha256):
            raise ValueError("the index of the members names what is no file of weights")
    return found


def read_members(
    folder: Folder, manifest: ModelManifest, read_one: Callable[[str], JsonObject]
) -> tuple[JsonObject, list[Member]]:
    """Read every member, each as a model of its own.

    Args:
        folder: what was handed in.
        manifest: of the format ensemble.
        read_one: reads the member of this name and gives its card.

    Returns:
        The card of the ensemble, and its members.

    Raises:
        Refused: members_too_few, member_twice, members_differ, file_missing; and whatever a
            member is refused for, under its name.
    """
    names = manifest.weights
    if len(names) < 2:
        raise refuse(
            "members_too_few",
            "An ensemble has at least two members. A single network is handed in under its own "
            "format.",
            file=MANIFEST,
        )
    problems = Problems()
    for name in sorted(set(names)):
        if names.count(name) > 1:
            problems.add("member_twice", f"{MANIFEST} names this member twice.", file=name)
        elif name not in folder:
            problems.add("file_missing", f"{MANIFEST} names a file that is not there.", file=name)
    problems.raise_if_any()
    cards: dict[str, JsonObject] = {}
    refused: list[Refusal] = []
    for name in names:
        try:
            cards[name] = read_one(name)
        except Refused as error:
            refused += [replace(one, file=name) for one in error.refusals]
    problems.extend([_apart(one) if cards else one for one in refused])
    problems.raise_if_any()
    _check_different(cards)
    _check_architecture(manifest, cards)
    members = [
        Member(cast(MemberFormat, card["format"]), str(card["sha256"])) for card in cards.values()
    ]
    return _card(cards), members


def _apart(refusal: Refusal) -> Refusal:
    """A member of another shape, where others have the one that is declared."""
    if refusal.code != "model_shape":
        return refusal
    message = f"{refusal.message} Other members do as declared: all have one input and output."
    return replace(refusal, code="members_differ", message=message)


def _check_different(cards: dict[str, JsonObject]) -> None:
    first: dict[str, str] = {}
    for name, card in cards.items():
        other = first.setdefault(str(card["sha256"]), name)
        if other != name:
            raise refuse(
                "member_twice",
                f"This file and {other} are the same: a network that is counted twice makes an "
                "ensemble look surer than it is.",
                file=name,
            )


def _check_architecture(manifest: ModelManifest, cards: dict[str, JsonObject]) -> None:
    if manifest.architecture is not None and "safetensors" not in {
        card["format"] for card in cards.values()
    }:
        raise refuse(
            "manifest_invalid",
            "The architecture belongs to members in safetensors, and there is none: leave it out.",
            file=MANIFEST,
        )


def _card(cards: dict[str, JsonObject]) -> JsonObject:
    """One card for all: sums over the members, and each of their cards."""
    first = next(iter(cards.values()))
    operations: Counter[str] = Counter()
    for card in cards.values():
        operations.update(cast(dict[str, int], card["operations"]))
    notes: list[JsonValue] = [
        f"{name}: {note}"
        for name, card in cards.items()
        for note in cast(list[JsonValue], card.get("notes", []))
    ]
    return {
        "format": "ensemble",
        "operations": dict(sorted(operations.items())),
        "parameters": _sum(cards, "parameters"),
        "size_bytes": _sum(cards, "size_bytes"),
        "inputs": first["inputs"],
        "outputs": first["outputs"],
        "gradients": False,
        "not_taken_over": [NO_GRADIENTS],
        "notes": notes,
        "members": [{"name": name, **card} for name, card in cards.items()],
        "smoke": _smoke([cast(JsonObject, card["smoke"]) for card in cards.values()]),
    }


def _sum(cards: dict[str, JsonObject], name: str) -> int:
    return sum(cast(int, card[name]) for card in cards.values())


_WORST: dict[str, Callable[[Iterable[float]], float]] = {
    "repeat_difference": max, "batch_difference": max, "low": min, "high": max
}  # fmt: skip


def _smoke(runs: Sequence[JsonObject]) -> JsonObject:
    """The trial runs of all members as one."""
    seconds = sum(cast(float, run["seconds_per_case"]) for run in runs)
    return {
        **runs[0],
        "deterministic": all(run["deterministic"] for run in runs),
        "finite": all(run["finite"] for run in runs),
        **{
            name: worst(cast(float, run[name]) for run in runs)
            for name, worst in _WORST.items()
            if all(name in run for run in runs)
        },
        "doubt": next((run["doubt"] for run in runs if run.get("doubt")), ""),
        "seconds_per_case": round(seconds, 6),
    }
