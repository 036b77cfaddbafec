"""Right and wrong calls at the threshold, as a table of two by two."""

from portal.reports import gallery
from portal.reports.doors import Door
from portal.reports.frozen import Frozen, Json


def cells(frozen: Frozen, door: Door) -> Json | None:
    """Two by two at the declared threshold, each cell a way to its cases."""
    if frozen.threshold is None:
        return None
    found = sum(case.outcome == "found" for case in frozen.cases)
    clear = sum(case.outcome == "rightly-clear" for case in frozen.cases)
    misses = sum(case.outcome == "missed" for case in frozen.cases)
    alarms = sum(case.outcome == "false-alarm" for case in frozen.cases)
    no_score = [
        gallery.besides(sum(case.counts_as_miss for case in frozen.cases), "missed"),
        gallery.besides(
            sum(case.counts_as_alarm for case in frozen.cases), "a false alarm", "false alarms"
        ),
    ]
    if not found + clear + misses + alarms and not any(no_score):
        return None
    return {
        "found": (found, door.cases(filter="found", sort="high")),
        "missed": (misses, door.cases(filter="missed")),
        "alarms": (alarms, door.cases(filter="false-alarm")),
        "clear": (clear, door.cases(filter="rightly-clear", sort="low")),
        "no_score": ", ".join(words for words in no_score if words),
        "no_score_url": door.cases(filter="counted-wrong"),
    }
