"""The normalise pass: what normalisations are given, and outputs with other statistics or mates.

All of its cases are one shard: statistics are of cases together. Nothing is trained.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import torch

from ml.drawn import drawn
from ml.engine.cases import Case
from ml.engine.passes import MOST_KEPT, normalise_form
from ml.engine.predict import Asked, CaseError, Outputs, finished, in_batches
from ml.engine.program_session import ProgramSession, as_session, broken, program_of
from ml.engine.session import FloatArray, Session
from ml.estimate import JsonObject
from ml.evidence.normalised import AGAIN, OTHERS, STORED
from ml.imaging.preprocess import Float32Array
from ml.program.graph import Program
from ml.program.normalised import (
    Normalisation,
    Statistics,
    estimated_again,
    held_at_once,
    normalisations,
    stored_in,
    with_statistics,
)
from ml.program.walk import Values, Walker
from ml.sandbox.messages import Reporter

TABLE = "normalise.parquet"
ROOM = 512 << 20  # bytes of values that may be held while statistics are counted
_LONGEST = 200  # characters of a layer's name


@dataclass(frozen=True)
class Looked:
    """Of one case: its outputs, and what the kept channels of all layers were given."""

    outputs: list[float]
    given: Float32Array  # (2, kept)


@dataclass
class Watched:
    """A walker that notes what layers with stored statistics are given.

    Of each kept channel, over the positions of a case: how far its mean lies from the stored one,
    in stored standard deviations; and its variance over the stored one (with what the layer adds to
    both). Those of any group of cases follow from them by addition.
    """

    walker: Walker
    layers: Sequence[Normalisation]
    kept: Mapping[str, torch.Tensor]  # by node, the channels that are kept
    seen: list[torch.Tensor] = field(default_factory=list)

    @property
    def program(self) -> Program:
        return self.walker.program

    def run(self, inputs: Sequence[torch.Tensor]) -> Values:
        parts: dict[str, torch.Tensor] = {}
        by_value = {one.node.name: one for one in self.layers}

        def note(values: Values, new: Sequence[str]) -> None:
            for name in new:
                if name in by_value:
                    parts[name] = self._given(by_value[name], values[by_value[name].source])

        found = self.walker.run(inputs, watch=note)
        if self.layers:
            self.seen.append(torch.cat([parts[one.node.name] for one in self.layers], dim=2).cpu())
        return found

    def _given(self, layer: Normalisation, value: torch.Tensor) -> torch.Tensor:
        """(n, 2, kept)"""
        chosen = self.kept[layer.node.name].to(value.device)
        mean, variance, eps = stored_in(self.program, layer)
        centre, below = (
            torch.from_numpy(np.asarray(one, np.float64)).to(value.device)[chosen]
            for one in (mean, variance)
        )
        rows = value[:, chosen].double().flatten(1).reshape(len(value), len(chosen), -1)
        spread, middle = torch.var_mean(rows, dim=2, correction=0)
        below = below + eps
        return torch.stack([(middle - centre) / below.sqrt(), (spread + eps) / below], dim=1)


def kept_channels(
    program: Program, layers: Sequence[Normalisation], seed: int, most: int
) -> dict[str, torch.Tensor]:
    """The channels of each layer that are kept: all of a small one, of others drawn by the seed."""
    each = max(1, min(most, MOST_KEPT // max(1, len(layers))))
    kept = {}
    for layer in layers:
        n = len(stored_in(program, layer)[0])
        chosen = drawn(seed, layer.node.name).permutation(n)[:each]
        kept[layer.node.name] = torch.from_numpy(np.sort(chosen))
    return kept


class Looker:
    """Walks over the cases of a job, as they are, beside others, and with other statistics.

    Args:
        asked: the job.
        params: of the pass.
        reporter: told of every batch.

    Raises:
        ModelError: as ``ml.engine.program_session.as_session``.
    """

    def __init__(self, asked: Asked, params: JsonObject, reporter: Reporter) -> None:
        self.asked, self.params, self.reporter = asked, params, reporter
        self.manifest = asked.manifest.model_copy(update={"autocast": None})
        self.program = asked.opened("program", lambda: program_of(asked.path, asked.manifest))
        self.session = self._session(self.program)
        self.layers = normalisations(self.program, self.session.output)
        self.stored = [one for one in self.layers if one.stored]
        self.seed = int(cast(int, params["seed"]))
        most = int(cast(int, params["channels"]))
        self.kept = kept_channels(self.program, self.stored, self.seed, most)

    def _session(self, program: Program) -> ProgramSession:
        asked = self.asked
        return as_session(
            program, self.manifest, threads=asked.threads, device=asked.device, fused=False
        )

    def as_they_are(self) -> Outputs[Looked]:
        """Every case with the stored statistics, in the order of the cohort."""
        watched = Watched(cast(Walker, self.session.walker), self.stored, self.kept)
        session = replace(self.session, walker=cast(Any, watched))

        def rows(_: Sequence[Case], arrays: Float32Array) -> list[Looked | None]:
            watched.seen.clear()
            outputs = session.run(arrays)
            nothing = torch.zeros(len(arrays), 2, 0)
            given = torch.cat(watched.seen)[: len(arrays)] if watched.seen else nothing
            fine = np.isfinite(outputs).all(axis=1) & given.isfinite().all(2).all(1).numpy()
            return [
                Looked(one.tolist(), each.float().numpy()) if well else None
                for one, each, well in zip(outputs, given, fine, strict=True)
            ]

        return self._walk(self.asked.cases, rows)

    def beside_others(self, cases: Sequence[Case]) -> Outputs[list[float]]:
        """The same with other cases in each batch: in an order drawn by the seed."""
        order = sorted(cases, key=lambda one: drawn(self.seed, "mates", one.case_id).random())
        return self._walk(order, answers(self.session))

    def again(
        self, groups: Mapping[str, Sequence[Case]]
    ) -> tuple[dict[str, list[float]], list[JsonObject]]:
        """Outputs with the statistics of the case's own group, and how many cases these rest on."""
        found: dict[str, list[float]] = {}
        said: list[JsonObject] = []
        for level, cases in groups.items():
            fewest = int(cast(int, self.params["fewest"]))
            used = self._chosen(cases) if self.stored and len(cases) >= fewest else []
            if used:
                program = with_statistics(self.program, self._statistics(used))
                found |= self._walk(cases, answers(self._session(program))).rows
            said.append({"level": level, "cases": len(cases), "used": len(used)})
        return found, said

    def _chosen(self, cases: Sequence[Case]) -> list[Case]:
        """As many cases as may be held at once, the first that the seed draws."""
        held = held_at_once(self.program, tuple(self.manifest.input.shape), self.session.output)
        whole = self.session.fixed_batch or 1
        n = min(len(cases), ROOM // max(1, held)) // whole * whole
        order = sorted(cases, key=lambda one: drawn(self.seed, "again", one.case_id).random())
        taken = {one.case_id for one in order[:n]}
        return [one for one in cases if one.case_id in taken]

    def _statistics(self, cases: Sequence[Case]) -> Statistics:
        batches: list[torch.Tensor] = []

        def keep(_: Sequence[Case], arrays: Float32Array) -> list[bool | CaseError | None]:
            given = self.asked.device.place(torch.from_numpy(arrays.copy()))
            whole = not self.session.dtype.is_floating_point
            batches.append((given.round() if whole else given).to(self.session.dtype))
            return [True] * len(arrays)

        self._walk(cases, keep, batch=self.session.fixed_batch or self.asked.batch)
        walker = cast(Walker, self.session.walker)
        try:
            return estimated_again(walker, self.stored, batches, self.session.output)
        except (RuntimeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise broken(error) from None

    def _walk(
        self, cases: Sequence[Case], rows: Callable[..., Any], *, batch: int | None = None
    ) -> Outputs[Any]:
        return in_batches(
            self.manifest.input, cases, rows, batch=batch or self.asked.batch,
            device=self.asked.device, reporter=self.reporter,
        )  # fmt: skip

    def described(self, groups: Sequence[JsonObject]) -> bytes:
        """The layers in order, and the groups, as the table keeps them."""
        layers: list[JsonObject] = [
            {
                "name": one.name[:_LONGEST],
                "kind": one.kind,
                "stored": one.stored,
                "channels": len(stored_in(self.program, one)[0]) if one.stored else 0,
                "kept": len(self.kept.get(one.node.name, ())),
            }
            for one in self.layers
        ]
        column = str(cast(JsonObject, self.params.get("groups") or {}).get("column", ""))
        text = {"column": column, "groups": list(groups), "layers": layers}
        return json.dumps(text, allow_nan=False).encode()


def answers(session: Session) -> Callable[[Sequence[Case], Float32Array], list[list[float] | None]]:
    """What :func:`ml.engine.predict.in_batches` computes for outputs alone."""

    def rows(_: Sequence[Case], arrays: Float32Array) -> list[list[float] | None]:
        found: FloatArray = session.run(arrays)
        return [row.tolist() if np.isfinite(row).all() else None for row in found]

    return rows


def grouped(params: JsonObject, cases: Sequence[Case]) -> dict[str, list[Case]]:
    """Cases by the level of the column whose groups get statistics of their own; "" for all."""
    given = cast(JsonObject, params.get("groups") or {})
    levels = cast(dict[str, list[str]], given.get("cases") or {})
    if not levels:
        return {"": list(cases)}
    known = {one.case_id: one for one in cases}
    return {
        level: [known[case_id] for case_id in case_ids if case_id in known]
        for level, case_ids in levels.items()
    }


def normalise_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run all cases of the pass inside a child.

    Args:
        inputs: as of ``predict_job``; seed, channels, fewest, groups.

    Returns:
        As ``predict_job``, with a table of :func:`ml.engine.passes.normalise_form`.
    """
    asked = Asked.of(inputs)
    looker = Looker(asked, inputs, reporter)
    first = looker.as_they_are()
    fine = [case for case in asked.cases if case.case_id in first.rows]
    mates = looker.beside_others(fine)
    again, groups = looker.again(grouped(inputs, fine))
    rows: dict[str, list[list[float] | None]] = {
        case.case_id: [
            first.rows[case.case_id].outputs,
            mates.rows.get(case.case_id),
            again.get(case.case_id),
        ]
        for case in fine
    }
    table = _table(asked, inputs, looker, first, rows, looker.described(groups))
    session = looker.session
    runtime: JsonObject = {**session.runtime_json, "normalisations": len(looker.layers)}
    return finished(asked, first, table, out_dir / TABLE, runtime)


def _table(
    asked: Asked,
    params: JsonObject,
    looker: Looker,
    first: Outputs[Looked],
    rows: Mapping[str, list[list[float] | None]],
    described: bytes,
) -> pa.Table:
    shape = normalise_form(params, looker.session.n_classes)
    nothing: list[list[float] | None] = [None] * shape.rows
    flat = [row for one in asked.case_ids for row in rows.get(one, nothing)]
    columns: dict[str, pa.Array] = {
        "case_id": pa.array([one for one in asked.case_ids for _ in range(shape.rows)], pa.string())
    }
    columns["statistics"] = pa.array([STORED, OTHERS, AGAIN] * len(asked.case_ids), pa.string())
    for at, name in enumerate(shape.numbers):
        columns[name] = pa.array([None if row is None else row[at] for row in flat], pa.float64())
    told = next(iter(rows), None)
    given: list[bytes | None] = []
    layers: list[bytes | None] = []
    for case_id in asked.case_ids:
        looked = first.rows.get(case_id)
        bytes_of = None if looked is None else looked.given.astype("<f4").tobytes()
        given += [bytes_of, None, None]
        layers += [described if case_id == told else None, None, None]
    columns["given"], columns["layers"] = (pa.array(one, pa.binary()) for one in (given, layers))
    columns["error"] = pa.array(
        [first.errors.get(one) for one in asked.case_ids for _ in range(shape.rows)], pa.string()
    )
    return pa.table(columns)
