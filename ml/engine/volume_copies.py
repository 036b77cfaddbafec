"""Outputs on changed copies of volumes: corrupted and moved as they were acquired, in slices."""

from collections.abc import Iterator, Sequence

import numpy as np

from ml.corruptions.registry import Corruption
from ml.corruptions.volumes import corrupted_volume
from ml.engine.cases import Case, Prepared, prepared
from ml.engine.copies import Versions
from ml.engine.device import CPU, Device
from ml.engine.predict import Outputs, in_batches
from ml.engine.session import Session
from ml.imaging.declared import Input
from ml.imaging.intensity import unit_range
from ml.imaging.preprocess import Float32Array
from ml.imaging.stack import Stack, stack_of
from ml.moves import Move
from ml.sandbox.messages import Reporter
from ml.volume_moves import moved_volume

OfVolumes = Corruption | Move


def outputs_on_volumes(
    session: Session,
    declared: Input,
    cases: Sequence[Case],
    wanted: Sequence[tuple[OfVolumes, int]],
    *,
    seed: int,
    batch: int = 8,
    device: Device = CPU,
    reporter: Reporter,
    unknown: int = 0,
) -> Outputs[Versions]:
    """As :func:`ml.engine.copies.outputs_on_copies`, of volumes.

    One copy of each case of a batch is held at a time, and while one is made three volumes more.

    Args:
        wanted: corruptions or moves, and how far each.
        seed: random numbers depend on it, the case, the change and the slice, and on nothing of a
            batch.
        unknown: further numbers of each copy that a table has and that nobody knows of volumes.

    Returns:
        By case, the raw outputs of each copy in order, and NaN for what is not known; None where
        outputs are not finite.
    """
    volumes = VolumeCopies(declared, wanted, seed)

    def rows(members: Sequence[Case], arrays: Float32Array) -> list[Versions | None]:
        found: list[Versions] = [[] for _ in members]
        for copies in volumes.each(members, arrays):
            outputs = session.run(copies)
            fine = np.asarray(np.isfinite(outputs).all(axis=1))
            for row, values, known in zip(found, outputs, fine, strict=True):
                row.append([*values.tolist(), *[float("nan")] * unknown] if known else None)
        return list(found)

    return in_batches(
        declared, cases, rows, batch=batch, device=device, reporter=reporter,
        prepare=volumes.prepare,
    )  # fmt: skip


class VolumeCopies:
    """Prepares volumes and makes copies of them, of a batch at a time.

    Args:
        declared: the ``input`` part of the model's manifest.
        wanted, seed: as of :func:`outputs_on_volumes`.
    """

    def __init__(self, declared: Input, wanted: Sequence[tuple[OfVolumes, int]], seed: int) -> None:
        self.declared, self.wanted, self.seed = declared, wanted, seed
        self._stacks: dict[str, Stack] = {}  # of cases that were prepared and not yet run

    def prepare(self, case: Case, declared: Input, out: Float32Array) -> None:
        """As :func:`ml.engine.cases.prepare_case`; keeps how the slices lie."""
        found = prepared(case, declared)
        self._stacks[case.case_id] = stack_in(found, declared)
        out[...] = found.array

    def each(self, members: Sequence[Case], arrays: Float32Array) -> Iterator[Float32Array]:
        """The copies (n, ...) of n prepared cases, one change after the other.

        They are written to again for the next one.
        """
        lying = [self._stacks.pop(case.case_id, None) for case in members]
        copies = np.zeros_like(arrays)  # a place whose volume could not be read stays empty
        for change, step in self.wanted:
            for case, array, copy, stack in zip(members, arrays, copies, lying, strict=True):
                if stack is not None:
                    changed(
                        change, array, copy, stack, self.declared, step, case.case_id, self.seed
                    )
            yield copies


def unit_volume(found: Prepared, declared: Input) -> tuple[Float32Array, Stack]:
    """(slices, rows, columns) intensities from 0 to 1 of a prepared volume, and how they lie."""
    stack = stack_in(found, declared)
    return _unit(found.array, stack, declared), stack


def stack_in(found: Prepared, declared: Input) -> Stack:
    """How a prepared volume lies as slices."""
    assert found.spacing_mm is not None
    sides = found.array.shape[1:]
    return stack_of(found.placed, found.spacing_mm, found.stacked, declared, sides)


def _unit(array: Float32Array, stack: Stack, declared: Input) -> Float32Array:
    gain, offset = _scale(declared)
    return stack.slices((array[0] - offset) / gain)


def _scale(declared: Input) -> tuple[np.float32, np.float32]:
    """Of the one channel of a volume, as :func:`ml.imaging.intensity.unit_range`."""
    gain, offset = unit_range(declared)
    return np.float32(gain.item()), np.float32(offset.item())


def changed(
    change: OfVolumes, array: Float32Array, copy: Float32Array, stack: Stack, declared: Input,
    step: int, case: str, seed: int,
) -> None:  # fmt: skip
    """Write a changed copy of one prepared volume.

    Args:
        array: (1, a, b, c) as the model takes it.
        copy: of the same shape, to be written to.
    """
    volume = _unit(array, stack, declared)
    if isinstance(change, Move):
        found = moved_volume(change, volume, stack, step, case, seed)
    else:
        found = corrupted_volume(change, volume, stack.spacing_mm, step, case, seed)
    stack.slices(copy[0])[...] = found
    gain, offset = _scale(declared)
    copy *= gain
    copy += offset
