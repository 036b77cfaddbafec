"""Charts drawn by the server as static SVG, each with a table of the same numbers."""

from portal.ui.charts.registry import KINDS, UnknownKind, is_drawn, render, render_narrow, table
from portal.ui.charts.table import Table, csv_text

__all__ = [
    "KINDS",
    "Table",
    "UnknownKind",
    "csv_text",
    "is_drawn",
    "render",
    "render_narrow",
    "table",
]
