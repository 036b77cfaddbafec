"""The samples pass: several answers to every case, of an ensemble's members or of dropout."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from ml.engine.cases import Case
from ml.engine.ensemble import EnsembleSession
from ml.engine.predict import Asked, Outputs, finished, in_batches
from ml.engine.sampling import MEMBERS
from ml.engine.session import FloatArray, ModelError
from ml.estimate import JsonObject
from ml.evidence.store import samples_table
from ml.imaging.declared import Input
from ml.imaging.preprocess import Float32Array
from ml.sandbox.messages import Reporter

TABLE = "samples.parquet"


class Sampler(Protocol):
    """Whatever gives several answers to a case."""

    def sample(self, batch: Float32Array, keys: Sequence[str]) -> FloatArray:
        """Raw outputs of prepared cases (n, ...) that have these names: (t, n, k)."""

    @property
    def runtime_json(self) -> JsonObject: ...


@dataclass(frozen=True)
class MemberSampler:
    """The members of an ensemble, each of which answers once."""

    session: EnsembleSession

    def sample(self, batch: Float32Array, keys: Sequence[str]) -> FloatArray:
        del keys
        return self.session.each(batch)

    @property
    def runtime_json(self) -> JsonObject:
        return self.session.runtime_json


def samples_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Sample one shard inside a child.

    Args:
        inputs: as for the predict pass; kind ("members" or "dropout"), samples (of each case),
            seed (of dropout). Dropout is sampled on the processor, whatever device is named.
        out_dir: where the table is written.
        reporter: told after every batch.

    Returns:
        As the predict pass does.

    Raises:
        ModelError: as what opens and runs the model; model_shape where an ensemble has another
            number of members than was planned.
    """
    asked = Asked.of(inputs)
    settings = tuple(inputs.get(name) for name in ("kind", "samples", "seed"))
    sampler = asked.opened(f"samples {settings}", lambda: _opened(asked, inputs))
    found = samples(sampler, asked.manifest.input, asked.cases, asked.batch, reporter)
    table = samples_table(
        asked.case_ids,
        {case_id: rows.tolist() for case_id, rows in found.rows.items()},
        found.errors,
        len(asked.manifest.output.classes),
    )
    return finished(asked, found, table, out_dir / TABLE, sampler.runtime_json)


def _opened(asked: Asked, inputs: JsonObject) -> Sampler:
    count = int(cast(int, inputs["samples"]))
    if inputs["kind"] == MEMBERS:
        session = asked.of_file()
        if not isinstance(session, EnsembleSession) or len(session.members) != count:
            raise ModelError("model_shape", f"This is no ensemble of {count} members.")
        return MemberSampler(session)
    from ml.engine.dropout_session import open_dropout  # torch, which ensembles do without

    return open_dropout(
        asked.path,
        asked.manifest,
        samples=count,
        seed=int(cast(int, inputs["seed"])),
        threads=asked.threads,
        runtime=asked.runtime,
    )


def samples(
    sampler: Sampler, declared: Input, cases: Sequence[Case], batch: int, reporter: Reporter
) -> Outputs[FloatArray]:
    """Several answers (t, k) to each case, as the predict pass goes over cases."""

    def rows(members: Sequence[Case], arrays: Float32Array) -> list[FloatArray | None]:
        values = sampler.sample(arrays, [case.case_id for case in members])
        each = [values[:, at] for at in range(len(members))]
        return [one if np.isfinite(one).all() else None for one in each]

    return in_batches(declared, cases, rows, batch=batch, reporter=reporter)
