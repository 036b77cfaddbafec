"""`python -m benchmarks.coverage [NAME...]`: simulate, and write docs/interval-coverage.md.

Without names all scenarios are simulated, for some minutes; with names, those whose name
contains one of them, and the other rows stay as they are.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence

from benchmarks.coverage.page import PAGE, RESULTS, page, stored
from benchmarks.coverage.scenarios import all_scenarios
from benchmarks.coverage.simulating import Scenario, simulate
from ml.estimate import JsonObject


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts of names of scenarios")
    parser.add_argument("--runs", type=int, help="simulations of each; only printed, not written")
    options = parser.parse_args(argv)
    known = stored()
    scenarios = all_scenarios()
    for scenario in scenarios:
        if options.names and not any(name in scenario.name for name in options.names):
            continue
        began = time.perf_counter()
        covered = simulate(scenario, runs=options.runs)
        known[scenario.name] = covered.to_json()
        remark = " OUTSIDE 93 to 97 %" if covered.needs_reason else ""
        print(
            f"{scenario.name}: {covered.coverage:.1%} of {covered.runs:,} "
            f"({time.perf_counter() - began:.0f} s){remark}",
            flush=True,
        )
        if options.runs is None:
            _write(known, scenarios)
    return 0


def _write(known: dict[str, JsonObject], scenarios: Sequence[Scenario]) -> None:
    """After each scenario, so that a run that is stopped keeps what it has found."""
    # Reasons are words of the scenario, not results: they may be reworded without a new run.
    rows = [{**known[s.name], "reason": s.reason} for s in scenarios if s.name in known]
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(rows), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
