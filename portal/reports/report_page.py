"""The report as its page, its PDF and its shared page show it, from the frozen content alone."""

import json
from dataclasses import dataclass, field
from typing import Any

from portal.reports import (
    confusion,
    explained_gallery,
    foreign,
    gallery,
    glossary,
    ledger,
    limitations,
    same_images,
    shortcut,
    stress,
    tables,
    worsened,
)
from portal.reports.doors import Door
from portal.reports.endpoints import (
    Endpoint,
    Unassessed,
    basis_url,
    endpoints_of,
    estimate_of,
    together,
)
from portal.reports.frozen import Frozen, Json, open_report
from portal.reports.models import Report
from portal.ui.charts import Table, is_drawn, table

_WORST_FIRST = ("fail", "caution")
_TOP = 3
_FIRST_CHECK = 4  # after summary, plan and data
_STATES = ("fail", "caution", "pass", "info", "not assessed")
_LONG_TABLE = 24  # rows; longer ones are left to the CSV on paper
_WIDE = frozenset(
    {"forest", "case-values", "stress-curves", "removal-curves"}
)  # drawn over the whole width of a page
_MANY_MEASURES = 6
_TOO_MANY_MEASURES = 60
_MOST_ROWS = 120  # of a table that a section shows


@dataclass(frozen=True)
class Card:
    """A finding with the estimate it judges."""

    finding: Json
    estimate: Json | None
    check: str  # title
    check_url: str
    cases_url: str
    is_on_top: bool  # shown in full under "What matters most"; its section names it in one line

    @property
    def unanchored(self) -> Json:
        """Without its id, so that the page has each anchor once."""
        return self.finding | {"id": ""}


@dataclass(frozen=True)
class MeasureRow:
    estimate: Json
    cases_url: str  # the cases the number rests on


@dataclass(frozen=True)
class Chart:
    series: Json
    csv_url: str
    explore_url: str
    fold: str = ""  # words of the fold that it lies in


@dataclass(frozen=True)
class PlainTable:
    """A series that is a table by what it is; a long one is left to its file."""

    series: Json
    table: Table | None
    csv_url: str


@dataclass(frozen=True)
class CheckSection:
    number: int
    check: Json
    title: str
    cards: list[Card]
    charts: list[Chart]
    measures: list[MeasureRow]
    shown: list[MeasureRow]  # on paper, of a very long table, those that findings name
    measures_csv: str
    confusion: Json | None
    pictures: list[gallery.GalleryRow]  # of cases that the check chose
    tables: list[PlainTable] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        return f"check-{self.check['id']}"

    @property
    def first_cards(self) -> list[Card]:
        """All in their order, but of many findings of one kind the worst alone."""
        alike = set(map(id, self.alike_cards))
        return [card for card in self.cards if id(card) not in alike]

    @property
    def alike_cards(self) -> list[Card]:
        """The further ones of one kind: twenty cards in a row would bury what comes after."""
        by_id = {card.finding["id"]: card for card in self.cards}
        on_top = {card.finding["id"] for card in self.cards if card.is_on_top}
        return [by_id[one] for one in stress.further([c.finding for c in self.cards], on_top)]

    @property
    def has_curves(self) -> bool:
        return any(chart.series["kind"] == stress.CURVES for chart in self.charts)

    @property
    def is_assessed(self) -> bool:
        return bool(self.check["state"] != "not assessed")

    @property
    def says_more(self) -> bool:
        """Whether the summary is more than the claim of a finding that stands below it."""
        return self.check["summary"] not in {card.finding["claim"] for card in self.cards}

    @property
    def is_only_reason(self) -> bool:
        """A check that was not assessed, whose one finding says what its reason says."""
        claims = [card.finding["claim"] for card in self.cards]
        return not self.is_assessed and claims == [self.check["reason"]]

    @property
    def is_alone(self) -> bool:
        """One picture alone leaves half the width of a page for the measures."""
        return len(self.small_charts) + int(self.confusion is not None) == 1

    @property
    def has_many(self) -> bool:
        """Measures that would push all that follows out of sight: a page opens them on request."""
        return len(self.measures) > _TOO_MANY_MEASURES

    @property
    def common_method(self) -> str:
        """How every interval of a long table was made, if it was the same way for all."""
        methods = {row.estimate["method"] for row in self.measures if row.estimate.get("method")}
        return methods.pop() if len(methods) == 1 and len(self.measures) > _MANY_MEASURES else ""

    @property
    def wide_charts(self) -> list[Chart]:
        return [chart for chart in self.charts if chart.series["kind"] in _WIDE]

    @property
    def small_charts(self) -> list[Chart]:
        return [chart for chart in self.charts if chart.series["kind"] not in _WIDE]


