"""One network or several as one model: the door by which passes open what they run."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ml.engine.device import CPU, Device
from ml.engine.session import FloatArray, ModelError, Session, open_session
from ml.estimate import JsonObject
from ml.imaging.preprocess import Float32Array
from ml.intake.ensemble import members_in
from ml.intake.model_manifest import ENSEMBLE, ModelManifest, Scores
from ml.scores import mean_outputs


@dataclass(frozen=True)
class EnsembleSession(Session):
    """Answers the mean of its members' probabilities, on the scale that is declared."""

    members: tuple[Session, ...]
    declared: Scores

    def each(self, batch: Float32Array, *, first: int = 0, count: int | None = None) -> FloatArray:
        """Raw outputs of every member, or of some: (members, n, k), of maps (members, n, k, ...).

        Raises:
            ModelError, MemoryError: as ``run``, naming the member.
        """
        found = []
        chosen = self.members[first : None if count is None else first + count]
        for at, member in enumerate(chosen, first + 1):
            try:
                found.append(member.run(batch))
            except ModelError as error:
                raise ModelError(error.code, f"Member {at}: {error.message}") from None
        return np.stack(found)

    def mean(self, each: FloatArray) -> FloatArray:
        """The ensemble's own outputs, of those of its members (members, n, ...)."""
        if not self.maps:
            return mean_outputs(each, self.declared)
        mean = mean_outputs(np.moveaxis(each, 2, -1), self.declared)
        return mean if self.maps == "NHWC" else np.moveaxis(mean, -1, 1)

    def _raw(self, piece: Float32Array) -> NDArray[np.generic]:
        return self.mean(self.each(piece))

    @property
    def runtime_json(self) -> JsonObject:
        """That of all members together; two kinds of device are both named."""
        each = [member.runtime_json for member in self.members]
        merged = {name: value for runtime in each for name, value in runtime.items()}
        providers: dict[str, None] = {}
        for runtime in each:
            providers |= dict.fromkeys(cast(list[str], runtime["providers"]))
        devices = dict.fromkeys(str(runtime["device"]) for runtime in each)
        whys = dict.fromkeys(str(runtime["why"]) for runtime in each if runtime.get("why"))
        return {
            **merged,
            "providers": [*providers],
            "device": ", ".join(devices),
            "why": " ".join(whys),
            "members": len(each),
        }


def open_model(
    path: Path,
    manifest: ModelManifest,
    *,
    threads: int = 1,
    device: Device = CPU,
    runtime: str | None = None,
) -> Session:
    """Open a model: its weights, or of an ensemble the index with its members beside it.

    Args:
        path, manifest, threads, device, runtime: as for ``ml.engine.session.open_session``; each
            member of an ensemble is run by what is best known for its format.

    Raises:
        ModelError: as ``open_session``; model_unloadable for an index that cannot be read.
        MemoryError: if it does not fit.
    """
    if manifest.format != ENSEMBLE:
        return open_session(path, manifest, threads=threads, device=device, runtime=runtime)
    try:
        members = members_in(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError("model_unloadable", f"The ensemble cannot be opened: {error}") from None
    return EnsembleSession(
        fixed_batch=None,
        n_classes=len(manifest.output.classes),
        members=tuple(
            open_session(
                path.parent / one.sha256,
                manifest.of_member(one.format),
                threads=threads,
                device=device,
            )
            for one in members
        ),
        declared=manifest.output,
        maps=manifest.maps,
    )
