"""What to do with a case, by which kind of its uncertainty is high: one finding for each group."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ml.checks import words
from ml.checks.registry import Finding, State
from ml.checks.sampled import BOTH, EXPERT, GROUPS, REACQUIRE, TRUST, Sampled
from ml.estimate import Estimate
from ml.evidence.tables import Evidence, IntArray

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
            why=_why(name, sampled, rate, listed),
            measure=rate.id,
            cases=sampled.ids(evidence, listed),
            action=_ACTIONS[name],
        )


def _listed(name: str, rows: IntArray, sampled: Sampled) -> IntArray:
    """The cases of a finding, those of most uncertainty first."""
    if name == TRUST and sampled.known.any():
        rows = rows[sampled.wrong[rows] == 1]
    return rows[np.argsort(-sampled.bits["total"][rows], kind="stable")]


def _why(name: str, sampled: Sampled, rate: Estimate, listed: IntArray) -> str:
    limits = sampled.high
    sentences = [
        (
            "High is what lies above the third quartile of this cohort: "
            f"{words.decimal(limits['epistemic'])} bits epistemic, "
            f"{words.decimal(limits['aleatoric'])} bits aleatoric."
        )
    ]
    if rate.value is not None:
        sentences.append(f"Called wrongly: {words.measured(rate)}{words.of_counts(rate)}.")
    if name == TRUST and sampled.known.any():
        sentences.append(f"Listed: {words.cases(listed.size)} called wrongly all the same.")
    return " ".join(sentences)