@dataclass(frozen=True)
class Entry:
    """A line of the contents."""

    number: str
    anchor: str
    title: str
    state: str = ""


@dataclass
class ReportPage:
    frozen: Frozen
    door: Door
    endpoints: list[Endpoint] = field(default_factory=list)
    unassessed: list[Unassessed] = field(default_factory=list)
    top: list[Card] = field(default_factory=list)
    sections: list[CheckSection] = field(default_factory=list)
    contents: list[Entry] = field(default_factory=list)
    tables: list[Json] = field(default_factory=list)

    @property
    def counts(self) -> list[tuple[str, int]]:
        """How many checks ended in which state: [("fail", 2), ("not assessed", 1)]."""
        states = [check["state"] for check in self.frozen.checks]
        return [(state, states.count(state)) for state in _STATES if state in states]

    @property
    def wrong_number(self) -> int:
        return _FIRST_CHECK + len(self.sections)

    @property
    def limits_number(self) -> int:
        return self.wrong_number + int(self.frozen.has_scores)

    @property
    def more_findings(self) -> int:
        """Findings that fail or are in doubt and are not among the first."""
        return sum(finding["state"] in _WORST_FIRST for _, finding in self.frozen.findings) - sum(
            card.finding["state"] in _WORST_FIRST for card in self.top
        )


def build(frozen: Frozen, door: Door) -> ReportPage:
    page = ReportPage(frozen, door)
    page.endpoints, page.unassessed = together(endpoints_of(frozen, door))
    page.top = _top(frozen, door)
    on_top = {card.finding["id"] for card in page.top}
    page.sections = [
        _section(frozen, door, check, _FIRST_CHECK + k, on_top)
        for k, check in enumerate(frozen.checks)
    ]
    page.contents = _contents(page)
    page.tables = [_table_entry(table, door) for table in tables.all_tables(frozen)]
    return page


def document_context(report: Report, door: Door) -> dict[str, Any]:
    """Everything the templates of the document read."""
    frozen = open_report(report).spoken
    manifest = (frozen.model or {}).get("manifest")
    return _words(frozen) | {
        "report": report,
        "door": door,
        "page": build(frozen, door),
        "ledger": ledger.rows(frozen, door),
        "gallery": gallery.rows(frozen, door),
        "worsened": worsened.of(frozen, door, report.audit),
        "beside_cohorts": foreign.cohorts(frozen),
        "packages": list((frozen.audit["engine"].get("packages") or {}).items()),
        "protocol_json": _pretty(frozen.protocol),
        "manifest_json": _pretty(manifest) if manifest else "",
        "longest_on_paper": _LONG_TABLE,
    }


def _words(frozen: Frozen) -> dict[str, Any]:
    return {
        "frozen": frozen,
        "audit": frozen.audit,
        "headline": frozen.headline,
        "verdict_word": f"Verdict: {frozen.audit['verdict']}",
        "level_text": f"{100 * float(frozen.protocol.get('level') or 0.95):g} %",
        "lead": " ".join(frozen.headline.get("lead") or []),
        "subject": frozen.subject,
        "cohort": frozen.cohort,
        "protocol": frozen.protocol,
        "run": frozen.context,
        "started_at": frozen.moment("started_at"),
        "locked_at": frozen.moment("protocol_locked_at"),
        "n_present": sum(case.present is True for case in frozen.cases),
        "notes": _paragraphs(frozen.cohort.get("notes") or ""),
        "gaps": _gaps(frozen),
        "judged_by": limitations.judged_by(frozen),
        "origins": limitations.origin_counts(frozen),
        "labels": ledger.labels(frozen),
        "characteristics": ledger.characteristics(frozen),
        "covariates": ledger.covariates(frozen),
        "limitations": limitations.of(frozen),
        "unasked": limitations.unasked(frozen),
        "terms": glossary.used(frozen),
    }


def _gaps(frozen: Frozen) -> list[tuple[str, str]]:
    """What was not assessed, by reason: (titles, reason)."""
    by_reason: dict[str, list[str]] = {}
    for gap in frozen.headline.get("not_assessed") or []:
        titles = by_reason.setdefault(gap["reason"], [])
        if gap["title"] not in titles:
            titles.append(gap["title"])
    return [(", ".join(titles), reason) for reason, titles in by_reason.items()]


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in text.split("\n\n") if part.strip()]


