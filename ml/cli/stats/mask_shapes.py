"""Tables of numbers that were measured of masks: per case, or per two masks of a case.

Masks themselves do not come from tables.
"""

import argparse

import numpy as np

from ml.cli.stats.columns import Table
from ml.cli.stats.shape import Column, Flag, Given, Shape, of_file
from ml.intake.refusal import Refused, refuse
from ml.stats.segmentation.masks import Emptiness
from ml.stats.segmentation.readers import MaskPairs

_KINDS: dict[tuple[bool, bool], Emptiness] = {
    (True, True): "none", (False, True): "prediction",
    (True, False): "reference", (False, False): "both",
}  # fmt: skip


def _cases(table: Table | None, arguments: argparse.Namespace) -> Given:
    """The measure of each case, and which of its masks has no voxel."""
    own = of_file(table)
    sizes = [own.numbers(column) for column in (arguments.prediction, arguments.reference)]
    if min(size.min(initial=0.0) for size in sizes) < 0:
        raise refuse("label_value", "The size of a mask must be 0 or more.", file=own.csv.file)
    kinds = [_KINDS[bool(a), bool(b)] for a, b in zip(*(s > 0 for s in sizes), strict=True)]
    return Given((own.numbers(arguments.value, gaps=True), kinds), own.clusters())


def _pairs(table: Table | None, arguments: argparse.Namespace) -> Given:
    """Every two masks of readers, and of the model with each reader; other rows are left out."""
    own = of_file(table)
    case, names = own.codes(arguments.case)
    value = own.numbers(arguments.value, gaps=True)
    masks = list(zip(own.texts(arguments.a), own.texts(arguments.b), strict=True))
    others = {name.strip() for name in arguments.without.split(",")}
    kept: list[int] = []
    seen: set[tuple[int, frozenset[str]]] = set()
    for row, two in enumerate(masks):
        if any(name.partition(":")[0] in others for name in two):
            continue
        pair = (int(case[row]), frozenset(two))
        if pair in seen or two[0] == two[1]:
            raise _twice(own, row, "A pair of masks stands twice for one case, or is of one mask: "
                         "keep each pair once, and one structure.")  # fmt: skip
        seen.add(pair)
        kept.append(row)
    with_model = np.array([arguments.model in masks[row] for row in kept], dtype=np.bool_)
    pairs = MaskPairs(case[kept], value[kept], with_model, len(names))
    return Given((pairs,), own.clusters_of(case))


def _twice(table: Table, row: int, message: str) -> Refused:
    number = table.csv.rows[row].number
    return refuse("reading_duplicate", message, file=table.csv.file, row=number)


MASK_SHAPES: dict[str, Shape] = {
    "mask-cases": Shape(
        "one row per case with a measure of two masks and how large each is",
        (
            Column("value", "dice", "column of the measure; empty where it is undefined"),
            Column("prediction", "voxels_prediction", "column of the prediction's size"),
            Column("reference", "voxels_reference", "column of the reference's size"),
        ),
        _cases,
        2,
    ),
    "mask-pairs": Shape(
        "one row per case and two masks: whose they are, and their measure",
        (
            Column("case", "case_id", "column of cases"),
            Column("a", "a", "column that says whose the one mask is"),
            Column("b", "b", "column that says whose the other is"),
            Column("value", "dice", "column of the measure; empty where both masks are empty"),
        ),
        _pairs,
        1,
        (
            Flag("model", "model", "the name of the model among them"),
            Flag("without", "reference,consensus,others", "names that are no reader's"),
        ),
    ),
}
