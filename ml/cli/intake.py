"""`python -m ml intake`: what the portal would say of a folder or file."""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import cast

from ml.cli.errors import DONE, checked
from ml.engine.plan import limits_of
from ml.estimate import JsonObject, JsonValue, objects_in
from ml.sandbox.messages import Job
from ml.sandbox.parent import run as run_job
from ml.verdict import verdict_of


def run(arguments: argparse.Namespace) -> int:
    """Read the path in a child; print the capability card or the counts."""
    with tempfile.TemporaryDirectory() as work:
        inputs: JsonObject = {"path": str(arguments.path.resolve()), "card_only": True}
        outcome = checked(
            run_job(Job("intake", inputs, Path(work)), limits=limits_of("intake-model")),
            str(arguments.path),
        )
    result = outcome.result
    manifest = result.get("manifest")
    if isinstance(manifest, dict):
        result = result | {"verdict": verdict_of(cast(JsonObject, result["card"]), manifest)}
    if arguments.json:
        print(json.dumps(result, indent=1, ensure_ascii=False))
    else:
        print("\n".join(_lines(result)))
    return DONE


def _lines(result: JsonObject) -> list[str]:
    if result["kind"] != "model":
        counted = [f"{key}: {value}" for key, value in result.items() if isinstance(value, int)]
        return [f"accepted: a {result['kind']} folder", *counted, f"sha256: {result['sha256']}"]
    card = cast(JsonObject, result["card"])
    manifest = cast(JsonObject | None, result["manifest"])
    lines = [
        f"accepted: {manifest['name']} {manifest['version']}"
        if manifest
        else "readable, but not yet complete: add a model.yaml, then it is run as well",
        f"{_read(card)}, {card['parameters']:,} parameters",
        f"input {card['inputs']}",
        f"output {card['outputs']}",
        f"sha256: {card['sha256']}",
    ]
    verdict = result.get("verdict")
    if not isinstance(verdict, dict):
        return lines + [str(note) for note in cast(list[JsonValue], card.get("notes", []))]
    for heading, key in _PARTS:
        lines += ["", heading, *(_row(row) for row in objects_in(verdict[key]))]
    return lines


_PARTS = (
    ("What was found", "points"),
    ("What can be done with it", "capabilities"),
    ("What can be audited", "checks"),
)


def _row(row: JsonObject) -> str:
    action = f" -> {row['action']}" if row["action"] else ""
    return f"  {row['state']:<12} {row['title']}: {row['says']}{action}"


def _read(card: JsonObject) -> str:
    if "members" in card:
        members = cast(list[JsonObject], card["members"])
        each = "; ".join(f"{member['name']}: {_read(member)}" for member in members)
        return f"ensemble of {len(members)} ({each})"
    if card["format"] == "onnx":
        reasons = cast(list[str], card["not_taken_over"])
        white = f"{card['dropout_sites']} dropout sites" if card["gradients"] else "a black box"
        return " ".join([f"ONNX opset {card['opset']}, {white}", *reasons[:5]])
    if "layers" not in card:
        return "safetensors, weights of a network that is not named"
    whose = card.get("architecture", "torch.export archive")
    layers = f"{card['layers']} layers, {card['dropout_sites']} dropout sites"
    return f"{whose} of {card['producer']}, {layers}"


def say(text: str) -> None:
    """A line of progress, beside the result."""
    print(text, file=sys.stderr, flush=True)
