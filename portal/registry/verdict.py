"""What intake found out about a model version, as rows of state, question and answer."""

from dataclasses import dataclass
from typing import Any

from ml.checks import all_checks
from ml.engine.sampling import why_no_samples
from portal.registry.models import ModelVersion, Predictions
from portal.ui import numbers

# what a check needs beside a model -> where it comes from
FROM_COHORT = {
    "labels": "reference labels",
    "covariates": "covariates",
    "readings": "readings",
    "reference-masks": "reference masks",
    "reader-masks": "the masks of several readers",
}
WITH_SCORES = frozenset({"prediction", "probabilities"})
WITH_SAMPLES = WITH_SCORES | {"samples"}
IN_WORDS = {"samples": "several answers to a case"}
WITH_MASKS = frozenset({"predicted-masks"})


@dataclass(frozen=True)
class Row:
    state: str
    question: str
    answer: str


def rows(version: ModelVersion) -> list[Row]:
    """For a version whose file was read; each row says only what the card holds."""
    card, manifest = version.card, version.manifest
    return [
        _safe(version),
        *_trial(card.get("smoke")),
        Row("info", "Scores", _scores(manifest["output"])),
        Row("pass", "Intended use", "stated by its author")
        if manifest.get("intended_use")
        else Row("caution", "Intended use", "not stated: who may rely on it for what stays open"),
        _sampling(version),
        *_gradients(card),
    ]


def _gradients(card: dict[str, Any]) -> list[Row]:
    """Nothing of a card that was written before this was asked."""
    if "gradients" not in card:
        return []
    if card["gradients"]:
        return [Row("info", "Gradients", "the network can be differentiated and looked into")]
    reasons = card["not_taken_over"]
    more = f" (and {len(reasons) - 3} more)" if len(reasons) > 3 else ""
    answer = f"run as a black box: {' '.join(reasons[:3])}{more}"
    return [Row("not assessed", "Gradients", answer)]


def _sampling(version: ModelVersion) -> Row:
    reason = why_no_samples(version.manifest, version.card)
    if reason:
        return Row("not assessed", "Several answers to a case", reason)
    members = version.card.get("members")
    if members:
        return Row("info", "Several answers to a case", f"an ensemble of {len(members)}")
    return Row("info", "Several answers to a case", "its dropout was switched on, and works")


def _safe(version: ModelVersion) -> Row:
    # Of an ensemble, the stored weights are the list of its members.
    stored = version.weights.size_bytes if version.weights else 0
    size = numbers.size(version.card.get("size_bytes", stored)) if version.weights else ""
    members = version.card.get("members")
    kind = f"Ensemble of {len(members)}" if members else version.format.upper()
    facts = f"{kind}, no custom operators, no external data, no code"
    return Row("pass", "Safe to open", f"{facts}; {size}" if size else facts)


def _trial(smoke: dict[str, Any] | None) -> list[Row]:
    if not smoke:
        return [Row("not assessed", "Trial run", "no trial run was recorded")]
    cases = smoke["cases"]
    speed = numbers.duration(smoke["seconds_per_case"])
    return [
        Row("pass", "Shapes as declared", f"{cases} cases of noise went through, {speed} a case"),
        Row("pass", "Deterministic", f"two runs, {cases} cases: identical to the last bit")
        if smoke["deterministic"]
        else Row("caution", "Deterministic", "two runs on the same cases gave different numbers"),
        Row("pass", "Finite outputs", "every number was finite")
        if smoke["finite"]
        else Row("fail", "Finite outputs", "some outputs were no numbers"),
    ]


def _scores(output: dict[str, Any]) -> str:
    activation = output.get("activation")
    kind = f"declared {output['kind']}" + (f" ({activation})" if activation else "")
    return f"{kind}; the finding is {' or '.join(output['positive'])}"


def verdict(version: ModelVersion) -> str:
    """One sentence above the rows."""
    cautions = sum(row.state in ("caution", "fail") for row in rows(version))
    if not cautions:
        return "Accepted. It holds nothing but tensors, and its trial run went through."
    open_points = "One point is" if cautions == 1 else f"{cautions} points are"
    return f"Accepted. It holds nothing but tensors. {open_points} open."


def needs_met(subject: ModelVersion | Predictions) -> frozenset[str]:
    """What a subject brings for checks by itself."""
    if isinstance(subject, ModelVersion):
        read = bool(subject.manifest)
        sampled = read and not why_no_samples(subject.manifest, subject.card)
        return WITH_SAMPLES if sampled else WITH_SCORES
    if subject.meta["kind"] == "masks":
        return WITH_MASKS
    return WITH_SAMPLES if subject.meta.get("several") else WITH_SCORES


def auditable(needs_met: frozenset[str]) -> list[Row]:
    """The checks of this installation, and what the cohort must bring for each.

    Checks of masks are named for masks only, and those of scores for scores.
    """
    task = "segmentation" if WITH_MASKS & needs_met else "classification"
    found = []
    for check in all_checks():
        if check.task not in ("", task):
            continue
        missing = [need for need in check.needs if need not in needs_met]
        brings = [FROM_COHORT[need] for need in missing if need in FROM_COHORT]
        if len(brings) < len(missing):
            lacking = [need for need in missing if need not in FROM_COHORT]
            answer = "needs " + " and ".join(IN_WORDS.get(need, need) for need in lacking)
            found.append(Row("not assessed", check.title, answer))
        elif brings:
            found.append(Row("info", check.title, f"with a cohort that has {' and '.join(brings)}"))
        else:
            found.append(Row("pass", check.title, "with any cohort"))
    return found
