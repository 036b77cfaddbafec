"""A torch.export archive (.pt2) read as data: a zip of JSON and raw numbers, nothing else.

torch's own loader runs what a file brings (pickles, symbolic expressions, guards). Here the graph
is read entry by entry against the list of allowed operations; sample inputs, guards and symbolic
expressions are not opened at all.
"""

from pathlib import Path
from typing import BinaryIO

from ml.intake.pt2_archive import Archive, open_archive
from ml.intake.pt2_graph import read_nodes
from ml.intake.pt2_memory import Sizes
from ml.intake.pt2_types import dtype_of
from ml.intake.pt2_weights import read_weights
from ml.intake.refusal import refuse
from ml.intake.schema import Entry, Malformed
from ml.program.graph import Port, Program

SCHEMA_MAJOR = 8  # of torch's export schema; minor versions add fields only


def read_pt2(path: Path | BinaryIO, *, file: str | None = None) -> Program:
    """The network in an archive that ``torch.export.save`` wrote.

    Args:
        path: the file, or its bytes.
        file: what to call it in a refusal; absent: its name.

    Raises:
        Refused: archive_*, model_corrupt, model_limit, custom_op or pickle_refused; whatever the
            bytes are, nothing else is raised.
    """
    name = file or (path.name if isinstance(path, Path) else "archive")
    with open_archive(path, name) as archive:
        try:
            return _read(archive)
        except (Malformed, ValueError) as error:
            raise refuse(
                "model_corrupt",
                f"This is no archive as torch.export writes it: {str(error)[:300]}. Export the "
                "model again with torch.export.save.",
                file=name,
            ) from None


def _read(archive: Archive) -> Program:
    model = Entry.of(archive.json("models/model.json"), "model.json")
    version = model["schema_version"]["major"].integer()
    if version != SCHEMA_MAJOR:
        raise refuse(
            "opset_unsupported",
            f"The archive follows version {version} of torch's export format; version "
            f"{SCHEMA_MAJOR} is read here. Export it again with torch 2.13.",
            file=archive.name,
        )
    graph = model["graph_module"]["graph"]
    signature = model["graph_module"]["signature"]
    kept, ports = _inputs(signature["input_specs"], graph)
    stored = read_weights(archive)
    weights = {}
    for name, source in kept.items():
        if source not in stored:
            raise Malformed(f"the weight {source[:80]!r} is not in the archive")
        weights[name] = stored[source]
    given = [*kept, *(port.name for port in ports)]
    answers = _outputs(signature["output_specs"])
    nodes, outputs = read_nodes(graph["nodes"], given, answers, _sizes_of(graph), archive.name)
    return Program(
        ports, weights, nodes, outputs, kept, {"torch": model.text_or("torch_version", "unknown")}
    )


def _inputs(specs: Entry, graph: Entry) -> tuple[dict[str, str], tuple[Port, ...]]:
    """Names of weights with where they are stored, and the inputs proper."""
    kept: dict[str, str] = {}
    ports = []
    for spec in specs.items():
        kind, body = spec.only()
        if kind == "parameter":
            kept[body["arg"]["name"].text()] = body["parameter_name"].text()
        elif kind == "buffer":
            kept[body["arg"]["name"].text()] = body["buffer_name"].text()
        elif kind == "tensor_constant":
            kept[body["arg"]["name"].text()] = body["tensor_constant_name"].text()
        elif kind == "user_input":
            how, argument = body["arg"].only()
            if how != "as_tensor":
                raise Malformed("the network takes an input that is no tensor")
            ports.append(_port(argument["name"].text(), graph))
        else:
            raise Malformed(f"inputs of the kind {kind[:40]!r} are not read")
    if not ports:
        raise Malformed("the network takes no input")
    return kept, tuple(ports)


def _port(name: str, graph: Entry) -> Port:
    meta = graph["tensor_values"][name]
    return Port(name, _sizes(meta["sizes"]), dtype_of(meta["dtype"]))


def _sizes(entry: Entry) -> tuple[int | None, ...]:
    """None where a size is free."""
    shape: list[int | None] = []
    for size in entry.items():
        how, value = size.only()
        shape.append(value.integer() if how == "as_int" else None)
    return tuple(shape)


def _sizes_of(graph: Entry) -> Sizes:
    def of(name: str) -> tuple[int | None, ...] | None:
        meta = graph["tensor_values"].get(name)
        return None if meta is None else _sizes(meta["sizes"])

    return of


def _outputs(specs: Entry) -> list[str]:
    found = []
    for spec in specs.items():
        kind, body = spec.only()
        if kind == "user_output":
            how, argument = body["arg"].only()
            if how == "as_tensor":
                found.append(argument["name"].text())
        # Running statistics that training would move stay as they are.
        elif kind != "buffer_mutation":
            raise Malformed(f"outputs of the kind {kind[:40]!r} are not read")
    return found
