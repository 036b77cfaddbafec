"""An estimate in words: value, interval and n together, or the reason why there is none."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from ml.estimate import unit_in
from portal.ui import numbers
from portal.ui.measures import measure

TOO_FEW_FOR_A_RATE = 10
_CLUSTER_NOUNS = {"patient": "patients", "group": "groups"}


@dataclass(frozen=True)
class Shown:
    """The parts of an estimate cell; `value` is empty exactly when `reason` is not."""

    name: str
    value: str = ""
    interval: str = ""  # "[0.796, 0.843]"
    n: str = ""  # "506 of 1,500"; "3,000 cases in 1,338 groups"
    reason: str = ""  # why the value is missing
    remark: str = ""  # why only the interval is missing
    convention: str = ""
    method: str = ""


def as_json(value: Any) -> dict[str, Any]:
    """The JSON form of an estimate, a limit or a finding, however it came here.

    Templates pass what they have: the stored JSON or the dataclass of the engine.
    """
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "to_json"):
        return dict(value.to_json())
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"expected the JSON of a result, got {type(value).__name__}")


def write(value: float, measure_id: str, *, unit: bool = True) -> str:
    """One number of a measure, by the rounding rule of its kind.

    >>> write(0.8211, "auroc"), write(0.3373, "sensitivity"), write(0.3373, "ppv", unit=False)
    ('0.821', '33.7 %', '33.7')
    >>> write(3.0, "severity_borne:ct_noise")
    '3'
    """
    kind = measure(measure_id).unit
    if kind == "rate":
        return numbers.percent(value) if unit else numbers.percent_number(value)
    return numbers.plain(value) if kind == "step" else numbers.decimal(value)


def unit_of(estimate: Any) -> str:
    """What an estimate says it is counted in, as it follows a number: " mm"; "" for most.

    >>> unit_of({"id": "hd95", "value": 3.5, "extra": {"unit": "mm"}}), unit_of(None)
    (' mm', '')
    """
    unit = unit_in(as_json(estimate).get("extra") or {}) if estimate else ""
    return f" {unit}" if unit else ""


def limit_text(limit: Any, estimate: Any = None) -> str:
    """The limit, in the unit of the estimate held against it: the protocol does not know it.

    >>> limit_text({"measure": "hd95", "value": 3.0, "direction": "max"})
    '≤ 3 mm or voxels'
    >>> limit_text({"measure": "sensitivity", "value": 0.9, "direction": "min"})
    '≥ 90 %'
    >>> limit_text({"measure": "ece_top_label", "value": 0.05, "direction": "max"})
    '≤ 0.05'
    """
    data = as_json(limit)
    sign = "≥" if data["direction"] == "min" else "≤"
    measure_id = data.get("measure") or ""
    unit = unit_of(estimate) or f" {measure(measure_id).counted_in}".rstrip()
    return f"{sign} {limit_value(data['value'], measure_id)}{unit}"


def limit_value(value: float, measure_id: str) -> str:
    if measure(measure_id).unit == "rate":
        return f"{numbers.plain(100 * value)} %"
    return numbers.plain(value)


def margin(estimate: Any, limit: Any) -> str:
    """How far inside its limit the value lies (plus) or outside it (minus); empty without one.

    >>> over = {"id": "ece_top_label", "value": 0.0791}
    >>> margin(over, {"value": 0.05, "direction": "max"})
    '−0.029'
    >>> margin({"id": "severity_borne", "value": 5.0}, {"value": 2.0, "direction": "min"})
    '+3'
    """
    found, rule = as_json(estimate), as_json(limit)
    if found["value"] is None:
        return ""
    difference = found["value"] - rule["value"]
    if rule["direction"] == "max":
        difference = -difference
    kind = measure(found["id"]).unit
    if kind == "rate":
        return numbers.points(difference)
    return numbers.signed(difference, 0 if kind == "step" else 3) + unit_of(found)


def interval_text(data: Mapping[str, Any]) -> str:
    """The interval in brackets without its unit; a one-sided bound is said in words."""
    low, high, name = data.get("low"), data.get("high"), data["id"]
    if low is not None and high is not None:
        return f"[{write(low, name, unit=False)}, {write(high, name, unit=False)}]"
    if low is not None:
        return f"at least {write(low, name)}{unit_of(data)}"
    if high is not None:
        return f"at most {write(high, name)}{unit_of(data)}"
    return ""


def n_text(data: Mapping[str, Any], cluster_kind: str = "") -> str:
    """What the number rests on: counts for a rate, clusters where rows are not independent.

    `cluster_kind`: of the cohort, where the estimate does not say its own.
    """
    extra = data.get("extra") or {}
    above, below = extra.get("numerator"), extra.get("denominator")
    if above is not None and below is not None:
        return f"{_count(above)} of {_count(below)}"
    n = data.get("n") or 0
    rows = f"{numbers.count(n)} {extra.get('rows') or ('case' if n == 1 else 'cases')}"
    clusters = extra.get("n_clusters")
    if clusters and clusters != n:
        noun = _CLUSTER_NOUNS.get(str(extra.get("cluster_kind") or cluster_kind), "groups")
        return f"{rows} in {numbers.count(int(clusters))} {noun}"
    return rows


def because(reason: str | None) -> str:
    """Why there is no value, to follow "not estimated: " once.

    >>> because("Not estimated: there are no cases.")
    'there are no cases.'
    """
    return (reason or "undefined").removeprefix("Not estimated: ")


def show(estimate: Any, cluster_kind: str = "") -> Shown:
    """Every part of an estimate as text, by the rules for numbers."""
    data = as_json(estimate)
    name = measure(data["id"]).name
    texts = {"convention": data.get("convention") or "", "method": data.get("method") or ""}
    if data["value"] is None:
        return Shown(name, reason=because(data.get("reason")), **texts)
    denominator = (data.get("extra") or {}).get("denominator")
    if (
        measure(data["id"]).unit == "rate"
        and denominator is not None
        and denominator < TOO_FEW_FOR_A_RATE
    ):
        return Shown(
            name,
            n_text(data, cluster_kind),
            remark="fewer than 10 cases: the count is all there is",
            **texts,
        )
    return Shown(
        name,
        write(data["value"], data["id"]) + unit_of(data),
        interval_text(data),
        n_text(data, cluster_kind),
        remark=data.get("reason") or "",
        **texts,
    )


def _count(value: float) -> str:
    """A count; weighted counts keep one decimal."""
    return numbers.count(int(value)) if float(value).is_integer() else numbers.decimal(value, 1)
