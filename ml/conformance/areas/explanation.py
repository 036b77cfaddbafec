"""Maps and curves of explanations."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ml.conformance.answer import Answers
from ml.conformance.cases import Case, Params
from ml.estimate import Estimate
from ml.stats.arrays import BoolArray, FloatArray
from ml.stats.explanation import faithfulness as faith
from ml.stats.explanation import localisation as where


def _truth(case: Case, order_by: str | None = None) -> faith.LinearTruth:
    return faith.linear_truth(
        case.numbers("w"), case.numbers("x"), case.numbers("baseline"),
        None if order_by is None else case.numbers(order_by),
    )  # fmt: skip


def _drops(case: Case) -> FloatArray:
    """Score lost when one feature after the other goes to the baseline."""
    w, x, base = case.numbers("w"), case.numbers("x"), case.numbers("baseline")
    without = np.where(np.eye(x.size) == 1, base, x)
    drops: FloatArray = w @ x - without @ w
    return drops


def _infidelity(case: Case) -> Estimate:
    perturbations = np.diag(case.numbers("x") - case.numbers("baseline"))
    return faith.infidelity(perturbations, case.numbers("w"), _drops(case))


def _map(measure: Callable[[FloatArray, BoolArray], Estimate]) -> Callable[[Case, Params], Any]:
    return lambda case, _: measure(case.numbers("saliency"), np.array(case.input["mask"]) == 1)


def _pointing(case: Case, params: Params) -> bool:
    return bool(_map(where.pointing_game)(case, params).value == 1.0)


ANSWERS: Answers = {
    "integrated_gradients": lambda case, _: _truth(case).attribution,
    "completeness_gap": lambda case, _: _truth(case).completeness_gap.value,
    "deletion_curve": lambda case, _: _truth(case).deletion,
    "deletion_auc": lambda case, _: faith.curve_auc(_truth(case).deletion),
    "insertion_curve": lambda case, _: _truth(case).insertion,
    "insertion_auc": lambda case, _: faith.curve_auc(_truth(case).insertion),
    "deletion_auc_random": lambda case, _: faith.curve_auc(
        _truth(case, "random_attribution").deletion
    ),
    "faithfulness_estimate": lambda case, _: faith.faithfulness(
        _truth(case).attribution, _drops(case)
    ),
    "faithfulness_estimate_random": lambda case, _: faith.faithfulness(
        case.numbers("random_attribution"), _drops(case)
    ),
    "monotonicity_spearman": lambda case, _: faith.faithfulness(
        _truth(case).attribution, _drops(case), how="spearman"
    ),
    "sparseness_gini": lambda case, _: where.gini_sparseness(_truth(case).attribution),
    "infidelity_exact": lambda case, _: _infidelity(case),
    "pointing_game": _pointing,
    "relevance_mass_accuracy": _map(where.relevance_mass),
    "relevance_rank_accuracy": _map(where.relevance_rank),
    "iou_at_half_max": _map(where.iou_at_share_of_max),
    "localisation_auroc": _map(where.localisation_auroc),
    "localisation_ap": _map(where.localisation_ap),
    "attribution_localisation": _map(where.attribution_localisation),
}
