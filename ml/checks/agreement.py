"""Do the readers agree, does one of them read differently, and does the model agree with them?"""

from dataclasses import replace
from itertools import combinations

import numpy as np

from ml.checks import words
from ml.checks.agreement_series import (
    agreement_matrix,
    alpha_forest,
    deviation_forest,
    rating_distribution,
)
from ml.checks.answers import AnswerTable, answer_tables
from ml.checks.judge import Wording, findings_of, result_of
from ml.checks.reader_deviation import deviations
from ml.checks.reader_deviation_words import (
    furthest_apart,
    limits_by_reader,
    other_findings,
    reader_wordings,
)
from ml.checks.reader_model import ID, Beside, beside_readers, first_answered, with_model
from ml.checks.registry import CheckResult, Finding, State, audit_check, not_assessed
from ml.checks.scored import clusters_at, in_clusters, settings_of
from ml.estimate import Estimate, JsonObject, undefined
from ml.evidence.tables import Evidence
from ml.protocol import Protocol
from ml.stats.agreement.icc import icc_one_way, icc_two_way
from ml.stats.agreement.kappa import PairwiseKappa, kappa_conger, kappa_fleiss, pairwise_kappa
from ml.stats.agreement.krippendorff import alpha
from ml.stats.agreement.reader_bias import MIN_CASES
from ml.stats.arrays import FloatArray
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters

QUESTION = (
    "Do the readers agree, does one of them read differently, and does the model agree with them?"
)
_NO_IDENTITY = (
    "Not estimated: readers are only numbered within a case here, so nothing that belongs to one "
    "reader can be measured."
)
_MAX_PAIRS = 15  # beyond, pairs are shown in the matrix only


@audit_check(ID, title="Agreement", question=QUESTION, needs=("readings",), task="classification")
def agreement(evidence: Evidence, protocol: Protocol) -> CheckResult:
    assert evidence.readings is not None
    exchangeable = evidence.readings.exchangeable
    tables = answer_tables(evidence.readings, len(evidence.case_ids))
    usable = [table for table in tables if (table.per_case >= 2).any()]
    if not usable:
        return not_assessed(
            QUESTION,
            "No case was answered by two readers. Add a second reading of the same cases.",
            series=[rating_distribution(ID, table) for table in tables],
        )
    settings = settings_of(protocol)
    clusters = clusters_at(evidence, np.arange(len(evidence.case_ids)))
    estimates: list[Estimate] = []
    matrices: dict[str, JsonObject] = {}
    for table in usable:
        measured, pairs = _measure(table, clusters, settings, exchangeable)
        estimates += measured if table is usable[0] else _qualified(measured, table)
        if pairs is not None:
            matrices[table.question.id] = agreement_matrix(ID, table, pairs, table.readers)
    alphas = [estimate for estimate in estimates if estimate.id.partition(":")[0] == "alpha"]
    wordings = {"alpha": _wording(evidence, usable, estimates[0], clusters, protocol)}
    beside, compared = _beside(evidence, protocol, usable, clusters, settings)
    if beside is not None:
        estimates += beside.estimates
        if not exchangeable:
            mean, matrix = with_model(beside, clusters, settings)
            estimates.append(mean)
            matrices[beside.table.question.id] = matrix
    apart = deviations(evidence, usable, clusters, settings)
    by_reader = limits_by_reader(protocol, apart)
    wordings |= reader_wordings(evidence, apart, by_reader)
    judged = findings_of(ID, [*estimates, *apart.judged], by_reader, wordings)
    estimates += apart.estimates
    findings = (*judged, *other_findings(apart), *compared)
    series = [
        *matrices.values(),
        alpha_forest(ID, usable[0], alphas, protocol),
        *(
            deviation_forest(ID, row, apart.found(row), apart.n_tests, by_reader)
            for row in apart.by_question
            if any(one.estimate.value is not None for one in row)
        ),
        *(rating_distribution(ID, table) for table in usable),
    ]
    result = result_of(QUESTION, estimates, findings, series)
    furthest = furthest_apart(apart)
    return replace(result, summary=f"{result.summary} {furthest}") if furthest else result


def _qualified(measured: list[Estimate], table: AnswerTable) -> list[Estimate]:
    """Measures of a further question under its name; single pairs are left to the matrix."""
    return [
        estimate.renamed(f"{estimate.id}:{table.question.id}")
        for estimate in measured
        if estimate.value is not None and ":" not in estimate.id
    ]


def _measure(
    table: AnswerTable, clusters: Clusters, settings: Settings, exchangeable: bool
) -> tuple[list[Estimate], PairwiseKappa | None]:
    """Every measure of one question; alpha first. Conventions name the question."""
    size = len(table.question.values)
    scale = table.question.scale
    estimates = [alpha(table.codes, scale, clusters, settings, categories=size or None)]
    pairs = None
    if scale == "interval":
        reason = "Not estimated: the answers are numbers, not categories; see the ICC."
        estimates += [
            undefined(measure, reason)
            for measure in ("kappa_fleiss", "kappa_conger", "kappa_weighted")
        ]
    else:
        estimates.append(kappa_fleiss(table.codes, size, clusters, settings))
        if exchangeable:
            estimates += [undefined("kappa_conger", _NO_IDENTITY),
                          undefined("kappa_weighted", _NO_IDENTITY)]  # fmt: skip
        else:
            estimates.append(_conger(table, clusters, settings))
            pairs, of_pairs = _pairs(table, clusters, settings)
            estimates += of_pairs
    estimates.append(_icc(table, clusters, settings, exchangeable))
    return [
        estimate.renamed(
            estimate.id,
            convention=", ".join(p for p in (table.asked, estimate.convention) if p)
            + table.set_aside,
        )
        for estimate in estimates
    ], pairs


