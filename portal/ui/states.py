"""The words, icons and colours of a state: always the three together."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """How one state is shown."""

    word: str
    icon: str
    tone: str  # the CSS class: pass, caution, fail, na, info, run, wait


LOOKS: dict[str, Look] = {
    "pass": Look("Pass", "pass", "pass"),
    "caution": Look("Caution", "caution", "caution"),
    "fail": Look("Fail", "fail", "fail"),
    "not assessed": Look("Not assessed", "not-assessed", "na"),
    "info": Look("Info", "info", "info"),
    # work in progress
    "waiting": Look("Waiting", "waiting", "wait"),
    "running": Look("Running", "running", "run"),
    "checking": Look("Checking", "running", "run"),
    "done": Look("Done", "pass", "pass"),
    "reused": Look("Reused", "reused", "pass"),
    "retried": Look("Retried", "retried", "caution"),
    "stopped": Look("Stopped", "stopped", "na"),
    "failed": Look("Failed", "fail", "fail"),
    # what was handed in, and what came of it
    "draft": Look("Draft", "draft", "na"),
    "sealed": Look("Sealed", "lock", "pass"),
    "locked": Look("Locked", "lock", "pass"),
    "accepted": Look("Accepted", "pass", "pass"),
    "refused": Look("Refused", "fail", "fail"),
    "withdrawn": Look("Withdrawn", "not-assessed", "na"),
    "replaced": Look("Replaced", "not-assessed", "na"),
    "active": Look("Active", "link", "run"),
    "ended": Look("Ended", "not-assessed", "na"),
}


def look(state: str) -> Look:
    """The look of a state's value, as stored: "fail", "not assessed", "not_assessed", "Running".

    >>> look("not_assessed").word
    'Not assessed'
    """
    return LOOKS[str(state).lower().replace("_", " ")]
