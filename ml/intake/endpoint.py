"""A model behind an address: asked what it is, tried on noise, and described in a file."""

from pathlib import Path
from typing import cast

from ml.engine.endpoint import EndpointSession, description, open_endpoint
from ml.engine.session import CasesFailed, ModelError
from ml.engine.smoke import smoke_run
from ml.estimate import JsonObject, JsonValue, objects_in
from ml.evidence.intake_record import sealed
from ml.evidence.store import canonical, file_sha256, sha256_of
from ml.intake.model_manifest import ModelManifest
from ml.intake.program_card import without_program
from ml.intake.refusal import refuse
from ml.sandbox.messages import Reporter

NAME = "endpoint.json"


def read_endpoint(
    manifest: ModelManifest, out_dir: Path, reporter: Reporter, file: str
) -> JsonObject:
    """Probe and smoke-run an endpoint; as ``ml.intake.model.read_model``.

    What is stored in the place of weights is a description: the address, what the server says of
    the model, and the version that it states.

    Args:
        file: of the manifest, for refusals.

    Raises:
        Refused: a code of ``ml.endpoint.problem``, model_shape, output_kind, non_finite_output.
    """
    reporter.log(f"asking {manifest.url}")
    try:
        session = open_endpoint(None, manifest, ask=reporter.ask, out_dir=out_dir)
        reporter.log("running it twice on two cases of noise")
        smoke = smoke_run(Path(), manifest, session)
    except ModelError as error:
        raise refuse(error.code, error.message, file=file) from None
    except CasesFailed:
        raise refuse(
            "endpoint_failed", "The endpoint answers cases of noise with an error.", file=file
        ) from None
    files = out_dir / "files"
    files.mkdir(exist_ok=True)
    written = files / NAME
    written.write_bytes(canonical(description(session)))
    sha256 = file_sha256(written)
    card = _card(session) | {"sha256": sha256, "size_bytes": written.stat().st_size}
    card["smoke"] = smoke
    written.rename(files / sha256)
    normalised: JsonObject = manifest.model_dump(mode="json")
    stored: list[JsonValue] = [{"name": NAME, "sha256": sha256, "path": f"files/{sha256}"}]
    return {
        "manifest": normalised,
        "manifest_sha256": sha256_of(normalised),
        "card": sealed(card),
        "sha256": sha256,
        "files": stored,
    }


def _ports(tensors: JsonValue) -> list[JsonValue]:
    """Tensors of the server's metadata as cards name them; a size of -1 is free."""
    return [
        {
            "name": tensor["name"],
            "dtype": tensor["datatype"],
            "shape": [None if side == -1 else side for side in cast(list[int], tensor["shape"])],
        }
        for tensor in objects_in(tensors)
    ]


def _card(session: EndpointSession) -> JsonObject:
    """What can be known of a network that nobody here sees."""
    described, version = session.described, session.tally.version
    runtime = session.runtime_json["endpoint"]
    notes: list[JsonValue] = [
        "The network is not here: prepared pictures of every audit are sent to its address.",
        f"The server states the version {version}; nobody here can verify it."
        if version is not None
        else "The server states no version: its answers are never reused for another audit.",
    ]
    return {
        "format": "endpoint",
        "producer": str(described["platform"]),
        "endpoint": runtime,
        "operations": {},
        "parameters": 0,
        "inputs": _ports(described["inputs"]),
        "outputs": _ports(described["outputs"]),
        "has_dropout": False,
        **without_program(["A model behind an address is a black box."]),
        "notes": notes,
    }
