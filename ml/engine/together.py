"""The groups of a cohort whose statistics are counted apart: one column, told by its name."""

from collections.abc import Mapping
from typing import cast

from ml.engine.drawn_cases import cases_of
from ml.estimate import JsonObject, JsonValue
from ml.evidence.facts import ORIGINS
from ml.protocol import Protocol, subgroup_parts

MOST_GROUPS = 12


def column_of(catalogue: Mapping[str, JsonValue], protocol: Protocol) -> str:
    """The column that says where an image comes from; else the first subgroup; "" for none.

    A column is of use where it has 2 to 12 levels. Those that a protocol cuts are not taken.

    Example:
        >>> cases = [{"covariates": {"Site": one, "sex": "f"}} for one in "ab"]
        >>> column_of({"covariates": ["sex", "Site"], "cases": cases}, Protocol())
        'Site'
    """
    names = cast(list[str], catalogue["covariates"])
    order = {name: at for at, name in enumerate(ORIGINS)}
    places = sorted((name for name in names if name.lower() in order),
                    key=lambda name: order[name.lower()])  # fmt: skip
    asked = [name for name, cuts in map(subgroup_parts, protocol.subgroups) if not cuts]
    for name in [*places, *asked]:
        if 2 <= len(set(_levels(catalogue, name).values())) <= MOST_GROUPS:
            return name
    return ""


def groups_of(
    catalogue: Mapping[str, JsonValue], protocol: Protocol, params: JsonObject
) -> JsonObject:
    """The params that name the groups of the cases of a pass; {} where they are one group."""
    name = column_of(catalogue, protocol)
    if not name:
        return {}
    levels = _levels(catalogue, name)
    cases = [str(one["case_id"]) for one in cast(list[JsonObject], catalogue["cases"])]
    found: dict[str, list[str]] = {}
    for case_id in cases_of(params, cases):
        if case_id in levels:
            found.setdefault(levels[case_id], []).append(case_id)
    ordered: dict[str, JsonValue] = {
        level: list[JsonValue](found[level]) for level in sorted(found)
    }
    return {"groups": {"column": name, "cases": ordered}}


def _levels(catalogue: Mapping[str, JsonValue], name: str) -> dict[str, str]:
    """Case id -> its level, of the cases that have one."""
    found: dict[str, str] = {}
    for one in cast(list[JsonObject], catalogue["cases"]):
        level = cast(JsonObject, one.get("covariates") or {}).get(name)
        if level is not None and str(level):
            found[str(one.get("case_id", len(found)))] = str(level)
    return found
