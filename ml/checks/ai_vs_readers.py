"""Is the model one more reader, or worse (or better) than one?"""

from dataclasses import replace

import numpy as np

from ml.checks import words
from ml.checks.answers import AnswerTable, answer_tables
from ml.checks.judge import Wording, findings_of, judge, result_of
from ml.checks.reader_model import first_answered
from ml.checks.registry import CheckResult, State, audit_check, not_assessed
from ml.checks.scored import clusters_at, in_clusters, settings_of
from ml.estimate import Estimate, JsonObject, JsonValue, rounded
from ml.evidence.tables import Evidence
from ml.protocol import Protocol
from ml.stats.agreement.alternative_annotator import AltTest, alt_test
from ml.stats.agreement.interchangeability import (
    Interchangeability,
    agreement_ceiling,
    interchangeability,
)
from ml.stats.agreement.leave_one_reader_out import LeaveOneReaderOut, leave_one_out_categories
from ml.stats.agreement.pair_scores import category_scores
from ml.stats.clusters import Clusters

ID = "ai-vs-readers"
QUESTION = "Is the model one more reader, or worse (or better) than one?"
_BINS = 10  # of agreement on a case
EPSILON = 0.2  # Calderon et al. (2025): the advantage granted against experts


@audit_check(
    ID,
    title="Model as a reader",
    question=QUESTION,
    needs=("readings", "prediction"),
    task="classification",
)
def ai_vs_readers(evidence: Evidence, protocol: Protocol) -> CheckResult:
    assert evidence.readings is not None
    exchangeable = evidence.readings.exchangeable
    tables = answer_tables(evidence.readings, len(evidence.case_ids))
    usable = [table for table in tables if (table.per_case >= 2).any()]
    if not usable:
        return not_assessed(
            QUESTION,
            "No case was answered by two readers. Add a second reading of the same cases.",
        )
    found = first_answered(evidence, protocol, usable)
    if isinstance(found, str):
        return not_assessed(
            QUESTION,
            f"The model has no answer to compare: {found}. Ask the readers a question with the "
            "values present and absent.",
        )
    table, answers = found
    assert answers.codes is not None
    settings = settings_of(protocol)
    clusters = clusters_at(evidence, np.arange(len(evidence.case_ids)))
    size, ordered = len(table.question.values), table.question.scale == "ordinal"
    scores = category_scores(table.codes, answers.codes, size)
    beside = interchangeability(scores, None, clusters, settings)
    if beside.rows.size == 0:
        return not_assessed(QUESTION, "No case was answered by two readers and by the model.")
    others = leave_one_out_categories(
        table.codes, answers.codes, size, "kappa", "quadratic" if ordered else "identity",
        clusters, settings, exchangeable=exchangeable,
    )  # fmt: skip
    replaced = alt_test(
        scores, EPSILON, clusters=clusters, settings=settings, exchangeable=exchangeable
    )
    asked = f"question “{table.question.id}”, {answers.how}"
    estimates = [
        replace(estimate, convention=f"{asked}; {estimate.convention}")
        for estimate in (
            *_estimates(beside, others, replaced, table),
            agreement_ceiling(scores, clusters, settings).beside,
        )
    ]
    wordings = {
        "interchangeability": _disagreement(evidence, table, beside, clusters),
        "loo_kappa:difference": _kappa(others),
    }
    if replaced.winning_rate.value is not None:
        wordings["alt_winning_rate"] = _replaced(replaced)
    return result_of(
        QUESTION,
        estimates,
        findings_of(ID, estimates, protocol, wordings),
        [
            _against_others(table, others, asked),
            _added(table, beside, protocol),
            _case_by_case(table, beside),
        ],
    )


def _estimates(
    beside: Interchangeability, others: LeaveOneReaderOut, replaced: AltTest, table: AnswerTable
) -> list[Estimate]:
    """Every measure, the one with the limit first."""
    return [
        beside.difference,
        beside.reader_reader,
        beside.model_reader,
        beside.coefficient,
        others.difference.renamed("loo_kappa:difference"),
        others.model.renamed("loo_kappa:model"),
        others.reader.renamed("loo_kappa:readers"),
        *(
            estimate.renamed(f"loo_kappa:{name}")
            for one in others.per_reader
            for name, estimate in (
                (table.readers[one.column], one.reader),
                (f"model-beside-{table.readers[one.column]}", one.model),
            )
        ),
        replaced.winning_rate,
        replaced.advantage,
    ]


def _disagreement(
    evidence: Evidence, table: AnswerTable, beside: Interchangeability, clusters: Clusters
) -> Wording:
    gap = beside.human - beside.model
    further = beside.rows[gap > 0][np.argsort(-gap[gap > 0], kind="stable")]
    value = beside.difference.value or 0.0
    among, model = beside.reader_reader.value or 0.0, beside.model_reader.value or 0.0
    does = "adds" if value >= 0 else "takes away"
    used = f"{words.cases(beside.rows.size)}{in_clusters(clusters.where(beside.rows))}"
    return Wording(
        f"In the place of a reader the model {does} {words.points(abs(value))} of disagreement "
        f"on {table.question.id}.",
        why=(
            f"Two readers give the same answer in {words.per_cent(among)} of pairs, the model "
            f"and a reader in {words.per_cent(model)}, on {used}."
        ),
        cases=tuple(evidence.case_ids[row] for row in further),
        action="Look at the cases where the readers agree and the model does not.",
    )


