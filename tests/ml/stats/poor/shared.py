"""Calls of what every room is made with: means, sums and shares."""

import numpy as np

from ml.stats import means, proportion, rank_correlation, sums
from ml.stats.bootstrap import Settings
from tests.ml.stats.poor.rows import FEW, cohort

CLUSTERED = {
    "case_mean": lambda rows: means.case_mean("mean", rows.a, rows.clusters, FEW),
    "case_median": lambda rows: means.case_median("median", rows.a, rows.clusters, FEW),
    "mean_difference": lambda rows: means.mean_difference(
        "difference", rows.a, rows.b, rows.clusters, FEW
    ),
    "mean_estimate": lambda rows: sums.mean_estimate(
        "mean", rows.probabilities, rows.clusters, FEW
    ),
    "estimate_of_sums": lambda rows: sums.estimate_of_sums(
        "ratio", np.stack([rows.probabilities, 1 + rows.scores**0], axis=1),
        lambda total: total[:, 0] / total[:, 1], rows.clusters, FEW, recentred=True, least=0.0,
    ),
    "rank_correlation": lambda rows: rank_correlation.rank_correlation(
        rows.a, rows.b, rows.clusters, FEW
    ),
    **{
        f"proportion.{interval}": lambda rows, name=interval: proportion.proportion(
            "share", rows.called, rows.clusters, interval=name
        )
        for interval in proportion.INTERVALS
    },
}  # fmt: skip
OTHERS = {}
SIMULATED: set[str] = set()
NUMBERS = {
    **{
        name: (interval, {"share": 0.7, "n": 30.0, "level": 0.9})
        for name, interval in proportion.INTERVALS.items()
    },
    "proportion": (
        lambda **numbers: proportion.proportion("share", cohort().called, **numbers),
        {"level": 0.9},
    ),
    "settings": (
        lambda **numbers: means.case_mean("mean", cohort().a, None, Settings(**numbers)),
        {"draws": 50, "seed": 3, "level": 0.9},
    ),
}
