"""Statistics against the libraries people use; one module per area."""

from benchmarks.measuring import Result
from benchmarks.statistics import agreement, discrimination, mrmc, segmentation


def run() -> list[Result]:
    areas = (agreement, discrimination, mrmc, segmentation)
    return [result for area in areas for result in area.run()]
