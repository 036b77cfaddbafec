"""What intake found out about a model version, as rows of state, question and answer."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ml.checks import all_checks
from ml.checks.capability import WITH_MASKS, WITH_SAMPLES, WITH_SCORES, follows
from ml.checks.intake_points import Point, points
from ml.imaging.declared import Intensity
from ml.imaging.steps import of_cut, of_numbers
from ml.verdict import abilities, met_by, sentence
from portal.registry.models import ModelVersion, Predictions
from portal.ui import numbers

# What is said first of a refusal, where the reason deserves more than its own row.
_REFUSED_BECAUSE = {
    "pickle_refused": "Refused: opening this file would run code inside it.",
    "external_data": "Refused: the file wants to read another file.",
    "custom_op": "Refused: it asks for operations that are not known here.",
    "model_limit": "Refused: nobody can tell what running it would cost.",
    "architecture_unknown": "Refused: its network is none of those that are built here.",
    "non_finite_output": "Refused: it answers noise with what is no number.",
    "output_kind": "Refused: what it gives is not what model.yaml declares.",
    "model_shape": "Refused: what it takes or gives is not what model.yaml declares.",
}


_TIMES = re.compile(r" x (?=\d)")  # of sizes and counts; a sentence may speak of x and y


@dataclass(frozen=True)
class Row:
    state: str
    question: str
    answer: str
    action: str = ""


def rows(version: ModelVersion) -> list[Row]:
    """For a version whose file was read; each row says only what the card holds."""
    found = as_rows(points(version.card, version.manifest))
    if version.weights and found:
        first = found[0]
        # Of an ensemble, the stored weights are the list of its members.
        size = numbers.size(version.card.get("size_bytes", version.weights.size_bytes))
        found[0] = Row(first.state, first.question, f"{first.answer}; {size}")
    return found


def able(version: ModelVersion) -> list[Row]:
    """The capability card: batch, gradients, map layer, head, dropout, runtime."""
    return as_rows(abilities(version.card, version.manifest))


def verdict(version: ModelVersion) -> str:
    """One sentence above the rows."""
    return sentence(points(version.card, version.manifest), version.card)


def refused_because(refusals: Iterable[dict[str, Any]]) -> str:
    """The first reason in plain words, and what became of the file."""
    codes = [str(refusal.get("code", "")) for refusal in refusals]
    known = next((_REFUSED_BECAUSE[code] for code in codes if code in _REFUSED_BECAUSE), "")
    ran = {"non_finite_output", "output_kind", "model_shape", "model_failed"} & set(codes)
    kept = "The file was not kept." if ran else "Nothing of it was run, and the file was not kept."
    return f"{known or 'Refused.'} {kept}"


def facts(card: dict[str, Any]) -> list[tuple[str, str]]:
    """What was read of the graph, as names and numbers; only what the card holds."""
    found = []
    for key, name in (("layers", "Layers with weights"), ("parameters", "Parameters"),
                      ("dropout_sites", "Dropout sites")):  # fmt: skip
        if card.get(key) is not None:
            found.append((name, numbers.count(card[key])))
    norms = card.get("normalisation") or {}
    if "normalisation" in card:
        said = ", ".join(f"{name.replace('_', ' ')} × {n}" for name, n in sorted(norms.items()))
        found.append(("Normalisation", said or "none"))
    return found


def intensity(manifest: dict[str, Any]) -> str:
    """What is done to the values of an image, in the order in which it is done."""
    declared = Intensity.model_validate(manifest["input"]["intensity"])
    cut = of_cut(declared) if declared.window or declared.clip else ""
    said = "; ".join(filter(None, (cut, of_numbers(declared))))
    return said.replace("-", numbers.MINUS) or "as it is"


def needs_met(subject: ModelVersion | Predictions) -> frozenset[str]:
    """What a subject brings for checks by itself."""
    if isinstance(subject, ModelVersion):
        return met_by(subject.card, subject.manifest)
    if subject.meta["kind"] == "masks":
        return WITH_MASKS
    return WITH_SAMPLES if subject.meta.get("several") else WITH_SCORES


def auditable(needs_met: frozenset[str]) -> list[Row]:
    """The checks of this installation, and what the cohort must bring for each.

    Checks of masks are named for masks only, and those of scores for scores.
    """
    task = "segmentation" if WITH_MASKS & needs_met else "classification"
    return as_rows(follows(needs_met, all_checks(), task))


def as_rows(found: Iterable[Point]) -> list[Row]:
    return [Row(one.state.value, one.title, _TIMES.sub(" × ", one.says), one.action)
            for one in found]  # fmt: skip
