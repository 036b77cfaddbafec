"""Calls of the measures by group."""

from ml.stats.discrimination.auroc import auroc
from ml.stats.subgroups import (
    auroc_gap,
    calls,
    detectable,
    gaps,
    groups,
    heterogeneity,
    pairwise,
    permutation,
    shrinkage,
    simpson,
    slices,
    stratified,
    worst,
)
from tests.ml.stats.poor.rows import FEW, Rows


def _groups(rows: Rows) -> groups.Groups:
    return groups.Groups.of(rows.group.tolist())


def _called(measure, *given, **options):
    def call(rows: Rows):
        found = calls.GroupedCalls.of(rows.called, rows.present, _groups(rows), rows.clusters)
        return measure(found, *given, **options)

    return call


def _share_difference(rows: Rows):
    return pairwise.share_difference(
        "share_difference", rows.called, rows.called_b, rows.clusters, rows.clusters
    )


def _first_two(rows: Rows) -> list[str]:
    """The names there are, or those that a sound cohort has."""
    return (*_groups(rows).names, "left", "right")[:2]


def _rate_difference(rows: Rows):
    found = calls.GroupedCalls.of(rows.called, rows.present, _groups(rows), rows.clusters)
    return pairwise.rate_difference(found, "tpr", *_first_two(rows))


def _auroc_difference(rows: Rows):
    return pairwise.auroc_difference(
        rows.scores, rows.present, _groups(rows), *_first_two(rows), rows.clusters, FEW
    )


def _by_group(rows: Rows):
    def measure(chosen):
        own = None if rows.clusters is None else rows.clusters.where(chosen)
        return auroc(rows.scores[chosen], rows.present[chosen], own, FEW)

    return groups.by_group(measure, _groups(rows), rows.present, needs="both")


def _estimates_heterogeneity(rows: Rows):
    return heterogeneity.estimates_heterogeneity(_by_group(rows), "auroc")


def _slices(rows: Rows, loss, **options):
    columns = {"group": _groups(rows), "third": groups.binned(rows.a)}
    return slices.worst_slices(loss, columns, rows.clusters, FEW, smallest=8, **options)


def _slice_effect(rows: Rows, loss):
    return slices.slice_effect(loss, rows.group == "left", rows.clusters, FEW)


def _tables(measure, **options):
    def call(rows: Rows):
        strata = groups.Groups.of([str(one) for one in rows.label])
        return measure(simpson.strata_tables(rows.called, rows.present, strata), **options)

    return call


CLUSTERED = {
    "max_auroc_gap": lambda rows: auroc_gap.max_auroc_gap(
        rows.scores, rows.present, _groups(rows), rows.clusters, FEW
    ),
    **{f"group_rates.{rate}": _called(calls.group_rates, rate) for rate in calls.RATES},
    "group_rates.suppressed": _called(calls.group_rates, "tpr", suppress=True),
    **{f"overall_rate.{rate}": _called(calls.overall_rate, rate) for rate in calls.RATES},
    **{f"max_gap.{rate}": _called(gaps.max_gap, rate, FEW) for rate in calls.RATES},
    "max_gap.ratio": _called(gaps.max_gap, "tpr", FEW, kind="ratio"),
    "demographic_parity": _called(gaps.demographic_parity, FEW),
    "demographic_parity.ratio": _called(gaps.demographic_parity, FEW, kind="ratio"),
    "equal_opportunity": _called(gaps.equal_opportunity, FEW),
    "equalized_odds": _called(gaps.equalized_odds, FEW),
    "equalized_odds.mean": _called(gaps.equalized_odds, FEW, aggregate="mean"),
    "difference_to_overall": _called(gaps.difference_to_overall, "tpr", FEW),
    "rate_heterogeneity": _called(heterogeneity.rate_heterogeneity, "tpr"),
    "rate_difference": _rate_difference,
    "share_difference": _share_difference,
    "auroc_difference": _auroc_difference,
    "permutation_gap": _called(permutation.permutation_gap, "tpr", FEW),
    "shrunken_rates": _called(shrinkage.shrunken_rates, "tpr"),
    "worst_slices": lambda rows: _slices(rows, rows.error),
    "worst_slices.loss": lambda rows: _slices(rows, rows.probabilities),
    "slice_effect": lambda rows: _slice_effect(rows, rows.error),
    "slice_effect.loss": lambda rows: _slice_effect(rows, rows.probabilities),
    "worst_group": _called(worst.worst_group, "tpr", FEW),
    "worst_group.high": _called(worst.worst_group, "fnr", FEW),
    "cvar_of_groups": _called(worst.cvar_of_groups, "tpr", 0.5, FEW),
}
OTHERS = {
    "by_group": _by_group,
    "estimates_heterogeneity": _estimates_heterogeneity,
    "mantel_haenszel": _tables(stratified.mantel_haenszel),
    "cochran_mantel_haenszel": _tables(stratified.cochran_mantel_haenszel),
    "cochran_mantel_haenszel.corrected": _tables(
        stratified.cochran_mantel_haenszel, correction=True
    ),
    "breslow_day": _tables(stratified.breslow_day),
    "breslow_day.tarone": _tables(stratified.breslow_day, tarone=True),
    "simpson": _tables(simpson.simpson),
    "cochran_q": lambda rows: heterogeneity.cochran_q(rows.a, 0.1 + abs(rows.b)),
    "detectable_difference": lambda _: detectable.detectable_difference(100, 100, 0.9),
}
SIMULATED = {"permutation_gap", "worst_slices", "worst_slices.loss"}
