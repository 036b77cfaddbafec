"""The command line: `python -m demo build --cache DIR --out DIR [--cases 300|all] [--seed N]`.

`python -m demo foreign --cache DIR --out DIR` writes the cohorts of foreign images.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from demo import foreign
from demo.br35h import SEED, Cases
from demo.content import build
from demo.folders import FolderError
from demo.packages import PackageError


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {line}", flush=True)

    try:
        if options.command == "foreign":
            written = foreign.build(options.cache, options.out, say=say)
            print(json.dumps([asdict(one) for one in written], default=str))
            return 0
        built = build(options.cache, options.out, cases=options.cases, seed=options.seed, say=say)
    except (PackageError, FolderError, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 2
    print(json.dumps(asdict(built), default=str))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    command = commands.add_parser("build", help="fetch the packages and write the folders")
    command.add_argument("--cache", type=Path, required=True, help="where packages are kept")
    command.add_argument("--out", type=Path, required=True, help="where the folders are written")
    command.add_argument("--cases", type=_cases, default=300, help="an even number, or all")
    command.add_argument("--seed", type=int, default=SEED, help="of the drawn subset")
    command = commands.add_parser("foreign", help="write cohorts of foreign images for --ood")
    command.add_argument("--cache", type=Path, required=True, help="where packages are kept")
    command.add_argument("--out", type=Path, required=True, help="where the folders are written")
    return parser


def _cases(text: str) -> Cases:
    if text == "all":
        return "all"
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor all") from None


if __name__ == "__main__":
    sys.exit(main())
