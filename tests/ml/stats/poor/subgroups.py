"""Calls of the measures by group."""

from inspect import signature

from ml.stats.discrimination.auroc import auroc
from ml.stats.subgroups import (
    auroc_gap,
    calls,
    conditional,
    detectable,
    gap_interval,
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
from tests.ml.stats.poor.rows import FEW, Rows, cohort


def _groups(rows: Rows) -> groups.Groups:
    return groups.Groups.of(rows.group.tolist())


def _called(measure, *given, **options):
    def call(rows: Rows):
        found = calls.GroupedCalls.of(rows.called, rows.present, _groups(rows), rows.clusters)
        takes = "settings" in signature(measure).parameters
        return measure(found, *given, **options, **({"settings": FEW} if takes else {}))

    return call


def _share_difference(rows: Rows):
    return pairwise.share_difference(
        "share_difference", rows.called, rows.called_b, rows.clusters, rows.clusters
    )


def _dependence_within(rows: Rows):
    return conditional.dependence_within(
        "dependence", rows.scores, rows.called, rows.present, rows.clusters, FEW
    ).difference


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
    **{f"max_gap.{rate}": _called(gaps.max_gap, rate) for rate in calls.RATES},
    "max_gap.ratio": _called(gaps.max_gap, "tpr", kind="ratio"),
    "demographic_parity": _called(gaps.demographic_parity),
    "demographic_parity.ratio": _called(gaps.demographic_parity, kind="ratio"),
    "equal_opportunity": _called(gaps.equal_opportunity),
    "equalized_odds": _called(gaps.equalized_odds),
    "equalized_odds.mean": _called(gaps.equalized_odds, aggregate="mean"),
    "difference_to_overall": _called(gaps.difference_to_overall, "tpr"),
    "rate_heterogeneity": _called(heterogeneity.rate_heterogeneity, "tpr"),
    "rate_difference": _rate_difference,
    "dependence_within": _dependence_within,
    "share_difference": _share_difference,
    "auroc_difference": _auroc_difference,
    "permutation_gap": _called(permutation.permutation_gap, "tpr"),
    "shrunken_rates": _called(shrinkage.shrunken_rates, "tpr"),
    "worst_slices": lambda rows: _slices(rows, rows.error),
    "worst_slices.loss": lambda rows: _slices(rows, rows.probabilities),
    "slice_effect": lambda rows: _slice_effect(rows, rows.error),
    "slice_effect.loss": lambda rows: _slice_effect(rows, rows.probabilities),
    "worst_group": _called(worst.worst_group, "tpr"),
    "worst_group.high": _called(worst.worst_group, "fnr"),
    "cvar_of_groups": _called(worst.cvar_of_groups, "tpr", 0.5),
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


def _grouped(measure, *given):
    rows = cohort()
    found = calls.GroupedCalls.of(rows.called, rows.present, _groups(rows))
    return lambda **numbers: measure(found, *given, **numbers)


def _table(measure):
    table = [[[10, 5], [4, 12]], [[8, 6], [3, 9]]]
    return lambda **numbers: measure(table, **numbers)


# Measures and plans of single numbers, and numbers that each of them takes.
IN_UNITS: set[str] = set()
NUMBERS = {
    "group_rates": (_grouped(calls.group_rates, "tpr"), {"level": 0.9}),
    "overall_rate": (_grouped(calls.overall_rate, "tpr"), {"level": 0.9}),
    "rate_difference": (_grouped(pairwise.rate_difference, "tpr", "left", "right"), {"level": 0.9}),
    "shrunken_rates": (_grouped(shrinkage.shrunken_rates, "tpr"), {"level": 0.9}),
    "cvar_of_groups": (_grouped(worst.cvar_of_groups, "tpr"), {"share": 0.4}),
    "mantel_haenszel": (_table(stratified.mantel_haenszel), {"level": 0.9}),
    "simpson": (_table(simpson.simpson), {"level": 0.9}),
    "newcombe": (
        pairwise.newcombe,
        {"share_a": 0.8, "n_a": 70.0, "share_b": 0.6, "n_b": 80.0, "level": 0.9},
    ),
    "level_of_pairs": (gap_interval.level_of_pairs, {"level": 0.9, "groups": 3}),
    "power_of_difference": (
        detectable.power_of_difference,
        {"share_a": 0.9, "n_a": 100.0, "share_b": 0.75, "n_b": 90.0, "level": 0.9},
    ),
    "detectable_difference": (
        detectable.detectable_difference,
        {"n_a": 100.0, "n_b": 90.0, "base": 0.9, "power": 0.8, "level": 0.9},
    ),
    "worst_slices": (
        lambda **numbers: slices.worst_slices(
            cohort().error, {"group": _groups(cohort())}, settings=FEW, **numbers
        ),
        {"smallest": 8, "deepest": 2, "keep": 3},
    ),
    "withheld": (groups.withheld, {"n": 40, "n_events": 3}),
}
# Public functions that are no measure of rows.
NOT_MEASURES = {
    "weights_of": "which cells a rate counts",
    "rate_of": "arrays, for the gaps",
    "undefined_groups": "names, for the gaps",
    "permuted": "permutations, for tests",
    "beta_prior": "of counts, for shrunken_rates",
    "members": "which cases a slice holds",
    "checked_strata": "codes, for the slices",
    "gap_interval": "two ends, of estimates that were made before",
}
