"""Arguments become one of the commands; every command ends in an exit code."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ml.cli import audit, beside, deidentify, intake, seen
from ml.cli.errors import BROKEN, REFUSED, Stop
from ml.intake.refusal import Refused
from ml.sandbox.gpu import NAMED


def main(argv: Sequence[str]) -> int:
    """Run one command.

    Returns:
        0 done, 1 a limit failed, 2 the input was refused (reasons as JSON on stdout), 3 it broke.
    """
    wanted = argv[1:2] if "stats" in argv[:1] else None
    arguments = parser(wanted).parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except Refused as refused:
        reasons = [refusal.to_json() for refusal in refused.refusals]
        lay_there = {"scan": refused.scan} if refused.scan else {}
        print(json.dumps({"refused": reasons, **lay_there}, indent=1, ensure_ascii=False))
        return REFUSED
    except Stop as stop:
        print(stop, file=sys.stderr)
        return stop.code
    except Exception as error:  # left alone it would end in 1, which means that a limit failed
        print(f"The command broke: {type(error).__name__}: {error}", file=sys.stderr)
        return BROKEN


def _allow_torchscript(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--allow-torchscript",
        dest="allow",
        action="append_const",
        const="torchscript",
        default=[],
        help="open TorchScript, which runs code it brings, behind namespaces (docs/formats.md)",
    )


def _device(word: str) -> str:
    if NAMED.fullmatch(word) is None:
        raise argparse.ArgumentTypeError(f"{word!r} is none of auto, cpu, cuda, cuda:N")
    return word


def parser(measures: Sequence[str] | None = ()) -> argparse.ArgumentParser:
    """All commands, and of `stats` what is wanted: a hundred measures take longer than one.

    Args:
        measures: of `stats` that are wanted; all of them where none of these is one, and none at
            all for None.
    """
    top = argparse.ArgumentParser(prog="python -m ml", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("audit", help="audit a model or predictions on a cohort")
    subject = command.add_mutually_exclusive_group()
    subject.add_argument("--model", type=Path, help="model folder or a zip of it")
    subject.add_argument("--predictions", type=Path, help="predictions folder or a zip of it")
    command.add_argument("--cohort", type=Path, required=True, help="cohort folder or a zip of it")
    command.add_argument("--protocol", type=Path, help="protocol.yaml; absent: the default")
    command.add_argument(
        "--ood", type=beside.given, action="append", default=[], metavar="[near|far|shifted=]OOD",
        help="cohort of foreign images; may be given several times",
    )  # fmt: skip
    command.add_argument(
        "--reference", type=Path, help="development cohort, or the one it was trained on"
    )
    command.add_argument("--out", type=Path, required=True, help="folder for audit.json, evidence")
    command.add_argument("--workers", type=int, default=1, help="shards computed at a time")
    _allow_torchscript(command)
    command.add_argument("--device", type=_device, default="cpu", help="cpu, cuda, cuda:N or auto")
    command.set_defaults(run=audit.run)

    command = commands.add_parser("intake", help="read, check and smoke-run one folder or file")
    command.add_argument("path", type=Path)
    command.add_argument("--json", action="store_true", help="print the whole result as JSON")
    _allow_torchscript(command)
    command.set_defaults(run=intake.run)

    command = commands.add_parser("seen", help="what a model would be given for a case, as PNG")
    command.add_argument("manifest", type=Path, help="model.yaml")
    command.add_argument("images", type=Path, nargs="+", help="a file, or a series as a folder")
    command.add_argument("--out", type=Path, default=Path("seen.png"))
    command.set_defaults(run=seen.run)

    command = commands.add_parser("deidentify", help="DICOM without what says whose it is")
    command.add_argument("inputs", type=Path, nargs="+", metavar="IN", help="file, folder or zip")
    command.add_argument("--out", type=Path, required=True, help="new folder for files and report")
    command.add_argument("--key", type=Path, help="file of 32 bytes or more; absent: made and lost")
    command.set_defaults(run=deidentify.run)

    command = commands.add_parser("stats", help="any measure from a table")
    if measures is not None:
        from ml.cli import stats

        stats.add_arguments(command, measures)
        command.set_defaults(run=stats.run)
    return top
