"""The table of limits on a report's first screen."""

from portal.reports.endpoints import Endpoint, together


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
