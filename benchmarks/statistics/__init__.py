"""Statistics against the libraries people use; one module per area."""

from collections.abc import Iterator

from benchmarks.measuring import Result, Skipped
from benchmarks.statistics import agreement, discrimination, mrmc, segmentation


def run() -> Iterator[Result | Skipped]:
    for area in (agreement, discrimination, mrmc, segmentation):
        yield from area.run()