def _kappa(others: LeaveOneReaderOut) -> Wording:
    model, reader, difference = others.model, others.reader, others.difference
    if model.value is None or reader.value is None:
        return Wording("")
    low, high = difference.low, difference.high
    claim = "The model agrees with the other readers about as well as a reader does"
    if low is None or high is None:
        claim = "The model and a reader are compared with the other readers"
    elif low > 0:
        claim = "The model agrees with the other readers better than a reader does"
    elif high < 0:
        claim = "The model agrees with the other readers worse than a reader does"
    return Wording(
        f"{claim}: kappa {words.decimal(model.value)} against {words.decimal(reader.value)}.",
        why="Each reader is left out in turn; the majority of the others is the yardstick.",
    )


def _replaced(replaced: AltTest) -> Wording:
    won = int(sum(reader.won for reader in replaced.readers))
    tested = sum(reader.p is not None for reader in replaced.readers)
    return Wording(
        f"The model can take the place of {won} of {tested} readers, allowed to be behind in "
        f"{EPSILON:.0%} of cases.".replace("%", " %"),
        why="Alternative annotator test; half of the readers or more is a pass.",
    )


def _against_others(table: AnswerTable, others: LeaveOneReaderOut, asked: str) -> JsonObject:
    """Every reader, the mean of readers, and the model, on one axis."""
    named = [
        (table.readers[one.column], one.reader.renamed(f"loo_kappa:{table.readers[one.column]}"))
        for one in others.per_reader
    ]
    named += [
        ("Mean of readers" if named else "Readers", others.reader.renamed("loo_kappa:readers")),
        ("Model", others.model.renamed("loo_kappa:model")),
    ]
    title = "No kappa with the other readers could be estimated"
    if others.model.value is not None and others.reader.value is not None:
        title = (
            f"Kappa with the other readers: model {words.decimal(others.model.value)}, "
            f"readers {words.decimal(others.reader.value)}"
        )
    return _forest(title, f"Majority of the other readers as the yardstick; {asked}", named)


def _added(table: AnswerTable, beside: Interchangeability, protocol: Protocol) -> JsonObject:
    """The disagreement that the model adds, against its limit."""
    limit = protocol.limit(ID, "interchangeability")
    value = beside.difference.value
    title = "Disagreement added by the model could not be estimated"
    if value is not None:
        title = f"The model changes disagreement by {words.points(value)}"
    series = _forest(
        title,
        f"Model with a reader less two readers, on {table.question.id}; "
        f"{beside.difference.method or 'no interval'}",
        [("Model in a reader’s place", beside.difference)],
    )
    if limit is not None:
        rows = series["rows"]
        assert isinstance(rows, list)
        assert isinstance(rows[0], dict)
        rows[0]["state"] = judge(beside.difference, limit).value
        series["limit"] = limit.to_json()
    return series


def _case_by_case(table: AnswerTable, beside: Interchangeability) -> JsonObject:
    """How often readers agree on each case, and the model with them: the ceiling beside it."""
    edges = [place / _BINS for place in range(_BINS + 1)]
    # Shares of a few pairs fall on edges: rounding must not move them across.
    counts = [
        np.bincount(
            np.minimum((values * _BINS + 1e-9).astype(np.int64), _BINS - 1), minlength=_BINS
        )
        for values in (beside.human, beside.model)
    ]
    among, model = float(beside.human.mean()), float(beside.model.mean())
    return {
        "kind": "reader-ceiling",
        "check": ID,
        "title": (
            f"Two readers agree in {words.per_cent(among)} of pairs, the model and a reader in "
            f"{words.per_cent(model)}"
        ),
        "subtitle": (
            f"Share of equal answers on {table.question.id}, case by case; "
            f"{words.cases(beside.rows.size)} of two readers and the model"
        ),
        "edges": list(edges),
        "readers": [int(n) for n in counts[0]],
        "model": [int(n) for n in counts[1]],
        "readers_mean": rounded(among),
        "model_mean": rounded(model),
    }


def _forest(title: str, subtitle: str, named: list[tuple[str, Estimate]]) -> JsonObject:
    rows: list[JsonValue] = [
        {
            "label": label,
            "estimate": estimate.to_json(),
            "state": (State.INFO if estimate.value is not None else State.NOT_ASSESSED).value,
        }
        for label, estimate in named
    ]
    return {
        "kind": "forest", "check": ID, "title": title, "subtitle": subtitle, "unit": "",
        "rows": rows, "limit": None,
    }  # fmt: skip
