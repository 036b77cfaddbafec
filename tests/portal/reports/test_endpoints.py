"""The table of limits on a report's first screen."""

from typing import Any

from ml.document import headline
from ml.judged import judged_limits
from portal.reports.doors import team_door
from portal.reports.endpoints import Endpoint, endpoints_of, together
from portal.reports.frozen import open_report
from portal.reports.limitations import judged_by


def endpoint(name: str, state: str, reason: str = "") -> Endpoint:
    limit = {"origin": "platform default", "measure": name}
    return Endpoint(name, f"#check-{name}", None, limit, state, "", reason, "")


def test_limits_without_a_value_for_one_reason_share_a_row() -> None:
    judged = endpoint("alpha", "fail")
    lacking = [endpoint(f"m{k}", "not assessed", "No labels.") for k in range(3)]
    other = [endpoint(f"o{k}", "not assessed", "No model.") for k in range(2)]

    alone, groups = together([judged, *lacking, *other])

    assert alone == [judged, *other]
    assert [(one.reason, list(one.rows)) for one in groups] == [("No labels.", lacking)]
    assert groups[0].origins == ["platform default"]


def test_a_limit_that_was_judged_is_never_grouped() -> None:
    rows = [endpoint(f"m{k}", "fail", "Undefined here.") for k in range(4)]

    assert together(rows) == (rows, [])


def test_headline_table_and_plan_count_the_same_limits(report: Any) -> None:
    frozen = open_report(report)
    rows = endpoints_of(frozen, team_door(report))
    assessed = sum(row.state != "not assessed" for row in rows)
    keys = [(row.check_anchor, row.limit["measure"], row.limit["direction"]) for row in rows]

    assert len(set(keys)) == len(keys) == len(frozen.limits)
    sentence = headline(frozen.audit)["verdict_sentence"]
    assert f"of {assessed} limits assessed" in sentence
    assert f"{len(rows) - assessed} more were not assessed" in sentence
    assert f"Of the {assessed} limits that judged something" in judged_by(frozen)
    assert f"{len(rows) - assessed} more were not assessed." in judged_by(frozen)
    assert len(judged_limits(frozen.audit)) == len(rows)


def test_a_limit_that_judged_nothing_says_why(report: Any) -> None:
    rows = endpoints_of(open_report(report), team_door(report))

    assert all(row.reason for row in rows if row.state == "not assessed")
    assert not any(row.figure for row in rows if row.state == "not assessed")
