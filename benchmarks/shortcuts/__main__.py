"""`python -m benchmarks.shortcuts FOLDER`: train, audit, and write docs/planted-shortcuts.md.

About ten seconds of one processor for each of 80 audits; what is stored already is kept.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.references.pictures import pictures_of
from benchmarks.shortcuts.measuring import SIDE, measured
from benchmarks.shortcuts.page import PAGE, RESULTS, page, stored
from ml.zoo.rulers import KINDS, Kind

Wanted = tuple[Kind, bool, int]


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shortcuts", description=__doc__)
    parser.add_argument("folder", type=Path, help="a cohort folder with groups and labels")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=10, help="of the seeds")
    options = parser.parse_args(argv)
    pictures, results = pictures_of(options.folder, SIDE), stored()
    if results.get("sha256") != pictures.sha256:
        results = {"title": pictures.title, "sha256": pictures.sha256,
                   "pictures": len(pictures.labels), "rows": []}  # fmt: skip
    there = {(one["kind"], one["planted"], one["seed"]) for one in results["rows"]}
    wanted: list[Wanted] = [
        (kind, planted, seed)
        for seed in range(options.first, options.first + options.seeds)
        for kind in KINDS
        for planted in (True, False)
        if (kind, planted, seed) not in there
    ]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        for row in pool.map(partial(_row, options.folder), wanted):
            results["rows"].append(row)
            print(row["kind"], row["planted"], row["seed"], row["flagged"], file=sys.stderr)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(results), encoding="utf-8")
    return 0


def _row(folder: Path, wanted: Wanted) -> dict[str, Any]:
    kind, planted, seed = wanted
    found = measured(pictures_of(folder, SIDE), kind, seed, planted=planted)
    return {"kind": kind, "planted": planted, "seed": seed, **found.to_json()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
