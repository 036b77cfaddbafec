"""Long lists in pieces: `limit` and `offset`, both capped."""

from collections.abc import Callable
from typing import Annotated, Generic, TypeVar

from django.db.models import Model, QuerySet
from ninja import Query, Schema
from pydantic import Field

MOST = 200

Row = TypeVar("Row", bound=Model)
Item = TypeVar("Item")


class Page(Schema, Generic[Item]):
    items: list[Item]
    total: int
    limit: int
    offset: int


class Window(Schema):
    limit: int = Field(50, ge=1, le=MOST)
    offset: int = Field(0, ge=0, le=1_000_000)


InWindow = Annotated[Window, Query()]


def page_of(rows: QuerySet[Row], window: Window, show: Callable[[Row], Item]) -> Page[Item]:
    found = rows[window.offset : window.offset + window.limit]
    return Page(
        items=[show(row) for row in found],
        total=rows.count(),
        limit=window.limit,
        offset=window.offset,
    )
