"""A table of scores as a predictions folder: an audit of a model that stays at home."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from demo import folders

SUM_TOLERANCE = 1e-3  # single-precision softmax adds up to 1 only nearly


def write(
    out: Path,
    table: Mapping[str, Sequence[float]],
    *,
    classes: Sequence[str],
    positive: Sequence[str],
    model_name: str,
    model_version: str,
    kind: Literal["probabilities", "logits"] = "probabilities",
) -> Path:
    """Write the folder; `table` maps a case id to its numbers, in the order of `classes`."""
    check(table, classes=classes, positive=positive, kind=kind)
    with folders.replaced(out) as folder:
        folders.write_yaml(
            folder / "predictions.yaml",
            {
                "kind": kind,
                "classes": list(classes),
                "positive": list(positive),
                "model": {"name": model_name, "version": model_version},
            },
        )
        folders.write_csv(
            folder / "predictions.csv",
            ("case_id", *classes),
            ((case_id, *map(float, scores)) for case_id, scores in table.items()),
        )
    return out


def check(
    table: Mapping[str, Sequence[float]],
    *,
    classes: Sequence[str],
    positive: Sequence[str],
    kind: Literal["probabilities", "logits"],
) -> None:
    """Raise ValueError at the first case whose scores are not what was announced."""
    if len(set(classes)) != len(classes) or not set(positive) < set(classes) or not positive:
        raise ValueError(f"positive {list(positive)} has to be some, not all, of {list(classes)}.")
    for case_id, scores in table.items():
        if len(scores) != len(classes):
            raise ValueError(
                f"Case {case_id} has {len(scores)} scores; expected {len(classes)}, one per class."
            )
        if not all(math.isfinite(score) for score in scores):
            raise ValueError(f"Case {case_id} has a score that is not a finite number.")
        if kind == "probabilities" and (
            min(scores) < 0 or max(scores) > 1 or abs(sum(scores) - 1) > SUM_TOLERANCE
        ):
            raise ValueError(
                f"Case {case_id}: probabilities from 0 to 1 that add up to 1 expected."
            )
