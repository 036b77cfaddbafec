"""What to do with a case, by which kind of its uncertainty is high: one finding for each group."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ml.checks import words
from ml.checks.registry import Finding, State
from ml.checks.sampled import (
    BOTH,
    EXPERT,
    GROUPS,
    HIGH_WHEN_RIGHT,
    PARTS,
    REACQUIRE,
    TRUST,
    Sampled,
)
from ml.estimate import Estimate, undefined
from ml.evidence.tables import Evidence, IntArray
from ml.stats.bootstrap import Settings
from ml.stats.proportion import proportion

# What a group is, after "In 12 of 120 cases ", and what to do.
_CLAIMS: Mapping[str, str] = {
    TRUST: "neither kind of its uncertainty is high",
    EXPERT: "its answers contradict each other (epistemic), as where it has seen too little alike",
    REACQUIRE: "every answer is unsure (aleatoric): the image itself leaves it open",
    BOTH: "both kinds of its uncertainty are high",
}
_ACTIONS: Mapping[str, str] = {
    TRUST: "Look at the listed cases: no uncertainty warns of them.",
    EXPERT: "Have an expert read these cases before the answer is used.",
    REACQUIRE: "Look at the quality of these images and repeat the acquisition where it is poor; "
    "another opinion of the same image may be no surer.",
    BOTH: "Have an expert read these cases, and repeat poor images first.",
}


def groups_findings(
    check: str, evidence: Evidence, sampled: Sampled, estimates: Sequence[Estimate]
) -> Iterator[Finding]:
    """A finding for each group that has a case, with the cases behind it.

    Of the group that may be trusted only the cases called wrongly are listed, where labels tell.
    """
    rates = {one.id: one for one in estimates}
    for name in GROUPS:
        rows = sampled.of_group(name)
        if not rows.size:
            continue
        rate = rates[f"error_rate:{name}"]
        listed = _listed(name, rows, sampled)
        claim = f"In {words.count(rows.size)} of {words.cases(sampled.rows.size)} {_CLAIMS[name]}"
        if rate.value is not None:
            claim += f"; {words.per_cent(rate.value)} of them are called wrongly"
        yield Finding(
            f"{check}.{name}",
            State.INFO,
            f"{claim}.",
            why=_why(name, sampled, rates, listed),
            measure=rate.id,
            cases=sampled.ids(evidence, listed),
            action=_ACTIONS[name],
        )


def _listed(name: str, rows: IntArray, sampled: Sampled) -> IntArray:
    """The cases of a finding, those of most uncertainty first."""
    if name == TRUST and sampled.known.any():
        rows = rows[sampled.wrong[rows] == 1]
    return rows[np.argsort(-sampled.bits["total"][rows], kind="stable")]


def high_when_right(sampled: Sampled, settings: Settings) -> list[Estimate]:
    """How many right answers of the other patients lie above the limits, for each kind."""
    rows = np.flatnonzero(~sampled.setting & sampled.right)
    names = [f"high_when_right:{kind}" for kind in PARTS]
    if not sampled.set_by_right:
        return [undefined(name, _no_limit(sampled), n=rows.size) for name in names]
    return [
        proportion(
            name, sampled.bits[kind][rows] > sampled.high[kind], sampled.clusters.where(rows),
            level=settings.level, of_what="right answers of the patients who set no limit",
            convention="share of right answers above the limit, of the half of patients that did "
            f"not set it; it is set for at most {words.per_cent(HIGH_WHEN_RIGHT)}, "
            "and taken as fixed",
        )
        for name, kind in zip(names, PARTS, strict=True)
    ]  # fmt: skip


def _no_limit(sampled: Sampled) -> str:
    if not sampled.known.any():
        return "Not estimated: no case has a label, so no answer is known to be right."
    clusters = sampled.clusters.where(np.flatnonzero(sampled.setting & sampled.right))
    few = round(1 / HIGH_WHEN_RIGHT) - 1
    return (
        f"Not estimated: {clusters.words} with a right answer are too few to set a limit that at "
        f"most {words.per_cent(HIGH_WHEN_RIGHT)} of right answers pass; at least {few} are needed."
    )


def high_words(sampled: Sampled, estimates: Mapping[str, Estimate]) -> str:
    """What is called high in this cohort, and how that limit held; sentences."""
    limits = " and ".join(
        f"{words.decimal(sampled.high[kind])} bits {kind}" for kind in ("epistemic", "aleatoric")
    )
    if not sampled.set_by_right:
        return (
            f"High is what lies above the third quartile of this cohort: {limits}. Right answers "
            "are too few to set a limit."
            if sampled.known.any()
            else f"High is what lies above the third quartile of this cohort: {limits}. Without "
            "labels no limit can be set."
        )
    held = " and ".join(
        f"{words.measured(one)}{words.of_counts(one)} ({kind})"
        for kind in ("epistemic", "aleatoric")
        if (one := estimates[f"high_when_right:{kind}"]).value is not None
    )
    said = (
        f"High is what lies above {limits}: limits set on half of the patients, for at most "
        f"{words.per_cent(HIGH_WHEN_RIGHT)} of right answers."
    )
    return f"{said} Of right answers of the other half {held} lie above." if held else said


def _why(name: str, sampled: Sampled, rates: Mapping[str, Estimate], listed: IntArray) -> str:
    rate = rates[f"error_rate:{name}"]
    sentences = [high_words(sampled, rates)]
    if rate.value is not None:
        sentences.append(f"Called wrongly: {words.measured(rate)}{words.of_counts(rate)}.")
    if name == TRUST and sampled.known.any():
        sentences.append(f"Listed: {words.cases(listed.size)} called wrongly all the same.")
    return " ".join(sentences)
