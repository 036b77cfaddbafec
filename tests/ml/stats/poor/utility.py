"""Calls of the measures of clinical use."""

import numpy as np

from ml.stats.utility import cost, net_benefit, workload
from tests.ml.stats.poor.rows import FEW

THRESHOLDS = [0.2, 0.4, 0.6]
STEPS = np.array([0.0, 0.3, 0.6])


def _net(measure, *given, **options):
    return lambda rows: measure(
        rows.probabilities, rows.present, *given, clusters=rows.clusters, settings=FEW, **options
    )


def _called(measure):
    return lambda rows: measure(rows.called, rows.present, rows.clusters)


CLUSTERED = {
    "decision_curve": _net(net_benefit.decision_curve, THRESHOLDS),
    "decision_curve.prevalence": _net(net_benefit.decision_curve, THRESHOLDS, prevalence=0.1),
    **{
        f"net_benefit.{against}": _net(net_benefit.net_benefit, 0.4, against=against)
        for against in ("none", "all", "better")
    },
    "net_benefit.prevalence": _net(net_benefit.net_benefit, 0.4, prevalence=0.1),
    "weighted_net_benefit": _net(net_benefit.weighted_net_benefit, THRESHOLDS, [1, 2, 1]),
    "weighted_net_benefit.prevalence": _net(
        net_benefit.weighted_net_benefit, THRESHOLDS, [1, 2, 1], prevalence=0.1
    ),
    "share_called": lambda rows: workload.share_called(rows.called, rows.clusters),
    "number_needed_to_evaluate": _called(workload.number_needed_to_evaluate),
    "number_needed_to_screen": _called(workload.number_needed_to_screen),
    "deferral_curve": lambda rows: workload.deferral_curve(
        rows.probabilities, rows.present, 0.5, STEPS, rows.clusters
    ),
}
OTHERS = {
    "cost_curve": lambda rows: cost.cost_curve(rows.scores, rows.present),
    "rule_out_curve": lambda rows: workload.rule_out_curve(
        rows.scores, rows.present, np.array(THRESHOLDS)
    ),
}
SIMULATED: set[str] = set()