def _pairs(
    table: AnswerTable, clusters: Clusters, settings: Settings
) -> tuple[PairwiseKappa, list[Estimate]]:
    """Kappa of pairs that share enough cases; of all pairs where none does."""
    size = len(table.question.values)
    weights = "quadratic" if table.question.scale == "ordinal" else "identity"
    shared = _shared(table)
    every = tuple(combinations(range(len(table.readers)), 2))
    chosen = tuple(pair for pair in every if shared[pair] >= MIN_CASES) or every
    enough = f", that share {MIN_CASES} cases" if len(chosen) < len(every) else ""
    pairs = pairwise_kappa(table.codes, size, weights, clusters, settings, chosen=chosen)
    means = [pairs.mean]
    if weights == "quadratic":
        linear = pairwise_kappa(table.codes, size, "linear", clusters, settings, chosen=chosen)
        means.append(linear.mean.renamed("kappa_weighted:linear"))
    estimates = [one.renamed(one.id, convention=one.convention + enough) for one in means]
    if len(pairs.pairs) <= _MAX_PAIRS:
        estimates += [
            one.renamed(f"kappa_weighted:{table.readers[a]}-{table.readers[b]}")
            for a, b, one in pairs.pairs
        ]
    return pairs, estimates


def _shared(table: AnswerTable) -> FloatArray:
    """(readers, readers) cases that both answered."""
    given = (~np.isnan(table.codes)).astype(np.float64)
    return np.asarray(given.T @ given, dtype=np.float64)


def _conger(table: AnswerTable, clusters: Clusters, settings: Settings) -> Estimate:
    """Conger's kappa, where every two readers have cases in common.

    It takes each reader's shares of answers as those of all cases: readers of separate panels
    differ in what they were given, and pooling them would tell of that.
    """
    apart = np.argwhere(np.triu(_shared(table) == 0, 1))
    if apart.size:
        a, b = (table.readers[at] for at in apart[0])
        more = f" ({words.count(len(apart))} such pairs)" if len(apart) > 1 else ""
        reason = (
            f"Not estimated: {a} and {b} share no case{more}, and it is meant for the same readers "
            "on all cases."
        )
        return undefined("kappa_conger", reason)
    return kappa_conger(table.codes, len(table.question.values), clusters, settings)


def _icc(
    table: AnswerTable, clusters: Clusters, settings: Settings, exchangeable: bool
) -> Estimate:
    if not table.numeric:
        return undefined("icc", "Not estimated: the answers are not numbers on an ordered scale.")
    if exchangeable or not (table.per_case == len(table.readers)).sum() >= 2:
        return icc_one_way(table.numbers, clusters, settings)
    return icc_two_way(table.numbers, clusters, settings)


def _judged_alone(tables: list[AnswerTable], protocol: Protocol) -> str:
    """Which questions have no limit, said where the first one is judged."""
    rest = [
        table.question.id
        for table in tables[1:]
        if not protocol.limits_of(ID, f"alpha:{table.question.id}")
    ]
    if not rest or not protocol.limits_of(ID, "alpha"):
        return ""
    return (
        f"Judged is the first question of the cohort, {tables[0].question.id}; no limit is set on "
        f"{', '.join(rest)}."
    )


def _wording(
    evidence: Evidence,
    tables: list[AnswerTable],
    estimate: Estimate,
    clusters: Clusters,
    protocol: Protocol,
) -> Wording:
    table = tables[0]
    rows = np.flatnonzero(table.per_case >= 2)
    codes = table.codes[rows]
    spread = np.nanmax(codes, axis=1) - np.nanmin(codes, axis=1)
    differ = rows[spread > 0][np.argsort(-spread[spread > 0], kind="stable")]
    value = words.decimal(estimate.value) if estimate.value is not None else ""
    used = f"{words.cases(rows.size)}{in_clusters(clusters.where(rows))}"
    return Wording(
        f"Readers agree on {table.question.id} with an alpha of {value}, where 1 is perfect and "
        "0 is chance.",
        why=(
            f"They differ on {words.count(differ.size)} of {used} that two or more of "
            f"them answered. {_judged_alone(tables, protocol)}".rstrip()
        ),
        cases=tuple(evidence.case_ids[row] for row in differ),
        action="Do not take one reader’s answer as the truth; agree on how the question is asked.",
    )


def _beside(
    evidence: Evidence,
    protocol: Protocol,
    tables: list[AnswerTable],
    clusters: Clusters,
    settings: Settings,
) -> tuple[Beside | None, list[Finding]]:
    """The model beside the readers on the first question it can answer; a finding if none."""
    if evidence.prediction is None:
        return None, []
    found = first_answered(evidence, protocol, tables)
    if not isinstance(found, str):
        table, answers = found
        assert answers.codes is not None
        return beside_readers(table, answers.codes, answers.how, clusters, settings), []
    finding = Finding(
        f"{ID}.model",
        State.NOT_ASSESSED,
        f"The model is not compared with the readers: {found}.",
        action="Ask the readers a question with the values present and absent.",
    )
    return None, [finding]
