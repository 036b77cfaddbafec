"""The samples pass: several answers to every case, of an ensemble's members or of dropout."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from ml.engine.ensemble import EnsembleSession, open_model
from ml.engine.kept import Kept
from ml.engine.predict import TRANSIENT, Asked, Case, prepared_cases
from ml.engine.sampling import MEMBERS
from ml.engine.session import FloatArray, ModelError
from ml.estimate import JsonObject, JsonValue
from ml.evidence.store import samples_table, write_table
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


@dataclass
class Samples:
    """What has been computed so far; a case is in `rows` or in `errors`."""

    rows: dict[str, FloatArray] = field(default_factory=dict)  # (t, k) each
    errors: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)  # per case; not part of the evidence


_kept: Kept[Sampler] = Kept()


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
    settings = tuple(inputs.get(name) for name in ("kind", "samples", "seed", "device"))
    sampler = _kept.opened(
        asked.path,
        (asked.manifest.model_dump_json(), asked.threads, *settings),
        lambda: _opened(asked, inputs),
    )
    found = samples(sampler, asked.manifest.input, asked.cases, asked.batch, reporter)
    table = samples_table(
        [case.case_id for case in asked.cases],
        {case_id: rows.tolist() for case_id, rows in found.rows.items()},
        found.errors,
        len(asked.manifest.output.classes),
    )
    seconds: dict[str, JsonValue] = {key: round(s, 6) for key, s in found.seconds.items()}
    return {
        "table": TABLE,
        "sha256": write_table(table, out_dir / TABLE),
        "runtime": sampler.runtime_json | {"threads": asked.threads},
        "seconds": seconds,
        "failed": len(found.errors),
        "reusable": not TRANSIENT & set(found.errors.values()),
    }


def _opened(asked: Asked, inputs: JsonObject) -> Sampler:
    count = int(cast(int, inputs["samples"]))
    if inputs["kind"] == MEMBERS:
        gpu = inputs.get("device") == "cuda"
        session = open_model(asked.path, asked.manifest, threads=asked.threads, gpu=gpu)
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
    )


def samples(
    sampler: Sampler, declared: Input, cases: Sequence[Case], batch: int, reporter: Reporter
) -> Samples:
    """Several answers to each case, in batches of fixed membership.

    A case that cannot be read, or one of whose answers is not finite, gets an error code and
    costs no other its place, as in the predict pass.
    """
    found = Samples()
    for start in range(0, len(cases), batch):
        began = time.perf_counter()
        together = cases[start : start + batch]
        arrays = prepared_cases(together, declared, found.errors)
        values = sampler.sample(arrays, [case.case_id for case in together])
        for at, case in enumerate(together):
            if case.case_id in found.errors:
                continue
            if np.isfinite(values[:, at]).all():
                found.rows[case.case_id] = values[:, at]
            else:
                found.errors[case.case_id] = "non_finite_output"
        took = (time.perf_counter() - began) / len(together)
        found.seconds |= {case.case_id: took for case in together}
        done = start + len(together)
        reporter.progress(done, len(cases))
        reporter.log(f"{done} of {len(cases)} cases, {len(values)} samples each, {took:.3f} s")
    return found
