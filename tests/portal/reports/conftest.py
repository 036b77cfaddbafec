"""Sealed reports of made-up scores, through the same assembly, checks and sealing as real ones."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from django.test import Client

WRONG_TEST = "c1"  # labelled tumour, scored 0.02
NO_SCORE = "c5"  # labelled tumour, the model failed
FALSE_ALARM = "c4"  # labelled none, scored 0.9
BROKEN, TOO_MUCH = "dicom-inverted", 3  # of a stressed report, and from which severity


def made_up_scores(n: int) -> dict[str, float | None]:
    """Mostly right; one miss, one false alarm, one failure."""
    scores: dict[str, float | None] = {
        f"c{k}": round((0.6 if k % 2 else 0.1) + 0.3 * (k % 7) / 7, 3) for k in range(n)
    }
    return scores | {WRONG_TEST: 0.02, FALSE_ALARM: 0.9, NO_SCORE: None}


_results: dict[tuple[int, bool, bool], Any] = {}  # checks of the same cases say the same


def corrupted(scores: dict[str, float | None]) -> Any:
    """Answers to copies: of an inverted picture all are wrong from severity 3 on, else as it is."""
    from ml.corruptions import pack
    from ml.evidence.passes import CaseOutputs, Distortion

    known = [*pack("generic"), *pack("dicom-path")]
    clean = np.array([np.nan if p is None else p for p in scores.values()])
    keys = [(name, severity) for name in (one.id for one in known) for severity in range(1, 6)]
    columns = [1 - clean if name == BROKEN and at >= TOO_MUCH else clean for name, at in keys]
    score = np.stack(columns, axis=1)
    outputs = np.stack([score, 1 - score], axis=2)
    return CaseOutputs(
        {"corruption": tuple(name for name, _ in keys), "severity": tuple(at for _, at in keys)},
        outputs,
        probabilities=outputs,
        score=score,
        distortions={one.id: Distortion(one.title, one.parameter, one.values) for one in known},
        offered=len(known),
    )


@pytest.fixture
def make_report(
    make_cohort_version: Callable[..., Any], make_audit: Callable[..., Any]
) -> Callable[..., Any]:
    """`covariates`: case id -> columns that replace the fixture's own.

    `stressed`: corrupted copies were run too, and the check of them was asked for.
    """
    from ml.assemble import evidence, run_checks
    from ml.checks import all_checks
    from ml.document import build_audit, headline
    from ml.engine.runtime import engine_block
    from ml.evidence.store import outputs_table
    from ml.protocol import Protocol
    from portal.audits.models import CaseResult
    from portal.audits.planning import move
    from portal.audits.states import AuditState
    from portal.audits.subject import cohort_block, model_block
    from portal.cohorts import catalogue
    from portal.cohorts.models import Case
    from portal.reports import actions, content

    def make(
        team: Any, *, n: int = 24, readings: bool = False, stressed: bool = False, **fields: Any
    ) -> Any:
        cohort = make_cohort_version(team, n=n, readings=readings)
        audit = make_audit(team, cohort=cohort, **fields)
        move(audit, AuditState.WAITING, AuditState.RUNNING)
        audit.refresh_from_db()
        scores = made_up_scores(n)
        rows = [[None, None] if p is None else [p, 1 - p] for p in scores.values()]
        errors = {case_id: "unreadable" for case_id, p in scores.items() if p is None}
        for case in Case.objects.filter(version=cohort):
            p = scores[case.case_id]
            CaseResult.objects.create(
                audit=audit,
                case=case,
                pass_name="predict",
                outputs=[] if p is None else [p, 1 - p],
                error=errors.get(case.case_id, ""),
            )
        listed = catalogue.load(cohort)
        found = evidence(
            listed,
            outputs=outputs_table(list(scores), rows, errors),
            manifest=audit.model_version.manifest,
        )
        rules = Protocol(draws=200, is_default=True, title="Platform default")
        if stressed:
            found = replace(found, corruptions=corrupted(scores))
            rules = replace(rules, checks=(*rules.checks, "stress"))
        if (n, readings, stressed) not in _results:
            _results[n, readings, stressed] = run_checks(found, rules, all_checks())
        document = build_audit(
            model_block(audit),
            cohort_block(cohort),
            rules,
            engine_block(None),
            _results[n, readings, stressed],
        )
        frozen = content.freeze(audit, document, headline(document), scores)
        return actions.seal(audit, document, frozen)

    return make


@pytest.fixture
def team(make_team: Callable[..., Any]) -> Any:
    return make_team("Neuro")


@pytest.fixture
def report(team: Any, make_report: Callable[..., Any]) -> Any:
    return make_report(team)


@pytest.fixture
def as_owner(team: Any, client: Client) -> Client:
    client.force_login(team.owner)
    return client


@pytest.fixture
def as_viewer(team: Any, make_member: Callable[..., Any]) -> Client:
    client = Client()
    client.force_login(make_member(team, "viewer"))
    return client


@pytest.fixture
def as_stranger(make_team: Callable[..., Any]) -> Client:
    client = Client()
    client.force_login(make_team("Other").owner)
    return client


@pytest.fixture
def address(report: Any) -> Callable[..., str]:
    """`address("case", "c1")`: of a page of the report, as its team sees it."""
    from django.urls import reverse

    def of(name: str, *more: Any) -> str:
        return reverse(f"reports:{name}", args=[report.team.slug, report.pk, *more])

    return of


@pytest.fixture
def make_link(report: Any) -> Callable[..., Any]:
    """(link, address of its report page)"""
    from portal.reports import actions

    def make(**fields: Any) -> tuple[Any, str]:
        owner = report.team.memberships.select_related("user").get(role="owner").user
        link, token = actions.share(
            actor=owner, report=report, **({"for_whom": "Notified body"} | fields)
        )
        return link, f"/r/{token}/"

    return make
