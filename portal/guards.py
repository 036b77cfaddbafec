"""Triggers that keep sealed rows as they are, whoever writes: the ORM, a script or a person.

They are installed after every migration, because SQLite rebuilds a table (and so loses its
triggers) when a column changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connections, models


@dataclass(frozen=True)
class Guard:
    """Rows of `table` for which `sealed` holds may change only in `free` columns.

    `sealed` is SQL over `{row}`: the row before or after the change. Changing a free column cannot
    break the seal either. `closed`: the seal is a parent's, and no row is added below it or moved
    there; its SQL says with `{lock}` where the parent is held while a row is added.
    """

    table: str
    sealed: str
    says: str
    free: tuple[str, ...] = ()
    closed: bool = False
    deletable: bool = False

    def holds(self, row: str, lock: str = "") -> str:
        return f"({self.sealed.format(row=row, lock=lock)})"


def guarded_columns(model: type[models.Model], free: Sequence[str]) -> list[str]:
    columns = [field.column for field in model._meta.concrete_fields if field.column]
    unknown = set(free) - set(columns)
    if unknown:
        raise ValueError(f"{model.__name__} has no column {sorted(unknown)}")
    return [column for column in columns if column not in free]


def install(using: str, model: type[models.Model], guard: Guard) -> None:
    connection = connections[using]
    columns = guarded_columns(model, guard.free)
    statements = (
        _postgres(guard, columns) if connection.vendor == "postgresql" else _sqlite(guard, columns)
    )
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _events(guard: Guard, differs: str, lock: str = "") -> dict[str, str]:
    """Which event is refused under which condition."""
    before, after = guard.holds("OLD"), guard.holds("NEW")
    events = {"update": f"{before} AND (({differs}) OR NOT {after})"}
    if guard.closed:
        events["update"] += f" OR {after} AND ({differs})"
        events["insert"] = guard.holds("NEW", lock)
    if not guard.deletable:
        events["delete"] = before
    return events


def _sqlite(guard: Guard, columns: Sequence[str]) -> list[str]:
    differs = " OR ".join(f'NEW."{column}" IS NOT OLD."{column}"' for column in columns)
    statements = []
    for event, when in _events(guard, differs).items():
        name = f"guard_{guard.table}_{event}"
        create = (
            f"CREATE TRIGGER {name} BEFORE {event.upper()} ON {guard.table} FOR EACH ROW "
            f"WHEN {when} BEGIN SELECT RAISE(ABORT, '{guard.says}'); END"
        )
        statements += [f"DROP TRIGGER IF EXISTS {name}", create]
    return statements


def _postgres(guard: Guard, columns: Sequence[str]) -> list[str]:
    """Conditions sit inside the function: a WHEN clause may not hold a sub-query.

    A row waits to be added while another transaction seals its parent.
    """
    differs = " OR ".join(
        f'NEW."{column}"::text IS DISTINCT FROM OLD."{column}"::text' for column in columns
    )
    refuse = f"RAISE EXCEPTION '{guard.says}' USING ERRCODE = 'check_violation';"
    statements = []
    for event, when in _events(guard, differs, lock="FOR SHARE").items():
        kept = "OLD" if event == "delete" else "NEW"
        body = f"IF {when} THEN {refuse} END IF; RETURN {kept};"
        statements += _postgres_trigger(guard.table, event, "ROW", body)
    if not guard.deletable:
        statements += _postgres_trigger(guard.table, "truncate", "STATEMENT", refuse)
    return statements


def _postgres_trigger(table: str, event: str, each: str, body: str) -> list[str]:
    name = f"guard_{table}_{event}"
    function = (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {body} END $$"
    )
    trigger = (
        f"CREATE TRIGGER {name} BEFORE {event.upper()} ON {table} "
        f"FOR EACH {each} EXECUTE FUNCTION {name}()"
    )
    return [function, f"DROP TRIGGER IF EXISTS {name} ON {table}", trigger]
