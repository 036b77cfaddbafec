"""`python -m benchmarks.networks [NAME...]`: compare, and write docs/networks.md.

Without names every network of MONAI is compared, in small and in full size, which takes half an
hour or more; with names, those whose title contains one of them.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.networks.comparing import Compared, compared
from benchmarks.networks.page import OF_SIZE, PAGE, RESULTS, key, made_with, page, stored
from benchmarks.networks.real import REAL
from benchmarks.networks.rows import ROWS, SIZES
from ml.estimate import JsonObject


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts of titles")
    parser.add_argument("--size", choices=SIZES, help="only this one")
    parser.add_argument("--packages", type=Path, help="a folder of packages with weights")
    options = parser.parse_args(argv)
    known = stored()

    def wanted(title: str) -> bool:
        return not options.names or any(name in title for name in options.names)

    for row in ROWS:
        for size in row.sizes if not options.size else {options.size} & set(row.sizes):
            for kind in OF_SIZE[size] if wanted(row.title) else ():
                found = compared(row, size, kind)
                known[key(row, size, kind)] = found.to_json() | made_with(row, size)
                _told(key(row, size, kind), found, known)
    for one in REAL if options.packages else ():
        if wanted(one.title):
            found = one.compared(options.packages)
            known[one.title] = found.to_json() | {"sha256": one.sha256, "case": list(one.case)}
            _told(one.title, found, known)
    return 0


def _told(name: str, found: Compared, known: dict[str, JsonObject]) -> None:
    """After each comparison, so that a run that is stopped keeps what it has found."""
    print(name, found, flush=True)
    order = [
        *(key(row, size, kind) for row in ROWS for size in row.sizes for kind in OF_SIZE[size]),
        *(one.title for one in REAL),
    ]
    kept = {name: known[name] for name in order if name in known}
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    if all(one.title in kept for one in REAL):
        PAGE.write_text(page(kept), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