def _pretty(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _top(frozen: Frozen, door: Door) -> list[Card]:
    """The findings a reader must not miss: worst first, in the order of the report."""
    pairs = list(frozen.findings)
    bad = [pair for state in _WORST_FIRST for pair in pairs if pair[1]["state"] == state]
    chosen = bad[:_TOP] or [pair for pair in pairs if pair[1]["state"] == "pass"][:_TOP]
    return [_card(door, check, finding, is_on_top=True) for check, finding in chosen]


def _section(
    frozen: Frozen, door: Door, check: Json, number: int, on_top: set[str]
) -> CheckSection:
    measures = [MeasureRow(row, basis_url(frozen, door, row)) for row in check["measures"]]
    return CheckSection(
        number=number,
        check=check,
        title=title_of(check),
        cards=[
            _card(door, check, finding, is_on_top=finding["id"] in on_top)
            for finding in check["findings"]
        ],
        charts=[
            Chart(
                series=figure,
                csv_url=door.csv(f"{check['id']}.series-{k}"),
                explore_url=_explore_url(door, series),
                fold=fold,
            )
            for k, series in enumerate(check.get("series") or [], 1)
            if is_drawn(series)
            for figure, fold in _figures(door, series)
        ],
        measures=measures,
        shown=_named(measures, check, door),
        measures_csv=door.csv(f"{check['id']}.measures"),
        confusion=confusion.cells(frozen, door) if check["id"] == "operating-point" else None,
        pictures=[
            *foreign.gallery(frozen, door, check),
            *shortcut.gallery(frozen, door, check),
            *explained_gallery.rows(frozen, door, check),
            *same_images.gallery(frozen, door, check),
        ],
        tables=[
            PlainTable(
                series,
                table(series) if len(series["rows"]) <= _MOST_ROWS else None,
                door.csv(f"{check['id']}.series-{k}"),
            )
            for k, series in enumerate(check.get("series") or [], 1)
            if series["kind"] == "table"
        ],
    )


def _figures(door: Door, series: Json) -> list[tuple[Json, str]]:
    """One for most series, with the words of the fold that it lies in, if any."""
    if series["kind"] != stress.CURVES:
        return [(series, "")]
    return stress.figures(series, is_paper=door.is_paper)


def _named(measures: list[MeasureRow], check: Json, door: Door) -> list[MeasureRow]:
    """Tens of pages of numbers are searched in a file, not on paper, which cannot be folded."""
    named = {finding.get("measure") for finding in check["findings"]}
    is_whole = not door.is_paper or len(measures) <= _TOO_MANY_MEASURES
    return [row for row in measures if is_whole or row.estimate["id"] in named]


def _card(door: Door, check: Json, finding: Json, *, is_on_top: bool) -> Card:
    return Card(
        finding=finding,
        estimate=estimate_of(check, finding.get("measure")),
        check=title_of(check),
        check_url=f"#check-{check['id']}",
        cases_url=_cases_url(door, finding),
        is_on_top=is_on_top,
    )


def _cases_url(door: Door, finding: Json | None) -> str:
    if not finding or not finding.get("cases"):
        return ""
    return door.cases(finding=finding["id"])


def _explore_url(door: Door, series: Json) -> str:
    views = {"roc": "roc", "score-histogram": "scores", "reliability": "calibration"}
    if not door.explore or series["kind"] not in views:
        return ""
    return door.with_query(door.explore, {"view": views[series["kind"]]})


def title_of(check: Json) -> str:
    return str(check.get("title") or check["id"].replace("-", " ").capitalize())


def _contents(page: ReportPage) -> list[Entry]:
    entries = [
        Entry("1", "summary", "Summary", page.frozen.audit["verdict"]),
        Entry("2", "plan", "Use and plan"),
        Entry("3", "data", "Data"),
        *(
            Entry(str(section.number), section.anchor, section.title, section.check["state"])
            for section in page.sections
        ),
    ]
    if page.frozen.has_scores:
        entries.append(Entry(str(page.wrong_number), "wrong-cases", "Wrong cases"))
    return [
        *entries,
        Entry(str(page.limits_number), "limitations", "What this does not show"),
        Entry("A", "reproduce", "Reproduce"),
        Entry("B", "tables", "All tables"),
        Entry("C", "glossary", "Words used here"),
    ]


def _table_entry(table: tables.Named, door: Door) -> Json:
    return {
        "name": table.name,
        "title": table.title,
        "table": table.table,
        "n_rows": len(table.table.rows),
        "url": door.csv(table.name),
        "is_set": not table.is_in_text and len(table.table.rows) <= _LONG_TABLE,
    }
