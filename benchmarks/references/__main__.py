"""`python -m benchmarks.references FOLDER`: train, and write docs/uncertainty-references.md.

Each seed is trained under all conditions, for some minutes of one processor; what is stored
already is kept. One thread: set OMP_NUM_THREADS=1 for the numbers of the page.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.references.measuring import CONDITIONS, measured
from benchmarks.references.page import PAGE, RESULTS, Stored, page, stored
from benchmarks.references.pictures import pictures_of


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.references", description=__doc__)
    parser.add_argument("folder", type=Path, help="a cohort folder with groups and labels")
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args(argv)
    pictures, results = pictures_of(options.folder), stored()
    if results.get("sha256") != pictures.sha256:
        results = {
            "title": pictures.title, "sha256": pictures.sha256, "pictures": len(pictures.labels),
            "rows": [],
        }  # fmt: skip
    for seed in range(options.seeds):
        for condition in CONDITIONS:
            if any((row["condition"], row["seed"]) == (condition.name, seed)
                   for row in results["rows"]):  # fmt: skip
                continue
            began = time.process_time()
            found = measured(pictures, condition, seed)
            seconds = round(time.process_time() - began, 1)
            row = {"condition": condition.name, **found.to_json(), "processor_seconds": seconds}
            results["rows"].append(row)
            print(f"seed {seed}, {condition.name}: {seconds} s", flush=True)
        write(results)
    return 0


def write(results: Stored) -> None:
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if len({row["seed"] for row in results["rows"]}) > 1:  # one seed has no interval
        PAGE.write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
