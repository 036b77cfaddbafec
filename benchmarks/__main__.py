"""`python -m benchmarks [NAME...] [--json]`: without names, all groups."""

import argparse
import sys
from collections.abc import Callable, Iterable

from benchmarks import audit, engine, explain, ood, statistics, wado
from benchmarks.measuring import Result, Skipped

GROUPS: dict[str, Callable[[], Iterable[Result | Skipped]]] = {
    "audit": audit.run,
    "engine": engine.run,
    "explain": explain.run,
    "ood": ood.run,
    "statistics": statistics.run,
    "wado": wado.run,
}
BY_NETWORK: dict[str, Callable[[str], Iterable[Result | Skipped]]] = {
    "engine": engine.run,
    "explain": explain.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *GROUPS], metavar="NAME")
    parser.add_argument(
        "--only", default="", help="of engine and explain: whose network has this text"
    )
    parser.add_argument("--json", action="store_true", help="one JSON line each")
    options = parser.parse_args()
    agreed = True
    for name in options.names or GROUPS:
        chosen = BY_NETWORK.get(name)
        for result in chosen(options.only) if chosen else GROUPS[name]():
            print(result.json() if options.json else result.words(), flush=True)
            agreed &= isinstance(result, Skipped) or result.agree
    return 0 if agreed else 1


if __name__ == "__main__":
    sys.exit(main())
