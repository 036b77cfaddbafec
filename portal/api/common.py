"""What endpoints share: looking a thing up in the token's team, and addresses of pages."""

from typing import Protocol, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from portal.api.problems import Problem

Row = TypeVar("Row", bound=Model)


class HasPage(Protocol):
    def get_absolute_url(self) -> str: ...


def find(rows: QuerySet[Row], pk: UUID, noun: str) -> Row:
    """One row of the team's, by its id; a stranger's thing does not exist."""
    found = rows.filter(pk=pk).first()
    if found is None:
        raise Problem("not_found", f"There is no {noun} {pk} in this team.", noun=noun, id=str(pk))
    return found


def page_url(request: HttpRequest, thing: HasPage) -> str:
    return request.build_absolute_uri(thing.get_absolute_url())
