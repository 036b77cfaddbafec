"""Masks of changed copies of every case: what the corrupt and the move pass do where a model marks.

Sizes are kept and no mask: of each copy how much it marks, how much the other mask does, and what
they share.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from ml.corruptions import Corruption
from ml.engine.cases import Case, Prepared
from ml.engine.compare import stored_mask
from ml.engine.copied import Copied
from ml.engine.copies import Versions, rows_table
from ml.engine.mask_copies_form import REFERENCES, STRUCTURES
from ml.engine.one_by_one import one_by_one
from ml.engine.predict import NON_FINITE, Asked, finished
from ml.engine.segment import class_maps, labels_of
from ml.engine.session import Session
from ml.estimate import JsonObject
from ml.evidence.forms import Form
from ml.evidence.mask_copies import NO_REFERENCE
from ml.imaging.mask import LabelArray, Mask
from ml.imaging.picture import ImageError
from ml.intake.model_manifest import ModelManifest
from ml.moves import Move
from ml.sandbox.messages import Reporter
from ml.stats.arrays import BoolArray

Rows = Callable[[Case, Prepared], Versions]  # of one case: the sizes of every copy and structure


def sizes_of(mask: LabelArray, other: LabelArray, structure: int) -> list[float]:
    """How many pixels each mask gives a structure, and how many both do.

    Args:
        mask, other: labels of one shape; structure i is label i + 1.
        structure: counted from 0.

    Example:
        >>> sizes_of(np.array([0, 1, 1]), np.array([1, 1, 2]), 0)
        [2.0, 2.0, 1.0]
    """
    one, two = mask == structure + 1, other == structure + 1
    return [float(one.sum()), float(two.sum()), float((one & two).sum())]


def against_reference(
    session: Session,
    manifest: ModelManifest,
    wanted: Sequence[tuple[Corruption, int]],
    *,
    references: Mapping[str, str],
    structures: int,
    seed: int,
) -> Rows:
    """Holds the mask of every corrupted copy against the reference mask, on the image's own grid.

    Copies are made as for a model of scores: see :func:`ml.engine.copies.outputs_on_copies`.

    Args:
        wanted: corruptions and severities.
        references: case id -> file of its reference mask.
        structures: how many the model marks.
        seed: random numbers depend on it, the case, the corruption and the severity alone.

    Raises:
        ImageError: by what is returned, no_reference_mask, mask_grid, and as ``stored_mask``.
    """

    def rows(case: Case, image: Prepared) -> Versions:
        if case.case_id not in references:
            raise ImageError(NO_REFERENCE, "The case has no reference mask.")
        reference = stored_mask(Path(references[case.case_id]))
        nothing = image.mask(np.zeros(sides_of(image, manifest), dtype=np.uint8))
        if not nothing.same_grid(reference):
            raise ImageError("mask_grid", "The reference mask does not lie on the image's grid.")
        copied, found = Copied(image, manifest.input, case.case_id, seed), Versions()
        for change, severity in wanted:
            maps = class_maps(session, manifest, copied.copy(change, severity))
            if not np.isfinite(maps).all():
                found += [None] * structures
                continue
            mask: Mask = image.mask(labels_of(maps, manifest.output))
            found += [sizes_of(mask.labels, reference.labels, at) for at in range(structures)]
        return found

    return rows


def along(
    session: Session,
    manifest: ModelManifest,
    wanted: Sequence[tuple[Move, int]],
    *,
    structures: int,
    seed: int,
) -> Rows:
    """Holds the mask of every moved copy against the moved mask of the picture.

    At the size of the model's input, over the places that are read within the picture. What is
    moved are the outputs of each class, as the picture was; the mask is made of them after that, so
    that a border may lie between pixels. What this costs by itself is measured: the same is moved
    there and back, and held against the mask as it is.

    Args:
        wanted: moves and steps.
        structures, seed: as for :func:`against_reference`.

    Raises:
        ImageError: by what is returned, non_finite_output of the picture as it is.
    """

    def rows(case: Case, image: Prepared) -> Versions:
        maps, declared = class_maps(session, manifest, image), manifest.output
        if not np.isfinite(maps).all():
            raise ImageError(NON_FINITE, "The model's output is no finite number.")
        as_it_is = labels_of(maps, declared)
        copied, found = Copied(image, manifest.input, case.case_id, seed), Versions()
        for one, step in wanted:
            way = copied.way(one, step)
            of_copy = class_maps(session, manifest, copied.copy(one, step))
            if not np.isfinite(of_copy).all():
                found += [None] * structures
                continue
            there = way.moved(maps)
            back = labels_of(way.back.moved(there), declared)
            pairs = (
                (labels_of(of_copy, declared), labels_of(there, declared), way),
                (back, as_it_is, way.back),
            )
            kept = [_within(mask, other, by.inside(as_it_is.shape)) for mask, other, by in pairs]
            found += [
                [size for mask, other in kept for size in sizes_of(mask, other, at)]
                for at in range(structures)
            ]
        return found

    return rows


def _within(
    mask: LabelArray, other: LabelArray, within: BoolArray
) -> tuple[LabelArray, LabelArray]:
    return mask[within], other[within]


def sides_of(image: Prepared, manifest: ModelManifest) -> tuple[int, ...]:
    """(height, width), or three sides, of what the network takes of an image."""
    shape = image.array.shape
    return shape[:-1] if manifest.input.layout == "NHWC" else shape[1:]


def corrupt_masks_job(
    inputs: JsonObject,
    wanted: Sequence[tuple[Corruption, int]],
    form: Form,
    path: Path,
    reporter: Reporter,
) -> JsonObject:
    """Run one shard of the corrupt pass of a model that segments, inside a child.

    Args:
        inputs: as of ``corrupt_job``; structures, and references {case id: file}.
        wanted: corruptions and severities.
        form: of the table.
        path: where the table is written.
    """
    asked = Asked.of(inputs)
    session = asked.session(reporter, path.parent)
    rows = against_reference(
        session, asked.manifest, wanted,
        references=cast(dict[str, str], inputs.get(REFERENCES) or {}), **_counted(inputs),
    )  # fmt: skip
    return _finished(asked, session, rows, form, path, reporter)


def move_masks_job(
    inputs: JsonObject,
    wanted: Sequence[tuple[Move, int]],
    form: Form,
    path: Path,
    reporter: Reporter,
) -> JsonObject:
    """Run one shard of the move pass of a model that segments, inside a child.

    Args:
        inputs: as of ``move_job``; structures.
        wanted, form, path: as for :func:`corrupt_masks_job`, of moves.
    """
    asked = Asked.of(inputs)
    session = asked.session(reporter, path.parent)
    rows = along(session, asked.manifest, wanted, **_counted(inputs))
    return _finished(asked, session, rows, form, path, reporter)


def _counted(inputs: JsonObject) -> dict[str, int]:
    return {name: int(cast(int, inputs[name])) for name in (STRUCTURES, "seed")}


def _finished(
    asked: Asked, session: Session, rows: Rows, form: Form, path: Path, reporter: Reporter
) -> JsonObject:
    found = one_by_one(asked.cases, asked.manifest.input, rows, reporter)
    table = rows_table(asked.case_ids, form, found)
    return finished(asked, found, table, path, session.runtime_json, session)
