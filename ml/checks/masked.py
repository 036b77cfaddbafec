"""What the two checks of masks share: groups of pairs, units, and cases that could not be used."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml.checks import words
from ml.checks.registry import Finding, State
from ml.estimate import Estimate, JsonObject, JsonValue
from ml.evidence.tables import Evidence, FloatArray, IntArray, MaskComparisons
from ml.limits import Limit
from ml.protocol import Protocol

DISTANCE_POLICY = "one mask empty: the image’s diagonal; both empty: left out and counted"
_REASONS = {
    "one_mask": "has fewer than two masks",
    "mask_grid": "has masks on different grids of voxels",
}
_MOST_POINTS = 4000  # of one chart


@dataclass(frozen=True)
class Group:
    """One row of the chart of cases: a kind of pair, with its number per case and its mean."""

    label: str
    values: FloatArray  # (m,) NaN where undefined
    estimate: Estimate
    cases: IntArray  # (m,) rows of the evidence


def qualified(estimate: Estimate, structure: str, *, first: bool) -> Estimate:
    """The first structure's measures keep their names; those of further ones say theirs."""
    if first:
        return estimate.renamed(
            estimate.id, convention=f"structure “{structure}”, {estimate.convention}"
        )
    return estimate.renamed(f"{estimate.id}:{structure}")


def limits_on(protocol: Protocol, check: str) -> tuple[Limit, ...]:
    """Every limit that is set on some measure of a check."""
    return tuple(limit for limit in protocol.limits if limit.check == check)


def protocol_of(protocol: Protocol, check: str, structure: str) -> Protocol:
    """The protocol as it is for one structure: a limit that names it goes before one on all."""
    end = f":{structure}"
    named = [
        replace(limit, measure=limit.measure.removesuffix(end))
        for limit in limits_on(protocol, check)
        if limit.measure.endswith(end)
    ]
    return replace(protocol, limits=(*named, *protocol.limits))


def named_findings(findings: Iterable[Finding], end: str) -> list[Finding]:
    """Findings of further structures say theirs, as their measures do.

    Args:
        end: of measures and findings: "", or ":" and the structure.
    """
    return [replace(one, id=one.id + end, measure=f"{one.measure}{end}") for one in findings]


def slug(structure: str) -> str:
    """A structure's name as it stands in the id of a finding."""
    return "".join(sign if sign.isalnum() else "-" for sign in structure.lower())


def distance_unit(masks: MaskComparisons) -> str:
    return "mm" if masks.in_mm else "voxels"


def case_values(
    check: str,
    evidence: Evidence,
    structure: str,
    measure: str,
    groups: Sequence[Group],
) -> JsonObject:
    """The chart of one number per case, group under group, each with its mean."""
    rows: list[JsonValue] = []
    for group in groups:
        known = np.flatnonzero(~np.isnan(group.values))
        # More dots than this are no picture any more: then every k-th in rising order is drawn.
        order = known[np.argsort(group.values[known], kind="stable")]
        step = max(1, -(-order.size // _MOST_POINTS))
        points: list[JsonValue] = [
            [evidence.case_ids[group.cases[at]], round(float(group.values[at]), 6)]
            for at in order[::step]
        ]
        quarters: list[JsonValue] = [*_quarters(group.values[known])]
        rows.append(
            {
                "label": group.label,
                "estimate": group.estimate.to_json(),
                "points": points,
                "drawn_every": step,
                "quantiles": quarters,
            }
        )
    shown = groups[0].estimate
    title = f"{words.name_of(measure)} could not be measured"
    if shown.value is not None:
        value = words.decimal(shown.value)
        title = f"{words.name_of(measure)} of {structure} is {value} on average"
    return {
        "kind": "case-values",
        "check": check,
        "title": title,
        "subtitle": (
            f"One dot per case or pair; diamond and line: mean and interval; {shown.method or ''}"
        ).rstrip("; "),
        "measure": measure,
        "structure": structure,
        "rows": rows,
    }


def _quarters(values: FloatArray) -> list[float]:
    """Lowest, quartiles and highest; [] of nothing."""
    if values.size == 0:
        return []
    return [round(float(value), 6) for value in np.quantile(values, (0, 0.25, 0.5, 0.75, 1))]


def failed_masks(check: str, evidence: Evidence, masks: MaskComparisons) -> list[Finding]:
    """Cases whose masks could not be compared, one finding for each reason."""
    findings = []
    for code in sorted(set(masks.failures.values())):
        ids = tuple(case_id for case_id, why in masks.failures.items() if why == code)
        verb = _REASONS.get(code, f"could not be compared ({code})")
        plural = verb if len(ids) == 1 else verb.replace("has ", "have ", 1)
        findings.append(
            Finding(
                f"{check}.{code.replace('_', '-')}",
                State.CAUTION,
                f"{words.cases(len(ids)).capitalize()} {plural}.",
                why=f"Of {words.cases(len(evidence.case_ids))}; they enter no measure.",
                cases=ids,
                action="Store all masks of a case on the grid of its image, and hand them in.",
            )
        )
    return findings
