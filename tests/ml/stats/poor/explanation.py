"""Calls of the measures of explanations: the rows are the features, or pixels, of one case."""

import numpy as np

from ml.stats.explanation import faithfulness, localisation
from tests.ml.stats.poor.rows import Rows, cohort


def _map(rows: Rows) -> np.ndarray:
    """A signed map as wide as it is high, as far as the rows go."""
    side = int(rows.n**0.5)
    return rows.a[: side * side].reshape(side, side)


def _where(measure, **options):
    return lambda rows: measure(rows.scores, rows.present, **options)


CLUSTERED = {}
OTHERS = {
    "linear_truth": lambda rows: faithfulness.linear_truth(rows.a, rows.b, rows.scores),
    "linear_truth.order": lambda rows: faithfulness.linear_truth(
        rows.a, rows.b, rows.scores, rows.scores_b
    ),
    "removal_order": lambda rows: faithfulness.removal_order(rows.a),
    "completeness_gap": lambda rows: faithfulness.completeness_gap(rows.a, 1.0, 0.0),
    "curve_auc": lambda rows: faithfulness.curve_auc(rows.a),
    "order_gap": lambda rows: faithfulness.order_gap(rows.a, rows.b),
    "faithfulness": lambda rows: faithfulness.faithfulness(rows.a, rows.b),
    "faithfulness.spearman": lambda rows: faithfulness.faithfulness(rows.a, rows.b, how="spearman"),
    "infidelity": lambda rows: faithfulness.infidelity(rows.numbers, np.ones(3), rows.b),
    "comprehensiveness": lambda rows: faithfulness.comprehensiveness(1.0, rows.a),
    "sufficiency": lambda rows: faithfulness.sufficiency(1.0, rows.a),
    "max_sensitivity": lambda rows: faithfulness.max_sensitivity(
        rows.a, np.stack([rows.b, rows.scores])
    ),
    "pointing_game": _where(localisation.pointing_game),
    "pointing_game.near": _where(localisation.pointing_game, tolerance=2.0),
    "relevance_mass": _where(localisation.relevance_mass),
    "attribution_localisation": _where(localisation.attribution_localisation),
    "relevance_rank": _where(localisation.relevance_rank),
    "iou_at_share_of_max": _where(localisation.iou_at_share_of_max),
    "best_iou": _where(localisation.best_iou),
    "localisation_auroc": _where(localisation.localisation_auroc),
    "localisation_ap": _where(localisation.localisation_ap),
    "gini_sparseness": lambda rows: localisation.gini_sparseness(rows.a),
    "entropy_complexity": lambda rows: localisation.entropy_complexity(rows.a),
    "rank_similarity": lambda rows: localisation.rank_similarity(rows.a, rows.b),
    "ssim": lambda rows: localisation.ssim(_map(rows), _map(rows)[::-1], 4.0, 3),
}
# A curve has the order of its points, an image that of its pixels.
SIMULATED = {"curve_auc", "order_gap", "pointing_game.near", "ssim"}
FEW = None  # nothing here is simulated


def _of(measure, *given):
    return lambda **numbers: measure(*given, **numbers)


# Measures of single numbers, and numbers that each of them takes.
IN_UNITS: set[str] = set()
NUMBERS = {
    "completeness_gap": (
        _of(faithfulness.completeness_gap, cohort().a), {"score": 1.0, "baseline_score": 0.2}
    ),
    "comprehensiveness": (
        lambda **numbers: faithfulness.comprehensiveness(without_top=cohort().a, **numbers),
        {"score": 1.0},
    ),
    "sufficiency": (
        lambda **numbers: faithfulness.sufficiency(only_top=cohort().a, **numbers),
        {"score": 1.0},
    ),
    "pointing_game": (
        _of(localisation.pointing_game, cohort().scores, cohort().present), {"tolerance": 1.0}
    ),
    "iou_at_share_of_max": (
        _of(localisation.iou_at_share_of_max, cohort().scores, cohort().present), {"share": 0.4}
    ),
    "ssim": (
        _of(localisation.ssim, _map(cohort()), _map(cohort())[::-1]),
        {"data_range": 4.0, "window": 3},
    ),
}  # fmt: skip
NOT_MEASURES: dict[str, str] = {
    "likeness": "three measures of this area of one pair; each is tried here by its own name"
}
