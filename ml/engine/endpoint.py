"""A model behind an address, behind the same door as every other: the child asks, its parent calls.

See docs/adr/0023: this process has no network. It leaves prepared cases as numbers in its folder,
and gets numbers back.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ml.endpoint.client import Target
from ml.engine.session import CasesFailed, FloatArray, ModelError, Session, check_case_shape
from ml.estimate import JsonObject, JsonValue
from ml.imaging.preprocess import Float32Array
from ml.intake.model_manifest import ModelManifest

Ask = Callable[[JsonObject], JsonObject]
MOST_FAILED = 16  # cases in a row, before it is the endpoint's fault and not theirs
_CASES = "cases.f32"  # float32, little-endian: what is asked about


def target_of(manifest: ModelManifest) -> Target:
    """Whom a manifest means, without what an operator allows."""
    assert manifest.url is not None
    assert manifest.endpoint is not None
    asked = manifest.endpoint
    return Target(
        url=manifest.url,
        model=asked.model,
        version=asked.version or "",
        tensor=asked.input or "",
        output=manifest.output.name or "",
        datatype=asked.datatype,
        binary=asked.data == "binary",
        case_shape=tuple(manifest.input.shape),
        n_classes=len(manifest.output.classes),
        seconds=asked.seconds,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass
class _Tally:
    """What happened on the way; beside the evidence, never in it."""

    requests: int = 0  # that were sent, those included that had to be repeated
    answers: int = 0
    failed: int = 0  # cases in a row that were answered with an error
    version: str | None = None  # that the answers were of; None where none was stated
    began: str = field(default_factory=_now)
    ended: str = ""


@dataclass(frozen=True)
class EndpointSession(Session):
    ask: Ask
    out_dir: Path
    manifest: ModelManifest
    described: JsonObject  # what the server says of the model
    accepted: JsonObject | None  # what intake kept of it; None at intake itself
    tally: _Tally = field(default_factory=_Tally)

    def _raw(self, piece: Float32Array) -> NDArray[np.generic]:
        assert self.manifest.endpoint is not None
        most = self.manifest.endpoint.most_cases
        found = np.full((len(piece), self.n_classes), np.nan)
        failed: dict[int, str] = {}
        for at in range(0, len(piece), most):
            self._fill(found, piece, range(at, min(at + most, len(piece))), failed)
        if failed:
            raise CasesFailed(found, failed)
        return found

    def _fill(
        self, found: FloatArray, cases: Float32Array, at: range, failed: dict[int, str]
    ) -> None:
        """Ask for some of the cases; where that is answered with an error, for each alone.

        One of them may be what it cannot take, and the others are not to pay for it.
        """
        try:
            found[at.start : at.stop] = self._once(cases[at.start : at.stop])
            self.tally.failed = 0
        except ModelError as error:
            if error.code != "endpoint_failed":
                raise
            if len(at) > 1:
                for one in at:
                    self._fill(found, cases, range(one, one + 1), failed)
                return
            failed[at.start] = error.code
            self.tally.failed += 1
            if self.tally.failed == MOST_FAILED:
                raise ModelError(
                    "endpoint_failed",
                    f"The endpoint answered {MOST_FAILED} cases in a row with an error.",
                ) from None

    def _once(self, cases: Float32Array) -> NDArray[np.float64]:
        data = np.ascontiguousarray(cases, dtype="<f4").tobytes()
        (self.out_dir / _CASES).write_bytes(data)
        answer = _checked(self.ask({"what": "infer", "n": len(cases), "file": _CASES}))
        (self.out_dir / _CASES).unlink()
        self.tally.answers += 1
        self.tally.requests += int(cast(int, answer["requests"]))
        self.tally.ended = _now()
        self._keep_version(str(answer["version"]))
        values = np.frombuffer(base64.b64decode(str(answer["values"])), dtype="<f8")
        return values.reshape(len(cases), self.n_classes)

    def _keep_version(self, answered: str) -> None:
        """See that all answers are of one version, and of that which was accepted."""
        version = stated(self.manifest, self.described, answered)
        known = self.tally.version if self.accepted is None else self.accepted["model_version"]
        if version != known and (self.accepted is not None or self.tally.answers > 1):
            raise changed(f"it answers as version {version}, and was {known}")
        self.tally.version = version

    @property
    def reusable(self) -> bool:
        """Without a version nobody can tell whether it is still the same model."""
        return self.accepted is not None and self.accepted["model_version"] is not None

    @property
    def runtime_json(self) -> JsonObject:
        assert self.manifest.url is not None
        assert self.manifest.endpoint is not None
        host = self.manifest.url.partition("//")[2].partition("/")[0]
        return {
            "providers": [f"endpoint {host}"],
            "device": "remote",
            "endpoint": {
                "host": host,
                "model": self.manifest.endpoint.model,
                "model_version": self.tally.version,
                "platform": self.described["platform"],
                "requests": self.tally.requests,
                "began": self.tally.began,
                "ended": self.tally.ended,
            },
        }


def stated(manifest: ModelManifest, described: JsonObject, answered: str) -> str | None:
    """The version of the model as the server states it: in its answer, or in its metadata."""
    assert manifest.endpoint is not None
    versions = cast(list[str], described["versions"])
    wanted = manifest.endpoint.version
    if answered:
        return answered
    if wanted is not None:
        return wanted if wanted in versions else None
    return versions[0] if len(versions) == 1 else None


def open_endpoint(
    path: Path | None, manifest: ModelManifest, *, ask: Ask, out_dir: Path
) -> EndpointSession:
    """Ask what the endpoint is, and see that it is what was accepted.

    Args:
        path: the description that intake stored; None at intake itself.
        manifest: as accepted.
        ask: the parent, see ``ml.endpoint.link``.
        out_dir: the job's folder.

    Raises:
        ModelError: a code of ``ml.endpoint.problem``, model_shape.
    """
    accepted = None if path is None else cast(JsonObject, json.loads(path.read_bytes()))
    question: JsonObject = {"what": "open"}
    if accepted is None:
        question["manifest"] = cast(JsonValue, manifest.model_dump(mode="json"))
    described = cast(JsonObject, _checked(ask(question))["described"])
    _check_input(described, manifest)
    if accepted is not None:
        _check_same(described, cast(JsonObject, accepted["described"]))
    return EndpointSession(
        fixed_batch=None,
        n_classes=len(manifest.output.classes),
        ask=ask,
        out_dir=out_dir,
        manifest=manifest,
        described=described,
        accepted=accepted,
    )


def description(session: EndpointSession) -> JsonObject:
    """What stands in the place of weights: whom was asked, and what it said of itself.

    Call it after a run: an answer may state the version that the metadata does not.
    """
    manifest: JsonObject = session.manifest.model_dump(mode="json")
    return {
        "url": manifest["url"],
        "endpoint": manifest["endpoint"],
        "described": session.described,
        "model_version": session.tally.version,
    }


def _checked(answer: JsonObject) -> JsonObject:
    if "code" in answer:
        raise ModelError(str(answer["code"]), str(answer["message"]))
    return answer


def _check_input(described: JsonObject, manifest: ModelManifest) -> None:
    """Hold what the server says of its input against the manifest; some say nothing."""
    assert manifest.endpoint is not None
    for tensor in cast(list[JsonObject], described["inputs"]):
        if tensor["name"] != described["tensor"]:
            continue
        if tensor["datatype"] != manifest.endpoint.datatype:
            raise ModelError(
                "model_shape",
                f"The endpoint takes {tensor['datatype']}, model.yaml declares "
                f"{manifest.endpoint.datatype}.",
            )
        sides = cast(list[int], tensor["shape"])[1:]
        check_case_shape(["free" if side < 0 else side for side in sides], manifest)


def _check_same(described: JsonObject, accepted: JsonObject) -> None:
    for what in ("platform", "tensor", "output", "inputs", "outputs"):
        if described[what] != accepted[what]:
            raise changed(
                f"its {what} {'are' if what.endswith('s') else 'is'} not what was accepted"
            )


def changed(what: str) -> ModelError:
    return ModelError(
        "endpoint_changed",
        f"The endpoint is not the model that was accepted: {what}. Hand it in as a new version.",
    )
