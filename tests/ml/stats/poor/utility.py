"""Calls of the measures of clinical use."""

import numpy as np

from ml.stats.utility import cost, net_benefit, workload
from tests.ml.stats.poor.rows import FEW, cohort

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


def _net_of(measure, *given):
    rows = cohort()
    return lambda **numbers: measure(
        rows.probabilities, rows.present, *given, settings=FEW, **numbers
    )


def _called_of(measure):
    return lambda **numbers: measure(cohort().called, cohort().present, **numbers)


# Measures of single numbers, and numbers that each of them takes.
IN_UNITS: set[str] = set()
NUMBERS = {
    "net_benefit": (_net_of(net_benefit.net_benefit), {"threshold": 0.4, "prevalence": 0.2}),
    "decision_curve": (_net_of(net_benefit.decision_curve, THRESHOLDS), {"prevalence": 0.2}),
    "weighted_net_benefit": (
        _net_of(net_benefit.weighted_net_benefit, THRESHOLDS, [1, 1, 1]),
        {"prevalence": 0.2},
    ),
    "share_called": (
        lambda **numbers: workload.share_called(cohort().called, **numbers),
        {"level": 0.9},
    ),
    "number_needed_to_evaluate": (_called_of(workload.number_needed_to_evaluate), {"level": 0.9}),
    "number_needed_to_screen": (_called_of(workload.number_needed_to_screen), {"level": 0.9}),
    "rule_out_curve": (
        lambda **numbers: workload.rule_out_curve(
            cohort().scores, cohort().present, np.array(THRESHOLDS), **numbers
        ),
        {"level": 0.9},
    ),
    "deferral_curve": (
        lambda **numbers: workload.deferral_curve(
            cohort().probabilities, cohort().present, shares=STEPS, **numbers
        ),
        {"threshold": 0.5, "level": 0.9},
    ),
    "cost_curve": (
        lambda **numbers: cost.cost_curve(cohort().scores, cohort().present, **numbers),
        {"steps": 11},
    ),
}
NOT_MEASURES: dict[str, str] = {}
