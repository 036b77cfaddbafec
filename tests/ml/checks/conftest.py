"""Evidence for checks: say only what a test cares about."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ml.checks.agreement import agreement
from ml.checks.registry import CheckResult
from ml.evidence.tables import Evidence, Prediction, Question, Readings, Samples
from ml.protocol import Protocol


@pytest.fixture
def quick() -> Protocol:
    """The default limits with few draws."""
    return Protocol.parse({"draws": 200})


@pytest.fixture
def make_evidence() -> Callable[..., Evidence]:
    def make(
        scores: Any = None,
        present: Any = None,
        *,
        n: int | None = None,
        cluster: Any = None,
        cluster_kind: str = "case",
        failures: dict[str, str] | None = None,
        points: tuple[tuple[str, float], ...] = (),
        readings: Readings | None = None,
        source: str = "model",
        covariates: dict[str, Any] | None = None,
    ) -> Evidence:
        size = n or len(scores if scores is not None else present)
        ids = tuple(f"case-{at:03d}" for at in range(size))
        prediction = None
        if scores is not None:
            scores = np.asarray(scores, dtype=float)
            prediction = Prediction(
                ("absent", "present"), ("present",), "probabilities",
                np.stack([1 - scores, scores], axis=1), scores, failures or {},
                source=source, operating_points=points,
            )  # fmt: skip
        present = None if present is None else np.asarray(present, dtype=np.int64)
        names = {1: "present", 0: "absent", -1: None}
        label = (None,) * size if present is None else tuple(names[int(y)] for y in present)
        cluster = np.arange(size) if cluster is None else np.asarray(cluster)
        return Evidence(
            ids, cluster, cluster_kind, label, present, ("absent", "present"), ("present",),
            {name: tuple(column) for name, column in (covariates or {}).items()},
            prediction=prediction, readings=readings,
        )  # fmt: skip

    return make


@pytest.fixture
def make_sampled(make_evidence: Callable[..., Evidence]) -> Callable[..., Evidence]:
    """Evidence whose prediction is the mean of samples (t, n), unless a score is given."""

    def made(
        samples: Any, present: Any = None, *, score: Any = None, kind: Any = "dropout",
        failures: dict[str, str] | None = None, **more: Any,
    ) -> Evidence:  # fmt: skip
        samples = np.asarray(samples, dtype=float)
        with np.errstate(all="ignore"):
            score = samples.mean(axis=0) if score is None else score
        evidence = make_evidence(score, present, **more)
        return replace(
            evidence,
            samples=Samples(
                kind, ("absent", "present"), np.stack([1 - samples, samples], axis=2), samples,
                failures or {},
            ),
        )  # fmt: skip

    return made


@pytest.fixture
def make_readings() -> Callable[..., Readings]:
    def make(
        answers: dict[str, list[list[str | None]]],
        scales: dict[str, Question],
        *,
        exchangeable: bool = False,
    ) -> Readings:
        """Answers by question: one list per case, one answer per reader, None where missing."""
        rows = [
            (case, f"R{reader + 1}", question, value)
            for question, table in answers.items()
            for case, given in enumerate(table)
            for reader, value in enumerate(given)
            if value is not None
        ]
        numbers = [float(value) if value.lstrip("-").isdigit() else np.nan for *_, value in rows]
        return Readings(
            np.array([row[0] for row in rows], dtype=np.int64),
            [row[1] for row in rows],
            [row[2] for row in rows],
            [row[3] for row in rows],
            np.array(numbers),
            scales,
            exchangeable,
        )

    return make


@pytest.fixture
def ask_readers(
    make_evidence: Callable[..., Evidence], make_readings: Callable[..., Readings], quick: Protocol
) -> Callable[..., CheckResult]:
    """The check of agreement on answers by question, one list per case as `make_readings` has."""

    def ask(
        answers: dict[str, list[list[str | None]]],
        scales: dict[str, Question],
        *,
        protocol: Protocol = quick,
        exchangeable: bool = False,
        **more: Any,
    ) -> CheckResult:
        n = len(next(iter(answers.values())))
        readings = make_readings(answers, scales, exchangeable=exchangeable)
        return agreement.run(make_evidence(n=n, readings=readings, **more), protocol)

    return ask
