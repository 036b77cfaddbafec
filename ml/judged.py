"""Every limit of an audit once, and where it stands: what headlines and tables count."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ml.checks.registry import State, worst
from ml.estimate import JsonObject, JsonValue, objects_in

JUDGED = (State.FAIL, State.CAUTION, State.PASS)


@dataclass(frozen=True)
class JudgedLimit:
    """One limit on a check that was asked, however many findings speak of it.

    Attributes:
        check: the block of the document.
        limit: as the protocol holds it, or as the finding that decided it does.
        state: the worst of its findings; not assessed where none judged it.
        finding: the one that gave it its state; None where none speaks of it.
    """

    check: JsonObject
    limit: JsonObject
    state: State
    finding: JsonObject | None

    @property
    def is_assessed(self) -> bool:
        return self.state in JUDGED


def judged_limits(document: Mapping[str, JsonValue]) -> list[JudgedLimit]:
    """The limits of the protocol on the checks of this audit, in the order of the report.

    A limit on the gap of every covariate, or on every reader, is one limit: it stands where its
    worst finding stands. A finding that only quotes the limit of another check judges nothing.

    Args:
        document: ``audit.json``.
    """
    protocol = document.get("protocol")
    declared = objects_in(protocol.get("limits")) if isinstance(protocol, dict) else []
    return [
        one
        for check in objects_in(document.get("checks"))
        for one in _of_check(check, [limit for limit in declared if limit["check"] == check["id"]])
    ]


def _of_check(check: JsonObject, declared: list[JsonObject]) -> Iterator[JudgedLimit]:
    limits = {_key(limit): limit for limit in declared}
    findings: dict[tuple[str, str], list[JsonObject]] = {key: [] for key in limits}
    for finding in objects_in(check.get("findings")):
        quoted = finding.get("limit")
        if not isinstance(quoted, dict) or quoted.get("check", check["id"]) != check["id"]:
            continue
        key = _key(quoted)
        if key not in limits:
            # A limit on all readers is held by each of them under their own name.
            base = (key[0].partition(":")[0], key[1])
            key = base if base in limits else key
        limits.setdefault(key, quoted)
        findings.setdefault(key, []).append(finding)
    for key, limit in limits.items():
        state = worst(
            state for one in findings[key] if (state := State(str(one["state"]))) in JUDGED
        )
        of_state = [one for one in findings[key] if one["state"] == state]
        spoken = of_state or findings[key]
        deciding = spoken[0] if spoken else None
        own = deciding["limit"] if deciding else None
        yield JudgedLimit(check, own if isinstance(own, dict) else limit, state, deciding)


def _key(limit: JsonObject) -> tuple[str, str]:
    return str(limit["measure"]), str(limit["direction"])
