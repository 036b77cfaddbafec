"""The attack pass: answers to copies that were changed a little, on purpose and by chance.

FGSM goes one step of eps against the answer; PGD several smaller ones, each along the gradient
where it has come to. Both stay within eps of the picture at every number (the L-infinity norm) and
within the range of intensities. Beside them, random signs of the same eps.

Source:
    Goodfellow, Shlens, Szegedy (2015), ICLR, section 4 (FGSM). Madry et al. (2018), ICLR,
    section 2.1 (PGD); here from the picture itself and not from a random start.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from ml.drawn import drawn
from ml.engine.attack_form import GREYS, attack_form, eps_of, methods_of
from ml.engine.attack_target import Target
from ml.engine.cases import Case
from ml.engine.copies import Versions, rows_table
from ml.engine.device import Device
from ml.engine.fitting import in_pieces
from ml.engine.predict import Asked, finished, in_batches
from ml.engine.program_session import as_session, broken, program_of
from ml.engine.session import ModelError
from ml.estimate import JsonObject
from ml.evidence.passes import FGSM, NOISE, PGD
from ml.imaging.declared import Input
from ml.imaging.intensity import is_grey, unit_range
from ml.imaging.preprocess import Float32Array
from ml.program.cut import only_needed
from ml.program.places import logits_of
from ml.program.walk import Walker
from ml.sandbox.messages import Reporter

TABLE = "attack.parquet"
Found = TypeVar("Found")
Pair = tuple[torch.Tensor, torch.Tensor]  # (n, k) outputs and what the last activation was given


class Network:
    """A network whose answers and input gradients are asked for; by the plain walk, in float32.

    Args:
        asked: the job.

    Raises:
        ModelError: gradient_layer, where the input takes no gradient; model_shape.
    """

    def __init__(self, asked: Asked) -> None:
        program = asked.opened("program", lambda: program_of(asked.path, asked.manifest))
        plain = as_session(
            program, asked.manifest, threads=asked.threads, device=asked.device, fused=False
        )
        if not plain.dtype.is_floating_point:
            reason = "The network takes whole numbers, through which no gradient is taken."
            raise ModelError("gradient_layer", reason)
        self.device: Device = asked.device
        self.dtype, self.n_classes, self.size = plain.dtype, plain.n_classes, plain.fixed_batch
        self.json = plain.runtime_json
        self.output, self.logits = plain.output, logits_of(program, plain.output)
        names = tuple(dict.fromkeys((self.output, self.logits)))
        self.walker = Walker(only_needed(replace(program, outputs=names)), asked.device.place)
        self.fitted: list[int] = []  # copies that fitted into memory at once, with a gradient

    def answers(self, copies: torch.Tensor) -> torch.Tensor:
        """(n, k) raw outputs of n copies."""
        return torch.cat(self._pieces(copies, lambda piece: self._walk(piece)[0]))

    def slopes(
        self, moves: torch.Tensor, copied: Callable[[torch.Tensor], torch.Tensor],
        against: Callable[[torch.Tensor], torch.Tensor],
    ) -> torch.Tensor:  # fmt: skip
        """The gradient of a sum over copies by what each was moved: of the shape of the moves.

        Zero where nothing depends on them; NaN counts as zero.

        Args:
            moves: (n, ...) of each copy.
            copied: makes copies of moves.
            against: (n,) from the (n, k) logits of copies.
        """

        def of(piece: torch.Tensor) -> torch.Tensor:
            leaf = piece.detach().clone().requires_grad_()
            return _slope(against(self._walk(copied(leaf))[1]).sum(), leaf)

        return torch.cat(self._pieces(moves, of, gradient=True))

    def first(
        self, move: torch.Tensor, copied: Callable[[torch.Tensor], torch.Tensor],
        against: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    ) -> Pair:  # fmt: skip
        """Outputs of the picture itself, (1, k), and the gradient there, from one forward."""

        def of(piece: torch.Tensor) -> Pair:
            leaf = piece.detach().clone().requires_grad_()
            outputs, logits = self._walk(copied(leaf))
            return outputs.detach(), _slope(against(outputs.detach(), logits).sum(), leaf)

        return self._pieces(move, of, gradient=True)[0]

    def _pieces(
        self, copies: torch.Tensor, of: Callable[[torch.Tensor], Found], *, gradient: bool = False
    ) -> list[Found]:
        def compute(start: int, stop: int) -> Found:
            try:
                with torch.set_grad_enabled(gradient), self.device.computing(None):
                    return of(copies[start:stop])
            except (RuntimeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
                raise broken(error) from None

        if self.size:
            steps = range(0, len(copies), self.size)
            return [compute(at, min(at + self.size, len(copies))) for at in steps]
        fitted = self.fitted if gradient else []
        return in_pieces(len(copies), compute, fitted, self.device.free)

    def _walk(self, copies: torch.Tensor) -> Pair:
        n, size = len(copies), self.size or len(copies)
        if n < size:  # a graph for exactly `size` cases: fill up with the last, cut off after
            copies = torch.cat([copies, copies[-1:].expand(size - n, *copies.shape[1:])])
        found = self.walker.run([copies.to(self.dtype)])
        outputs, logits = found[self.output], found[self.logits]
        for one in (outputs, logits):
            if one.numel() != size * self.n_classes or one.shape[0] != size:
                shape = tuple(one.shape)
                said = f"The output has the shape {shape} for {size} cases."
                raise ModelError("model_shape", said)
        return outputs.reshape(size, -1)[:n], logits.reshape(size, -1)[:n]


def _slope(total: torch.Tensor, leaf: torch.Tensor) -> torch.Tensor:
    if not total.requires_grad:
        return torch.zeros_like(leaf)
    (found,) = torch.autograd.grad(total, leaf, allow_unused=True)
    return torch.zeros_like(leaf) if found is None else torch.nan_to_num(found, nan=0.0)


@dataclass(frozen=True)
class Room:
    """How far the numbers of one picture may be moved, as shares of the range of intensities.

    A grey picture in several channels has one number for all of them, so that it stays grey. What
    resizing took beyond the range is moved towards it alone.

    Attributes:
        start: (1, ...) the prepared picture, in the declared layout.
        gain: what one intensity of 0..1 is worth in each channel, to be broadcast.
        down, up: (1, ...) how far down and up each number may go; 0 or more.
    """

    start: torch.Tensor
    gain: torch.Tensor
    down: torch.Tensor
    up: torch.Tensor

    @classmethod
    def of(cls, array: Float32Array, declared: Input, device: Device) -> "Room":
        """Of one prepared case."""
        gain, offset = unit_range(declared)
        axis = 0 if declared.layout == "NCHW" else array.ndim - 1
        shape = [-1 if at == axis else 1 for at in range(array.ndim)]
        unit = (array.astype(np.float64) - offset.reshape(shape)) / gain.reshape(shape)
        if is_grey(unit, axis):
            unit = unit.mean(axis=axis, keepdims=True)

        def placed(values: NDArray[np.floating[Any]]) -> torch.Tensor:
            tensor: torch.Tensor = device.place(torch.from_numpy(values.astype(np.float32))[None])
            return tensor

        return cls(
            placed(array), placed(gain.reshape(shape)), placed(unit.clip(min=0)),
            placed((1 - unit).clip(min=0)),
        )  # fmt: skip

    def within(self, moves: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
        """Moves (n, ...) cut to eps (n, 1, ...) and to the range."""
        return torch.minimum(
            torch.maximum(moves, -torch.minimum(self.down, eps)), torch.minimum(self.up, eps)
        )

    def copied(self, moves: torch.Tensor) -> torch.Tensor:
        """(n, ...) prepared copies."""
        return self.start + moves * self.gain


@dataclass(frozen=True)
class Copies:
    """How the copies of one picture were moved, in intensities of 0..1.

    Attributes:
        own: (1, k) outputs of the picture itself.
        slope: (1, ...) gradient, there, of the odds against its answer.
        moved: by method, (n, ...) for n eps; {} where an output is not finite.
    """

    room: Room
    own: torch.Tensor
    slope: torch.Tensor
    moved: dict[str, torch.Tensor]


@dataclass(frozen=True)
class Attack:
    """Attacks every case in the ways that were asked for.

    Args:
        network: that is attacked.
        target: what an answer is.
        declared: input of the model.
        params: methods, eps, iterations, stride, seed of ``ml.engine.attack_form``.
    """

    network: Network
    target: Target
    declared: Input
    params: JsonObject

    def run(self, case_id: str, array: Float32Array) -> Versions | None:
        """Rows of one case, in the order of ``ml.engine.attack_form.attack_rows``.

        Args:
            array: the prepared case.

        Returns:
            The outputs of each copy and, last, the slope of the picture itself; None for a copy of
            which an output is not finite, and instead of all where the picture's own is not.
        """
        made = self.copies(case_id, array)
        if not made.moved:
            return None
        answers = [self.network.answers(made.room.copied(one)) for one in made.moved.values()]
        rows = torch.cat([made.own, *answers]).double().cpu().numpy()
        slope = float(made.slope.double().abs().sum())
        return [[*row.tolist(), slope] if np.isfinite(row).all() else None for row in rows]

    def copies(self, case_id: str, array: Float32Array) -> Copies:
        """How each copy of a case is moved."""
        room = Room.of(array, self.declared, self.network.device)
        still = torch.zeros_like(room.down)
        own, slope = self.network.first(
            still,
            room.copied,
            lambda outputs, logits: self.target.against(logits, self._answer(outputs)),
        )
        if not bool(torch.isfinite(own).all()):
            return Copies(room, own, slope, {})
        eps = torch.tensor(eps_of(self.params), dtype=torch.float32) / GREYS
        eps = self.network.device.place(eps.reshape(-1, *[1] * (still.dim() - 1)))
        answer = self._answer(own)
        ways: dict[str, Callable[[], torch.Tensor]] = {
            NOISE: lambda: room.within(eps * self._signs(case_id, still), eps),
            FGSM: lambda: room.within(eps * slope.sign(), eps),
            PGD: lambda: self._projected(room, eps, slope, answer),
        }
        return Copies(room, own, slope, {name: ways[name]() for name in methods_of(self.params)})

    def _answer(self, outputs: torch.Tensor) -> int:
        return self.target.answer(outputs[0].double().cpu().numpy())

    def _signs(self, case_id: str, still: torch.Tensor) -> torch.Tensor:
        """Random signs, the same for every eps: they depend on seed and case alone."""
        source = drawn(self.params["seed"], case_id, NOISE)
        signs = source.integers(0, 2, tuple(still.shape)).astype(np.float32) * 2 - 1
        found: torch.Tensor = self.network.device.place(torch.from_numpy(signs))
        return found

    def _projected(
        self, room: Room, eps: torch.Tensor, slope: torch.Tensor, answer: int
    ) -> torch.Tensor:
        """PGD: all eps side by side. The first iteration stands where FGSM does, at the picture."""
        stride = float(cast(float, self.params["stride"])) * eps
        moves = room.within(stride * slope.sign(), eps)
        for _ in range(int(cast(int, self.params["iterations"])) - 1):
            further = self.network.slopes(
                moves, room.copied, lambda logits: self.target.against(logits, answer)
            )
            moves = room.within(moves + stride * further.sign(), eps)
        return moves


def attack_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run one shard inside a child.

    Args:
        inputs: as of ``predict_job``; methods, eps, iterations, stride, seed, operating_point,
            classes of ``ml.engine.attack_form``.

    Returns:
        As ``predict_job``, with a table of :func:`ml.engine.attack_form.attack_form`.
    """
    asked = Asked.of(inputs)
    network = asked.opened("attacked", lambda: Network(asked))
    target = Target.of(asked.manifest, inputs, inside=network.logits != network.output)
    attack = Attack(network, target, asked.manifest.input, inputs)

    def rows(cases: Sequence[Case], arrays: Float32Array) -> list[Versions | None]:
        pairs = zip(cases, arrays, strict=True)
        return [attack.run(case.case_id, array) for case, array in pairs]

    found = in_batches(
        asked.manifest.input, asked.cases, rows,
        batch=asked.batch, device=asked.device, reporter=reporter,
    )  # fmt: skip
    shape = attack_form(inputs, network.n_classes)
    table: pa.Table = rows_table(asked.case_ids, shape, found)
    fitted: JsonObject = {"copies_at_once": network.fitted[0]} if network.fitted else {}
    return finished(asked, found, table, out_dir / TABLE, {**network.json, **fitted})
