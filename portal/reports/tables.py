"""Every table of a report under a stable name, as its page shows it and as CSV."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from portal.reports.cases import find, read_query
from portal.reports.doors import paper_door
from portal.reports.endpoints import endpoints_of
from portal.reports.frozen import Case, Frozen, Json
from portal.reports.ledger import Row
from portal.ui import numbers
from portal.ui.charts import Table, table
from portal.ui.charts.table import Cell, build
from portal.ui.estimates import unit_of
from portal.ui.measures import measure

# What a spreadsheet would take for a formula when a cell begins with it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
READINGS = "readings"
_ESTIMATE = ("value", "low", "high", "level", "n", "n_events")
_HEAD = ("measure", "name", *_ESTIMATE, "convention", "method", "reason", "unit")


class Named(NamedTuple):
    name: str  # of the file, without .csv
    title: str
    table: Table
    is_in_text: bool = True  # the report's sections show the same numbers as text


def all_tables(frozen: Frozen) -> list[Named]:
    """In the order of the report; the cases and their readings come last."""
    found = [
        Named("endpoints", "Limits and where the estimates stand", _endpoints(frozen)),
        Named("limits", "Limits of the protocol", _limits(frozen)),
    ]
    for check in frozen.checks:
        found += _of_check(check)
    if frozen.of_masks:
        found.append(Named("masks", masks_title(frozen), masks_table(frozen)))
    cases = list(frozen.cases)
    found.append(Named("cases", "Every case", cases_table(frozen, cases)))
    if frozen.has_readings:
        found.append(Named(READINGS, "Every answer of every reader", readings_table(cases)))
    return found


def find_table(frozen: Frozen, name: str) -> Named | None:
    return next((found for found in all_tables(frozen) if found.name == name), None)


def _of_check(check: Json) -> Iterator[Named]:
    title = str(check.get("title") or check["id"])
    if check["measures"]:
        yield Named(
            f"{check['id']}.measures",
            f"{title}: measures",
            build(_HEAD, [_measure_row(row) for row in check["measures"]]),
        )
    if check["findings"]:
        yield Named(f"{check['id']}.findings", f"{title}: findings", _findings(check))
    for k, series in enumerate(check.get("series") or [], 1):
        if series["kind"] == "points" and "cohort" not in series["fields"]:
            # the same as the table of cases
            continue
        name = f"{check['id']}.series-{k}"
        said = series.get("title") or series["kind"]
        yield Named(name, f"{title}: {said}", table(series), is_in_text=False)


def _measure_row(row: Json) -> list[Cell]:
    numbers = [row.get(key) for key in _ESTIMATE]
    words = [row.get(key) or "" for key in ("convention", "method", "reason")]
    return [row["id"], measure(row["id"]).name, *numbers, *words, unit_of(row).strip()]


def _findings(check: Json) -> Table:
    head = ("finding", "state", "claim", "measure", "cases", "action")
    return build(
        head,
        [
            [
                row["id"],
                row["state"],
                row["claim"],
                row.get("measure") or "",
                len(row.get("cases") or []),
                row.get("action") or "",
            ]
            for row in check["findings"]
        ],
    )


def _endpoints(frozen: Frozen) -> Table:
    head = (
        "check",
        "measure",
        "value",
        "low",
        "high",
        "n",
        "direction",
        "limit",
        "origin",
        "state",
        "reason",
        "unit",
    )
    rows = []
    for row in endpoints_of(frozen, paper_door(with_images=False)):
        found = row.estimate or {}
        numbers = [found.get(key) for key in ("value", "low", "high", "n")]
        limit = row.limit
        rule = [limit["direction"], limit["value"], limit["origin"]]
        check_id = row.check_anchor.removeprefix("#check-")
        unit = unit_of(row.estimate).strip()
        rows.append([check_id, limit["measure"], *numbers, *rule, row.state, row.reason, unit])
    return build(head, rows)


def _limits(frozen: Frozen) -> Table:
    head = ("check", "measure", "direction", "value", "origin", "reference")
    limits = frozen.protocol.get("limits") or []
    return build(head, [[limit.get(key) or "" for key in head] for limit in limits])


def ledger_table(rows: list[Row]) -> Table:
    return build(("what", "n"), [[row.words, row.n] for row in rows])


def without_patients(frozen: Frozen, cases: Table) -> Table:
    """The table of cases for a share link: patients are numbered, their ids stay with the team."""
    at, cluster = cases.head.index("patient_id"), cases.head.index("cluster")
    is_patient = frozen.cohort.get("cluster_kind") == "patient"
    every = [(case.cohort, case.cluster) for case in (*frozen.cases, *frozen.beside)]
    order = {unit: k for k, unit in enumerate(dict.fromkeys(every), 1)}
    rows = []
    for row in cases.rows:
        cells, case = list(row), frozen.by_id[str(row[cases.head.index("case_id")])]
        if is_patient or case.cohort:
            cells[cluster] = f"patient {order[case.cohort, case.cluster]}"
        rows.append([*cells[:at], *cells[at + 1 :]])
    return build([*cases.head[:at], *cases.head[at + 1 :]], rows)


def cases_table(frozen: Frozen, cases: list[Case]) -> Table:
    """One row for each case: label, score, outputs, outcome, covariates, first image."""
    known = [*frozen.cases, *(case for case in cases if case.cohort)]
    covariates = list(dict.fromkeys(name for case in known for name in case.covariates))
    outputs = frozen.outputs if any(case.outputs for case in frozen.cases) else []
    head = [
        "case_id", "cluster", "patient_id", "label", "present", "score", "outcome", "error",
        *(f"output {name}" for name in outputs), *covariates, "image_sha256",
    ]  # fmt: skip
    rows = [_case_row(case, outputs, covariates) for case in cases]
    if frozen.of_masks:
        head += ["dice_model_reference", "dice_two_readers"]
        rows = [
            [*row, case.model_dice, case.reader_dice] for row, case in zip(rows, cases, strict=True)
        ]
    return build(head, rows)


_KINDS = {
    ("reader", "reader"): "of two readers",
    ("reader", "others"): "of a reader with the majority of the other readers",
    ("model", "reader"): "of the model with a reader",
    ("model", "others"): "of the model with such a majority",
    ("model", "reference"): "of the model with the reference",
    ("reader", "reference"): "of a reader with the reference",
    ("model", "consensus"): "of the model with the majority of all readers",
}


def masks_title(frozen: Frozen) -> str:
    """How many rows there are of which kind: more than pairs of readers, and the reader asks why.

    Two empty masks have a row without a Dice.
    """
    kinds = Counter(
        (str(a).partition(":")[0], str(b).partition(":")[0])
        for case in frozen.cases
        for _, a, b, *_ in case.masks
    )
    said = [
        f"{numbers.count(n)} {_KINDS.get(kind, ' with '.join(kind))}"
        for kind, n in kinds.most_common()
    ]
    return f"Every comparison of masks: {', '.join(said)}" if said else "Every comparison of masks"


def masks_table(frozen: Frozen) -> Table:
    """One row for each comparison of two masks of each case: of two people, or with a majority."""
    unit = (frozen.cohort.get("masks") or {}).get("unit") or "as stored"
    head = ("case_id", "structure", "a", "b", f"size of a, {unit}", f"size of b, {unit}", "dice")
    rows = [[case.case_id, *pair] for case in frozen.cases for pair in case.masks]
    return build(head, rows)


def _case_row(case: Case, outputs: list[str], covariates: list[str]) -> list[Cell]:
    values: list[Cell] = [None] * len(outputs)
    if outputs and case.outputs:
        values = list(case.outputs)
    present = "" if case.present is None else "yes" if case.present else "no"
    return [
        case.case_id,
        case.cluster,
        case.patient_id or "",
        case.label or "",
        present,
        case.score,
        case.outcome.value,
        case.error,
        *values,
        *(str(case.covariates.get(name) or "") for name in covariates),
        case.images[0]["sha256"] if case.images else "",
    ]


def readings_table(cases: list[Case]) -> Table:
    """One row for each answer, under the reader's own name."""
    head = ("case_id", "reader_id", "question", "score", "label")
    rows = [[case.case_id, *reading] for case in cases for reading in case.readings]
    return build(head, [["" if cell is None else cell for cell in row] for row in rows])


def chosen_cases(frozen: Frozen, parameters: dict[str, str], selection: list[str]) -> Table:
    """The cases of a list, in its order."""
    return cases_table(frozen, find(frozen, read_query(parameters, selection)))


def chosen_readings(frozen: Frozen, parameters: dict[str, str], selection: list[str]) -> Table:
    """What readers answered on the cases of a list, in its order."""
    return readings_table(find(frozen, read_query(parameters, selection)))


def csv_bytes(rows: Table) -> bytes:
    """RFC 4180 in UTF-8, full precision; an undefined number is an empty field."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([safe(cell) for cell in rows.head])
    writer.writerows([safe(cell) for cell in row] for row in rows.rows)
    return out.getvalue().encode()


def safe(cell: Cell) -> Cell:
    """A text that a spreadsheet would run as a formula is quoted; numbers stay numbers.

    >>> safe("=1+1"), safe("-0.5"), safe(-0.5), safe("-x"), safe("fine")
    ("'=1+1", '-0.5', -0.5, "'-x", 'fine')
    """
    if isinstance(cell, str) and cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell
