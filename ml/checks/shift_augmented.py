"""Test-time augmentation: the uncertainty that answers to moved copies of one picture show.

A kind of its own: nothing of the network is drawn, as dropout is, and no other network is asked, as
members are. No forward is run for it: the pass over moved copies has the answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ml.checks import words
from ml.checks.answered import pairs
from ml.checks.judge import Wording
from ml.checks.shift_measures import ID
from ml.checks.shifted import SMALL, Shifted
from ml.estimate import Estimate, JsonObject, JsonValue, undefined
from ml.evidence.tables import Evidence, FloatArray, IntArray
from ml.stats.bootstrap import Settings
from ml.stats.means import case_mean
from ml.stats.uncertainty.decomposition import entropy_parts
from ml.stats.uncertainty.selective import failure_auroc

AUGMENTED, SPREAD = "augmentation", "augmentation_spread"
_MIRROR = "mirror-"  # before the way of one; there where the protocol declares it legal
_DIGITS = 12  # answers that are equal differ by rounding alone, which must not rank cases
_NO_LABELS = "Not estimated: no case has a label, so no answer is known to be wrong."
_LABELS = {
    AUGMENTED: "test-time augmentation, entropy of the mean",
    SPREAD: "test-time augmentation, spread of answers",
    "score": "its score alone",
}
_OF_SAMPLES = {"members": "members", "dropout": "MC dropout", "samples": "samples, as handed in"}


@dataclass(frozen=True)
class Augmented:
    """Cases of which the picture and every copy that counts was answered; n of them.

    Attributes:
        bits: by kind (n,), of "finding present or not": that of augmentation, of the score alone,
            and total and epistemic of dropout or members where there are samples of these cases.
        wrong: (n,) 1 wrong at the operating point, 0 right, -1 no label.
        rows: (n,) of the evidence.
        copies: that count, of each case.
        sampled: what the samples are, in words; "" without any.
    """

    bits: Mapping[str, FloatArray]
    wrong: IntArray
    rows: IntArray
    chosen: IntArray  # (n,) places among the cases that were moved
    copies: int
    sampled: str


def augmented_cases(evidence: Evidence, shifted: Shifted) -> Augmented:
    """The image as it is, its small moves, and mirrors that the protocol declares legal.

    Where samples are there, of the cases alone that have them: kinds are compared on one set.
    """
    copies = [
        copy.score
        for (move, step), copy in shifted.copies.items()
        if move.startswith(_MIRROR) or shifted.moves[move].values[step - 1] <= SMALL.get(move, 0.0)
    ]
    scores = np.stack([shifted.score, *copies])  # (1 + copies, m)
    known = np.isfinite(scores).all(axis=0)
    samples = evidence.samples
    drawn = None if samples is None else samples.score[:, shifted.rows]
    if drawn is not None and (known & np.isfinite(drawn).all(axis=0)).any():
        known &= np.isfinite(drawn).all(axis=0)
    else:
        drawn = None
    chosen = np.flatnonzero(known)
    bits = {}
    if chosen.size:
        whole = entropy_parts(pairs(scores[:, chosen].clip(0, 1)), unit="bits")
        alone = entropy_parts(pairs(scores[:1, chosen].clip(0, 1)), unit="bits")
        bits = {AUGMENTED: whole.total, SPREAD: whole.epistemic, "score": alone.total}
        if drawn is not None:
            parts = entropy_parts(pairs(drawn[:, chosen].clip(0, 1)), unit="bits")
            bits |= {"total": parts.total, "epistemic": parts.epistemic}
    rows = shifted.rows[chosen]
    wrong = np.full(chosen.size, -1)
    if evidence.present is not None:
        present = evidence.present[rows]
        called = scores[0, chosen] >= shifted.point.threshold
        wrong = np.where(present < 0, -1, called != (present == 1))
    return Augmented(
        bits={name: of.round(_DIGITS) for name, of in bits.items()},
        wrong=wrong.astype(np.int64),
        rows=rows,
        chosen=chosen,
        copies=len(copies),
        sampled="" if samples is None or drawn is None else _OF_SAMPLES[samples.kind],
    )


def estimates_of(
    augmented: Augmented, shifted: Shifted, settings: Settings
) -> dict[str, Estimate]:  # fmt: skip
    """By id: how each kind tells wrong answers, on the same cases, and how large augmentation's is.

    Nothing where no case has all answers.
    """
    if not augmented.chosen.size:
        return {}
    labelled = np.flatnonzero(augmented.wrong >= 0)
    of_all = shifted.clusters.where(augmented.chosen)
    clusters = shifted.clusters.where(augmented.chosen[labelled])
    found = []
    for kind, doubt in augmented.bits.items():
        name = f"auroc_failure:{kind}"
        if not labelled.size:
            found.append(undefined(name, _NO_LABELS))
            continue
        told = failure_auroc(-doubt[labelled], augmented.wrong[labelled], clusters, settings)
        found.append(told.renamed(name, convention=_convention(kind, augmented)))
    found += [
        case_mean(
            f"mean_uncertainty:{kind}", augmented.bits[kind], of_all, settings,
            convention=_convention(kind, augmented),
        ).in_unit("bits")
        for kind in (AUGMENTED, SPREAD)
    ]  # fmt: skip
    return {one.id: one for one in found}


def _convention(kind: str, augmented: Augmented) -> str:
    over = f"the image as it is and {words.count(augmented.copies)} moved copies"
    return {
        AUGMENTED: f"test-time augmentation: entropy of the mean answer to {over}",
        SPREAD: f"test-time augmentation: mutual information of the answers to {over}",
        "score": "entropy of the score of the image as it is, on the same cases",
    }.get(kind, f"{kind} uncertainty of {augmented.sampled}, on the same cases")


def wording_of(
    evidence: Evidence, augmented: Augmented, estimates: Mapping[str, Estimate]
) -> dict[str, Wording]:
    """Of the AUROC by augmentation, beside the others; {} where it is undefined."""
    found = estimates.get(f"auroc_failure:{AUGMENTED}")
    if found is None or found.value is None:
        return {}
    others = "; ".join(
        f"{_label(kind, augmented)} {words.measured(estimates[f'auroc_failure:{kind}'])}"
        for kind in augmented.bits
        if kind != AUGMENTED
    )
    doubt = augmented.bits[AUGMENTED]
    sure = np.flatnonzero((augmented.wrong == 1) & (doubt <= np.median(doubt)))
    wrong = int((augmented.wrong == 1).sum())
    return {
        found.id: Wording(
            "Test-time augmentation (answers to the picture and its small moves) tells wrong "
            f"answers from right ones with an AUROC of {words.decimal(found.value)} (0.5 is "
            "chance).",
            why=f"{words.cases(found.n)}, {words.count(wrong)} wrong; "
            f"{words.count(augmented.copies)} moved copies of each. On the same cases: {others}. "
            f"Listed: {words.cases(sure.size)} answered wrongly of which it was surer than of half "
            "of these cases.",
            cases=tuple(evidence.case_ids[row] for row in augmented.rows[sure]),
        )
    }


def augmented_series(
    augmented: Augmented, estimates: Mapping[str, Estimate]
) -> list[JsonObject]:  # fmt: skip
    """AUROC of wrong answers by every kind; [] where it is undefined."""
    kinds = [
        one for one in augmented.bits if estimates[f"auroc_failure:{one}"].value is not None
    ]  # fmt: skip
    if not kinds:
        return []
    best = max(kinds, key=lambda kind: estimates[f"auroc_failure:{kind}"].value or 0.0)
    value = estimates[f"auroc_failure:{best}"].value or 0.0
    rows: list[JsonValue] = [
        {
            "label": _label(kind, augmented),
            "estimate": estimates[f"auroc_failure:{kind}"].to_json(),
            "state": "info",
        }
        for kind in kinds
    ]
    return [
        {
            "kind": "forest",
            "check": ID,
            "title": f"Wrong answers are told best by {_label(best, augmented)}, with an AUROC of "
            f"{words.decimal(value)}",
            "subtitle": "AUROC of wrong answers by kind of uncertainty, on the same cases; 0.5 is "
            "chance",
            "unit": "",
            "rows": rows,
            "limit": None,
        }
    ]


def _label(kind: str, augmented: Augmented) -> str:
    return _LABELS.get(kind, f"{kind} uncertainty of {augmented.sampled}")
