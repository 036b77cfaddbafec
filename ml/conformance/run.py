"""Every expected value against our answer."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ml.conformance.answer import NotOffered
from ml.conformance.areas import ANSWERS
from ml.conformance.cases import Case, Expected
from ml.conformance.compare import plain, same

REPRODUCED, DIFFERS, NOT_OFFERED = "reproduced", "differs", "not offered"


@dataclass(frozen=True)
class Verdict:
    """What became of one expected value."""

    case: str
    metric: str
    params: dict[str, Any]
    state: str  # one of the three above
    expected: Any
    answer: Any
    note: str = ""

    def json(self) -> dict[str, Any]:
        return asdict(self)


def verdicts(cases: Iterable[Case]) -> Iterator[Verdict]:
    """One verdict per expected value, in the order of the files."""
    for case in cases:
        for expected in case.expected:
            yield verdict(case, expected)


def verdict(case: Case, expected: Expected) -> Verdict:
    """Recompute one value; an exception is a difference, not an end."""

    def with_state(state: str, answer: Any = None, note: str = "") -> Verdict:
        return Verdict(
            case.id, expected.metric, dict(expected.params), state, expected.value, answer, note
        )

    answer_of = ANSWERS.get(case.area, {}).get(expected.metric)
    if answer_of is None:
        return with_state(NOT_OFFERED)
    try:
        answer = plain(answer_of(case, expected.params))
    except NotOffered as error:
        return with_state(NOT_OFFERED, note=str(error))
    except Exception as error:
        return with_state(DIFFERS, note=f"{type(error).__name__}: {error}")
    if expected.known_wrong is not None and same(answer, expected.known_wrong, expected.tol):
        return with_state(DIFFERS, answer, "this is the value known to be wrong")
    agrees = same(answer, expected.value, expected.tol)
    return with_state(REPRODUCED if agrees else DIFFERS, answer)
