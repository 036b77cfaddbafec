"""`python -m ml.conformance PATH... [--json]`: recompute the expected values of reference cases."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ml.conformance.cases import read_cases
from ml.conformance.run import DIFFERS, NOT_OFFERED, REPRODUCED, Verdict, verdicts


def main(argv: Sequence[str]) -> int:
    """Print every verdict and the count.

    Returns:
        0 only when all values are reproduced, 1 otherwise, 2 when nothing could be read.
    """
    parser = argparse.ArgumentParser(prog="python -m ml.conformance", description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="case file or folder")
    parser.add_argument("--json", action="store_true", help="one JSON line per value")
    parser.add_argument("--only", help="cases whose id contains this text")
    options = parser.parse_args(argv)
    count: Counter[str] = Counter()
    try:
        cases = [case for case in read_cases(options.paths) if (options.only or "") in case.id]
    except (OSError, ValueError) as error:
        print(f"Not read: {error}", file=sys.stderr)
        return 2
    for verdict in verdicts(cases):
        count[verdict.state] += 1
        if options.json:
            print(json.dumps(verdict.json()))
        elif verdict.state != REPRODUCED:
            print(_words(verdict))
    total = sum(count.values())
    print(
        f"reproduced {count[REPRODUCED]} of {total}, {count[DIFFERS]} differ, "
        f"{count[NOT_OFFERED]} not offered"
    )
    return 0 if total and count[REPRODUCED] == total else 1


def _words(verdict: Verdict) -> str:
    params = ", ".join(f"{name}={value}" for name, value in verdict.params.items())
    line = f"{verdict.state}: {verdict.case} {verdict.metric}" + (f" ({params})" if params else "")
    if verdict.state == DIFFERS:
        line += f": expected {verdict.expected}, got {verdict.answer}"
    return line + (f" [{verdict.note}]" if verdict.note else "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
