"""`python -m ml stats`: any measure from a table, as JSON."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ml.cli.errors import DONE
from ml.cli.stats.catalogue import MEASURES, Measure
from ml.cli.stats.columns import Table
from ml.cli.stats.options import add_options, chosen
from ml.cli.stats.output import jsonable, labelled
from ml.cli.stats.shapes import SHAPES
from ml.intake.refusal import Refused, refuse
from ml.stats.bootstrap import DEFAULT, Settings

_EPILOG = "`python -m ml stats MEASURE --help` lists the columns and options of one measure."

_ALONE = "refused: this measure knows no independent units"
# An answer as if the rows were independent, to one who says that they are not, would mislead.
_NO_CLUSTERS = (
    "does not take rows together: leave --cluster out where each row is independent of the others, "
    "or give it one row for each independent unit."
)


def add_arguments(command: argparse.ArgumentParser, wanted: Sequence[str] = ()) -> None:
    """Those of the measures that are wanted; of all of them where none of these is one."""
    command.epilog = _EPILOG
    measures = command.add_subparsers(required=True, metavar="MEASURE", dest="measure")
    for name in [name for name in wanted if name in MEASURES] or MEASURES:
        measure = MEASURES[name]
        shape = SHAPES[measure.shape]
        one = measures.add_parser(
            name,
            help=measure.summary,
            description=f"{measure.summary} Table: {shape.words}.",
        )
        if shape.has_table:
            one.add_argument("table", type=Path, help="CSV with a header")
        for column in shape.columns:
            one.add_argument(
                f"--{column.option}", default=column.default, metavar="COLUMN", help=column.words
            )
        for flag in shape.flags:
            one.add_argument(f"--{flag.option}", default=flag.default, help=flag.words,
                             choices=flag.choices)  # fmt: skip
        if shape.has_table:
            words = "column of independent units" if measure.takes_clusters else _ALONE
            one.add_argument("--cluster", metavar="COLUMN", help=words)
        taken = [c.option for c in shape.columns] + [f.option for f in shape.flags]
        add_options(one, measure.function, measure.given, measure.defaults, taken)
        if measure.takes("settings") or measure.takes("level"):
            one.add_argument("--level", type=float, default=DEFAULT.level, help="of intervals")
        if measure.takes("settings"):
            one.add_argument("--draws", type=int, default=DEFAULT.draws, help="of the bootstrap")
            one.add_argument("--seed", type=int, default=DEFAULT.seed, help="of the draws")


def run(arguments: argparse.Namespace) -> int:
    """Compute the measure and print what it gives."""
    measure: Measure = MEASURES[arguments.measure]
    shape = SHAPES[measure.shape]
    said = {name: getattr(arguments, name) for name in ("draws", "seed", "level")
            if hasattr(arguments, name)}  # fmt: skip
    try:
        settings = Settings(**said)
    except ValueError as error:
        raise refuse("label_value", f"{error}") from None
    file = ""
    table = None
    if shape.has_table:
        if arguments.cluster and not measure.takes_clusters:
            raise refuse("label_value", f"{arguments.measure} {_NO_CLUSTERS}")
        path: Path = arguments.table
        file = path.name
        if not path.is_file():
            raise refuse("not_found", "There is no such file.", file=file)
        wanted = {c.option: getattr(arguments, c.option.replace("-", "_")) for c in shape.columns}
        named = [name for name in wanted.values() if name]
        try:
            table = Table.read(path, named, arguments.cluster)
        except Refused as refused:
            raise _with_options(refused, wanted) from None
    options = chosen(measure.function, measure.given, arguments)
    try:
        given = shape.read(table, arguments)
        made = measure.call(given, settings, options)
    except ValueError as error:
        raise refuse("label_value", f"{error}", file=file or None) from None
    told = labelled(jsonable(made), given.labels)
    print(json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False))
    return DONE


def _with_options(refused: Refused, wanted: dict[str, str | None]) -> Refused:
    """A column that is missing may have another name: say which option tells it."""
    words = ", ".join(f"--{option}" for option, name in wanted.items() if name)
    return Refused([
        replace(one, message=f"{one.message} Name your own columns with {words}.")
        if "lacks the column" in one.message else one
        for one in refused.refusals
    ])  # fmt: skip
