"""The model as one more reader of a question that readers answered."""

from dataclasses import dataclass

import numpy as np

from ml.checks.agreement_series import agreement_matrix
from ml.checks.answers import AnswerTable, ModelAnswers, model_answers
from ml.checks.scored import operating_point
from ml.estimate import Estimate, JsonObject
from ml.evidence.tables import Evidence, FloatArray
from ml.protocol import Protocol
from ml.stats.agreement.kappa import PairwiseKappa, pairwise_kappa
from ml.stats.agreement.krippendorff import alpha, alpha_replicates
from ml.stats.bootstrap import Settings
from ml.stats.clusters import Clusters
from ml.stats.interval import percentile_interval

ID = "agreement"


def first_answered(
    evidence: Evidence, protocol: Protocol, tables: list[AnswerTable]
) -> tuple[AnswerTable, ModelAnswers] | str:
    """The first question that the model can answer on the readers' own scale, and its answers.

    Returns:
        Why there is none, a clause without a full stop.
    """
    assert evidence.prediction is not None
    point = operating_point(evidence.prediction, protocol)
    reason = ""
    for table in tables:
        answers = model_answers(
            evidence, evidence.prediction, table.question, point.threshold if point else None
        )
        if answers.codes is not None:
            return table, answers
        reason = reason or answers.how
    return reason


@dataclass(frozen=True)
class Beside:
    """A question with the model's answers in a further column."""

    table: AnswerTable
    codes: FloatArray  # (n, readers + 1), the model last
    asked: str  # opens the convention of every estimate
    estimates: list[Estimate]


def beside_readers(
    table: AnswerTable, answers: FloatArray, how: str, clusters: Clusters, settings: Settings
) -> Beside:
    """Alpha with the model as one more reader, and the difference it makes.

    Both alphas are of the cases that two readers answered, and share their bootstrap draws.

    Args:
        table: the readers' answers.
        answers: (n,) the model's, as codes; NaN where it has none.
        how: how a score became an answer, in words.
    """
    codes = np.column_stack([table.codes, answers])
    rows = np.flatnonzero(table.per_case >= 2)
    own = clusters.where(rows)
    size, scale = len(table.question.values), table.question.scale
    asked = f"question “{table.question.id}”, {how}"
    both = alpha(codes[rows], scale, own, settings, categories=size)
    estimates = [
        both.renamed("alpha:with-model", convention=f"{asked}; {scale} scale, model as a reader")
    ]
    value, drawn = alpha_replicates(table.codes[rows], scale, own, settings, size)
    if both.value is not None and np.isfinite(value):
        _, drawn_both = alpha_replicates(codes[rows], scale, own, settings, size)
        interval = percentile_interval(drawn_both - drawn, own, settings)
        difference = Estimate(
            "alpha:model-difference", both.value - value, interval.low, interval.high,
            settings.level, rows.size,
            convention=f"{asked}; alpha with the model minus alpha of the readers, paired",
            method=interval.method, reason=interval.reason, extra={**own.extra},
        )  # fmt: skip
        estimates.append(difference)
    return Beside(table, codes, asked, estimates)


def with_model(
    beside: Beside, clusters: Clusters, settings: Settings
) -> tuple[Estimate, JsonObject]:
    """Mean kappa of the model with each reader, and the matrix with the model as last row.

    Only for identified readers.
    """
    table, readers = beside.table, len(beside.table.readers)
    ordered = table.question.scale == "ordinal"
    weights = "quadratic" if ordered else "identity"
    size = len(table.question.values)
    with_readers = pairwise_kappa(
        beside.codes, size, weights, clusters, settings,
        chosen=tuple((reader, readers) for reader in range(readers)),
    )  # fmt: skip
    among = pairwise_kappa(table.codes, size, weights, clusters, settings)
    values, shared = with_readers.values.copy(), with_readers.n.copy()
    values[:readers, :readers], shared[:readers, :readers] = among.values, among.n
    pairs = PairwiseKappa(with_readers.mean, values, shared, with_readers.pairs)
    mean = with_readers.mean.renamed(
        "kappa_weighted:model",
        convention=f"{beside.asked}; {'quadratic weights' if ordered else 'unweighted'}, "
        "mean over the readers",
    )
    return mean, agreement_matrix(ID, table, pairs, (*table.readers, "Model"))
