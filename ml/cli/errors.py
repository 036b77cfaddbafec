"""How a command ends other than well."""

from ml.intake.refusal import Refused
from ml.sandbox.messages import Outcome

DONE = 0
LIMIT_FAILED = 1
REFUSED = 2
BROKEN = 3


class Stop(Exception):
    """The command ends here, with a sentence for stderr."""

    def __init__(self, message: str, code: int = BROKEN) -> None:
        super().__init__(message)
        self.code = code


def checked(outcome: Outcome, what: str) -> Outcome:
    """The outcome of a job that ended well.

    Raises:
        Refused: with the job's reasons.
        Stop: if it ended in any other way, with its last lines.
    """
    if outcome.state == "done":
        return outcome
    if outcome.state == "refused":
        raise Refused(outcome.refusals, outcome.scan or None)
    lines = "\n".join(f"  {line}" for line in outcome.log[-10:])
    raise Stop(f"{what}: {outcome.reason}\n{lines}".rstrip())
