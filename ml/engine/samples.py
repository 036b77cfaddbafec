"""The samples pass: several answers to every case, of an ensemble's members or of dropout."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from ml.engine.cases import Case
from ml.engine.device import CPU, Device
from ml.engine.ensemble import EnsembleSession
from ml.engine.passes import SAMPLES
from ml.engine.predict import Asked, Outputs, finished, in_batches
from ml.engine.sampled_form import sampled_masks_table
from ml.engine.sampled_masks import MapSampler, MemberMaps, sampled_masks
from ml.engine.sampling import MEMBERS
from ml.engine.session import FloatArray, ModelError
from ml.estimate import JsonObject
from ml.evidence.store import samples_table
from ml.imaging.declared import Input
from ml.imaging.preprocess import Float32Array
from ml.sandbox.messages import Reporter

if TYPE_CHECKING:
    from ml.engine.dropout_session import DropoutSession

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
            seed (of dropout), structures (of a model that segments). beside: the predict pass of an
            ensemble, see ``ml.engine.members``.
        out_dir: where the table is written.
        reporter: told after every batch.

    Returns:
        As the predict pass does.

    Raises:
        ModelError: as what opens and runs the model; model_shape where an ensemble has another
            number of members than was planned.
    """
    if inputs.get("beside"):
        from ml.engine.members import members_job  # which looks into this module

        return members_job(SAMPLES, inputs, out_dir, reporter)
    asked = Asked.of(inputs)
    settings = tuple(inputs.get(name) for name in ("kind", "samples", "seed"))
    if asked.manifest.task == "segmentation":
        maps = asked.opened(f"maps {settings}", lambda: _opened_maps(asked, inputs))
        marked = sampled_masks(maps, asked.manifest, asked.cases, reporter)
        content = sampled_masks_table(asked.case_ids, marked.rows, marked.errors, inputs)
        return finished(asked, marked, content, out_dir / TABLE, maps.runtime_json)
    sampler = asked.opened(f"samples {settings}", lambda: sampler_of(asked, inputs))
    found = samples(sampler, asked.manifest.input, asked.cases, asked.batch, reporter, asked.device)
    return sampled(asked, found, sampler.runtime_json, out_dir)


def sampled(
    asked: Asked, found: Outputs[FloatArray], runtime: JsonObject, out_dir: Path
) -> JsonObject:
    """Write the table of several rows for each case; what the samples job answers."""
    table = samples_table(
        asked.case_ids,
        {case_id: rows.tolist() for case_id, rows in found.rows.items()},
        found.errors,
        len(asked.manifest.output.classes),
    )
    return finished(asked, found, table, out_dir / TABLE, runtime)


def members_of(asked: Asked, inputs: JsonObject) -> EnsembleSession:
    """The ensemble, opened.

    Args:
        inputs: of the samples job; ``samples`` is the number of members.

    Raises:
        ModelError: model_shape, where it has another number of members.
    """
    count, session = int(cast(int, inputs["samples"])), asked.of_file()
    if not isinstance(session, EnsembleSession) or len(session.members) != count:
        raise ModelError("model_shape", f"This is no ensemble of {count} members.")
    return session


def sampler_of(asked: Asked, inputs: JsonObject) -> Sampler:
    """What answers several times, opened.

    Args:
        inputs: kind, samples and seed of the samples job.

    Raises:
        ModelError: as the samples job.
    """
    if inputs["kind"] == MEMBERS:
        return MemberSampler(members_of(asked, inputs))
    return _dropping(asked, inputs)


def _opened_maps(asked: Asked, inputs: JsonObject) -> MapSampler:
    if inputs["kind"] == MEMBERS:
        return MemberMaps(members_of(asked, inputs))
    return _dropping(asked, inputs)


def _dropping(asked: Asked, inputs: JsonObject) -> "DropoutSession":
    from ml.engine.dropout_session import open_dropout  # torch, which ensembles do without

    return open_dropout(
        asked.path,
        asked.manifest,
        samples=int(cast(int, inputs["samples"])),
        seed=int(cast(int, inputs["seed"])),
        threads=asked.threads,
        device=asked.device,
        runtime=asked.runtime,
    )


def samples(
    sampler: Sampler,
    declared: Input,
    cases: Sequence[Case],
    batch: int,
    reporter: Reporter,
    device: Device = CPU,
) -> Outputs[FloatArray]:
    """Several answers (t, k) to each case, as the predict pass goes over cases."""

    def rows(members: Sequence[Case], arrays: Float32Array) -> list[FloatArray | None]:
        values = sampler.sample(arrays, [case.case_id for case in members])
        each = [values[:, at] for at in range(len(members))]
        return [one if np.isfinite(one).all() else None for one in each]

    return in_batches(declared, cases, rows, batch=batch, device=device, reporter=reporter)
