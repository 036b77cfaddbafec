"""All published reference values, where their folder lies beside this repository."""

import pytest

from ml.conformance.cases import read_cases
from ml.conformance.run import REPRODUCED, verdicts
from tests.ml.stats.conftest import REFDATA

VALUES = 1521


@pytest.fixture(scope="module")
def judged():
    if not REFDATA.exists():
        pytest.skip(f"reference data is not beside this repository: {REFDATA}")
    return list(verdicts(read_cases([REFDATA])))


def test_every_reference_value_is_reproduced(judged):
    others = [verdict for verdict in judged if verdict.state != REPRODUCED]

    assert [(v.case, v.metric, v.params, v.expected, v.answer, v.note) for v in others] == []
    assert len(judged) == VALUES


def test_a_changed_reference_value_is_noticed(judged):
    """The comparison bites: no reproduced number survives being moved by ten tolerances."""
    from ml.conformance.compare import same

    numbers = [v for v in judged if isinstance(v.expected, float) and v.expected]
    assert len(numbers) > 500
    for verdict in numbers:
        assert not same(verdict.answer, verdict.expected * 1.01 + 0.01, 1e-6)
