"""Cases whose images a check could not look at, as a finding."""

import numpy as np

from ml.checks import words
from ml.checks.registry import Finding, State
from ml.evidence.tables import Evidence


def unread_finding(check: str, evidence: Evidence, become: str) -> list[Finding]:
    """Cases whose images could not be measured; [] where there are none.

    Args:
        become: what a check does with them, "are left out".
    """
    described = evidence.described
    assert described is not None
    lost = tuple(evidence.case_ids[row] for row in np.flatnonzero(~described.known))
    if not lost:
        return []
    codes = sorted({described.failures.get(one, "unknown") for one in lost})
    return [
        Finding(
            f"{check}.unread-images",
            State.CAUTION,
            f"The images of {words.cases(len(lost))} could not be measured.",
            why=f"They {become}. Error codes: {', '.join(codes)}.",
            cases=lost,
            action="Open these cases and see what is wrong with their files.",
        )
    ]
