"""Triggers that keep sealed rows as they are, whoever writes: the ORM, a script or a person.

They are installed after every migration, because SQLite rebuilds a table (and so loses its
triggers) when a column changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connections, models


@dataclass(frozen=True)
class Guard:
    """Rows of `table` for which `sealed` holds (SQL over OLD) may change only in `free` columns.

    `parent_sealed` (SQL over NEW) also refuses inserts below a sealed parent.
    """

    table: str
    sealed: str
    says: str
    free: tuple[str, ...] = ()
    parent_sealed: str = ""
    deletable: bool = False


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


def _events(guard: Guard, differs: str) -> dict[str, str]:
    events = {"update": f"({guard.sealed}) AND ({differs})"}
    if not guard.deletable:
        events["delete"] = f"({guard.sealed})"
    if guard.parent_sealed:
        events["insert"] = f"({guard.parent_sealed})"
    return events


def _sqlite(guard: Guard, columns: Sequence[str]) -> list[str]:
    differs = " OR ".join(f'NEW."{column}" IS NOT OLD."{column}"' for column in columns)
    statements = []
    for event, when in _events(guard, differs).items():
        name = f"guard_{guard.table}_{event}"
        statements += [
            f"DROP TRIGGER IF EXISTS {name}",
            (
                f"CREATE TRIGGER {name} BEFORE {event.upper()} ON {guard.table} FOR EACH ROW "
                f"WHEN {when} BEGIN SELECT RAISE(ABORT, '{guard.says}'); END"
            ),
        ]
    return statements


def _postgres(guard: Guard, columns: Sequence[str]) -> list[str]:
    """Conditions sit inside the function: a WHEN clause may not hold a sub-query."""
    differs = " OR ".join(
        f'NEW."{column}"::text IS DISTINCT FROM OLD."{column}"::text' for column in columns
    )
    statements = []
    for event, when in _events(guard, differs).items():
        name = f"guard_{guard.table}_{event}"
        kept = "OLD" if event == "delete" else "NEW"
        statements += [
            (
                f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"IF {when} THEN RAISE EXCEPTION '{guard.says}' USING ERRCODE = 'check_violation'; "
                f"END IF; RETURN {kept}; END $$"
            ),
            f"DROP TRIGGER IF EXISTS {name} ON {guard.table}",
            (
                f"CREATE TRIGGER {name} BEFORE {event.upper()} ON {guard.table} "
                f"FOR EACH ROW EXECUTE FUNCTION {name}()"
            ),
        ]
    return statements
