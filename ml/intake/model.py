"""A model folder becomes a manifest, a capability card and the stored files of its weights."""

import hashlib
import shutil
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import cast

from ml.engine.session import ModelError, Session, check_may_open, open_session
from ml.engine.smoke import program_check, sampling_check, smoke_run
from ml.engine.trial import OF_A_PROGRAM, OF_ONNX, trial
from ml.estimate import JsonObject, JsonValue
from ml.evidence.intake_record import sealed
from ml.evidence.store import file_sha256, sha256_of
from ml.intake.architectures import checked
from ml.intake.bundle import METADATA, Bundle, read_bundle
from ml.intake.checkpoint import read_checkpoint
from ml.intake.endpoint import read_endpoint
from ml.intake.ensemble import INDEX, index_of, read_members
from ml.intake.folder import Folder, at_marker, open_folder, open_plain
from ml.intake.formats import READ, format_of, refuse_format
from ml.intake.kept import kept
from ml.intake.manifest import read_yaml, validated
from ml.intake.model_manifest import ENSEMBLE, ModelManifest
from ml.intake.model_manifest import MANIFEST as MANIFEST
from ml.intake.onnx_graph import MOST_BYTES, read_graph
from ml.intake.program_card import (
    describe_by_name,
    describe_onnx,
    describe_program,
    describe_weights,
    without_program,
)
from ml.intake.pt2 import read_pt2
from ml.intake.refusal import Refused, refuse
from ml.intake.safetensors_file import read_safetensors, write_safetensors
from ml.intake.scan import scan, scanned, with_scan
from ml.program.graph import Program
from ml.sandbox.messages import Reporter

MOST_TOLD = 20  # files of an upload that the log names


def read_model(
    path: Path,
    out_dir: Path,
    reporter: Reporter,
    given: dict[str, object] | None = None,
    allow: Collection[str] = (),
) -> JsonObject:
    """Read, check and smoke-run a model without executing anything of its own but the graph.

    The one exception is TorchScript, where ``allow`` names it: see ``ml.engine.script_session``.

    Args:
        path: a folder, a zip of it, or one weights file.
        out_dir: the accepted bytes go to ``files/<sha256>`` below it, each file for itself.
        reporter: told what is being done.
        given: the manifest of a lone file, as a form or the API passes it.
        allow: formats that bring code of their own and are taken all the same.

    Returns:
        manifest, card, sha256 (weights), manifest_sha256, files (the weights first; of an
        ensemble its index, then its members). For a lone file without a manifest the card ends
        before the smoke run, and manifest is null. Where ``program_sha256`` of the card is not
        null, ``files/<sha256>.program`` is what a network built by its name was exported to;
        where there is an ``onnx_sha256``, ``files/<sha256>.onnx`` is the program as ONNX.

    Raises:
        Refused: see docs/intake-codes.md; with a scan, where the files could be listed.
    """
    with open_folder(path, out_dir, MANIFEST) as opened:
        folder = at_marker(opened, METADATA)
        seen = scan(folder)
        for row in seen[:MOST_TOLD]:
            reporter.log(f"{row['name']}: {row['kind']}, {row['bytes']:,} bytes")
        try:
            return _read_folder(folder, seen, out_dir, reporter, given, allow)
        except Refused as refused:
            raise with_scan(refused, folder, seen) from None


def _read_folder(
    folder: Folder,
    seen: list[JsonObject],
    out_dir: Path,
    reporter: Reporter,
    given: dict[str, object] | None,
    allow: Collection[str],
) -> JsonObject:
    """As ``read_model``, of a folder whose files are listed."""
    with TemporaryDirectory(prefix=".weights-", dir=out_dir) as work:
        bundle = _bundle(folder, given) if METADATA in folder else None
        manifest = _checked(bundle.manifest) if bundle else _manifest(folder, given, allow)
        if manifest is not None and manifest.format == "endpoint":
            return read_endpoint(manifest, out_dir, reporter, MANIFEST)
        read_one = partial(_read_file, folder, out_dir=out_dir, work=Path(work), reporter=reporter)
        if bundle is None and (manifest is None or manifest.format != ENSEMBLE):
            read_one = partial(read_one, allow=allow)
        if manifest is not None and manifest.format == ENSEMBLE:
            card, names = _ensemble(folder, manifest, out_dir, read_one)
        else:
            weights = bundle.weights if bundle else _weights(folder, manifest)
            card = read_one(weights, manifest, bundle=bundle)
            names = {str(card["sha256"]): weights}
        card["scan"] = scanned(folder, seen, _used(folder, names.values(), bundle))
    normalised = None if manifest is None else cast(JsonObject, manifest.model_dump(mode="json"))
    files: list[JsonValue] = [
        {"name": name, "sha256": sha256, "path": f"files/{sha256}"}
        for sha256, name in names.items()
    ]
    return {
        "manifest": normalised,
        "manifest_sha256": None if normalised is None else sha256_of(normalised),
        "card": sealed(card),
        "sha256": card["sha256"],
        "files": files,
    }


def _read_file(
    folder: Folder,
    weights: str,
    manifest: ModelManifest | None,
    *,
    out_dir: Path,
    work: Path,
    reporter: Reporter,
    bundle: Bundle | None = None,
    allow: Collection[str] = (),
) -> JsonObject:
    """The card of one file of weights, which is kept; with a manifest it is run as well.

    A member of an ensemble may be in any format, which its own manifest then is in.
    """
    size = folder.sizes[weights]
    if size > MOST_BYTES:
        raise refuse("model_limit", f"The file has {size:,} bytes; 2 GiB is the most.")
    source, notes = folder.path(weights), bundle.notes if bundle else []
    if bundle and weights.endswith(".pt"):
        source = _rewritten(source, weights, work, notes)
    kind = format_of(source, weights, allow)
    alone = manifest is not None and manifest.format != ENSEMBLE
    if manifest is not None and not alone:
        manifest = manifest.of_member(kind)
    declared = None if manifest is None else manifest.format
    if declared is not None and kind != ("safetensors" if bundle else declared):
        raise refuse(
            "manifest_invalid",
            f"{MANIFEST} says 'format: {declared}', and the file is of the format {kind}.",
            file=MANIFEST,
        )
    reporter.log(f"reading {weights}, {size:,} bytes")
    session: Session | None = None
    program: Program | None = None
    if kind == "pt2":
        program = read_pt2(source)
        card = describe_program(program)
    elif kind == "safetensors":
        card, session, program = _by_name(source, manifest, weights, notes)
    elif kind == "torchscript":
        card, session = _script(source, manifest, weights, reporter, allow)
    else:
        model = read_graph(folder.read(weights, most=MOST_BYTES), weights)
        case = None if manifest is None else manifest.input.shape
        card, program = describe_onnx(model, weights, case)
    sha256 = file_sha256(source)
    card |= {"sha256": sha256, "size_bytes": source.stat().st_size}
    if manifest is not None:
        reporter.log("running it twice on two cases of noise")
        card["smoke"] = _smoke(source, manifest, weights, session)
        if kind == "onnx" and card["gradients"]:
            difference, why_not = program_check(source, manifest)
            card["program_difference"] = difference
            if why_not:
                card |= without_program([why_not])
                program = None
        if program is not None:
            card["measured"] = _measured(program, manifest)
        if alone and kind != "torchscript":
            reporter.log("measuring what runs it quickest")
            card["runtime"] = _trial(source, manifest, program, onnx=kind == "onnx")
        if manifest.dropout is not None:
            reporter.log("switching its dropout on")
            card["sampling"] = _sampling(source, manifest, card)
    stored = _store(source, out_dir / "files", sha256)
    if alone and kind != "onnx" and program is not None:
        assert manifest is not None
        card |= kept(stored, program, manifest, cast(JsonObject, card["runtime"]))
    return card


def _ensemble(
    folder: Folder, manifest: ModelManifest, out_dir: Path, read_one: Callable[..., JsonObject]
) -> tuple[JsonObject, dict[str, str]]:
    """The card of an ensemble, and the name of every stored file by its SHA-256."""
    try:
        card, members = read_members(folder, manifest, lambda name: read_one(name, manifest))
    except Refused:
        shutil.rmtree(out_dir / "files", ignore_errors=True)  # of members that were fine
        raise
    index = index_of(members)
    sha256 = hashlib.sha256(index).hexdigest()
    (out_dir / "files" / sha256).write_bytes(index)
    names = zip(members, manifest.weights, strict=True)
    return {**card, "sha256": sha256}, {sha256: INDEX} | {one.sha256: name for one, name in names}


def _bundle(folder: Folder, given: dict[str, object] | None) -> Bundle:
    own = read_yaml(folder, MANIFEST) if MANIFEST in folder else given or {}
    if own.get("format", "monai-bundle") != "monai-bundle":
        raise refuse(
            "manifest_invalid",
            f"{MANIFEST} says 'format: {str(own['format'])[:40]}', and this is a MONAI bundle.",
            file=MANIFEST,
        )
    return read_bundle(folder, own)


def _rewritten(source: Path, file: str, work: Path, notes: list[str]) -> Path:
    """A checkpoint as safetensors: what is stored, and opened later on, holds numbers alone."""
    tensors, found = read_checkpoint(source, file=file)
    target = work / "model.safetensors"
    write_safetensors(target, tensors)
    notes += [*found, f"{file} (SHA-256 {file_sha256(source)}) was rewritten as safetensors."]
    return target


def _by_name(
    source: Path, manifest: ModelManifest | None, file: str, notes: list[str]
) -> tuple[JsonObject, Session | None, Program | None]:
    """The card of weights alone; the network they belong to is built from its name, and open."""
    stored = read_safetensors(source, file=file)
    if manifest is None:
        return describe_weights(stored.tensors), None, None
    if manifest.architecture is None:  # of an ensemble: others have one by then
        raise refuse(
            "manifest_invalid",
            "Weights alone do not say which network they belong to: name it as 'architecture'.",
            file=MANIFEST,
        )
    try:
        from ml.engine.by_name import program_by_name
        from ml.engine.program_session import as_session
    except ModuleNotFoundError:
        raise refuse(
            "format_unsupported",
            "Models of this format need torch and MONAI, which are not installed on this machine: "
            "requirements-engine.txt holds them.",
            file=file,
        ) from None
    program = program_by_name(
        manifest.architecture, stored.tensors, manifest.input.shape, file=file
    )
    card = describe_by_name(program, manifest)
    card["notes"] = [*notes, *cast(list[JsonValue], card["notes"])]
    try:
        return card, as_session(program, manifest), program
    except ModelError as error:
        raise refuse(error.code, error.message, file=file) from None


def _script(
    source: Path,
    manifest: ModelManifest | None,
    file: str,
    reporter: Reporter,
    allow: Collection[str],
) -> tuple[JsonObject, Session]:
    """The card of a TorchScript file, and the session: it is opened once, and only if it may be."""
    if manifest is None:
        raise refuse("manifest_missing", f"It is not opened without a {MANIFEST}.", file=MANIFEST)
    try:
        check_may_open(allow, reporter.walls)
        from ml.engine.script_session import describe_script, open_script
    except ModelError as error:
        raise refuse(error.code, error.message, file=file) from None
    except ModuleNotFoundError:
        raise refuse(
            "format_unsupported",
            "TorchScript needs torch, which is not installed on this machine.",
            file=file,
        ) from None
    try:
        session = open_script(source, manifest, allow=allow, walls=reporter.walls)
    except ModelError as error:
        raise refuse(error.code, error.message, file=file) from None
    return describe_script(source, session), session


def _manifest(
    folder: Folder, given: dict[str, object] | None, allow: Collection[str]
) -> ModelManifest | None:
    lone = next(iter(folder.sizes)) if len(folder.sizes) == 1 else None
    if MANIFEST in folder:
        value = read_yaml(folder, MANIFEST)
    elif lone is not None and lone.lower().endswith((".yaml", ".yml")):
        value = read_yaml(folder, lone)  # of a model that is no file, stored by another name
        if value.get("format") != "endpoint":
            raise refuse(
                "file_missing",
                f"This is a {MANIFEST} by itself: hand it in together with the file it names.",
                file=MANIFEST,
            )
    elif given is not None:
        value = {"file": lone, **given} if lone and "files" not in given else given
    elif lone is not None:
        return None
    else:
        _answer_foreign(folder)
        value = read_yaml(folder, MANIFEST)  # refuses, saying what is missing
    # A foreign format is answered as such, whatever else its manifest lacks.
    if isinstance(value.get("format"), str) and value["format"] not in (*READ, *allow):
        known = ModelManifest.model_fields["format"].annotation
        if value["format"] in getattr(known, "__args__", ()):
            raise refuse_format(str(value["format"]))
    if value.get("format") == "monai-bundle":
        raise refuse("bundle_invalid", f"The bundle has no {METADATA}.", file=METADATA)
    return _checked(value)


def _checked(value: dict[str, object]) -> ModelManifest:
    manifest = validated(ModelManifest, value, MANIFEST)
    if manifest.architecture is not None:
        checked(manifest.architecture.name, manifest.architecture.arguments, file=MANIFEST)
    return manifest


def _answer_foreign(folder: Folder) -> None:
    """A folder without manifest: if its files are of a refused kind, say that first."""
    for name in sorted(folder.sizes):
        if PurePosixPath(name).suffix.lower() not in (".onnx", ".md", ".txt", ".json", ".yaml"):
            format_of(folder.path(name), name)


def _weights(folder: Folder, manifest: ModelManifest | None) -> str:
    if MANIFEST not in folder:  # the lone file, whatever name its manifest knew it by
        return next(iter(folder.sizes))
    assert manifest is not None
    names = manifest.weights
    if len(names) != 1:
        raise refuse(
            "format_unsupported", "A model is one file here; export it into one.",
            file=MANIFEST,
        )  # fmt: skip
    if names[0] not in folder:
        raise refuse("file_missing", f"{MANIFEST} names a file that is not there.", file=names[0])
    return names[0]


def _smoke(path: Path, manifest: ModelManifest, file: str, session: Session | None) -> JsonObject:
    try:
        return smoke_run(path, manifest, session)
    except ModelError as error:
        raise refuse(error.code, error.message, file=file) from None


def _sampling(path: Path, manifest: ModelManifest, card: JsonObject) -> JsonObject:
    if not card["gradients"]:
        return {"works": False, "reason": "Run as a black box, its dropout cannot be switched on."}
    if not card["has_dropout"]:
        return {"works": False, "reason": "The file holds no dropout that could be switched on."}
    return sampling_check(path, manifest)


def _measured(program: Program, manifest: ModelManifest) -> JsonObject:
    try:
        from ml.engine.measured import measured
    except ModuleNotFoundError:
        return {"reason": "torch is not installed on this machine, so nothing was counted."}
    try:
        return measured(program, manifest)
    except ModelError as error:
        return {"reason": error.message}
    except MemoryError:
        return {"reason": "There was not enough memory to count."}


def _used(folder: Folder, weights: Iterable[str], bundle: Bundle | None) -> dict[str, str]:
    used = dict.fromkeys((name for name in weights if name in folder), "weights, read as data")
    if MANIFEST in folder:
        used[MANIFEST] = "manifest"
    if bundle is not None:
        used |= dict.fromkeys(bundle.read, "configuration, read as data")
    return used


def _trial(
    path: Path, manifest: ModelManifest, program: Program | None, *, onnx: bool
) -> JsonObject:
    """Which runtime is to compute the outputs."""
    if program is None or onnx:
        names = OF_ONNX[:1] if program is None else OF_ONNX
        return trial(
            lambda name, threads=1: open_session(path, manifest, runtime=name, threads=threads),
            names, manifest.input,
        )  # fmt: skip
    from ml.engine.program_session import run_by  # torch is there where there is a program

    known = program
    return trial(
        lambda name, threads=1: run_by(name, known, manifest, threads=threads),
        OF_A_PROGRAM, manifest.input,
    )  # fmt: skip


def _store(source: Path, files: Path, sha256: str) -> Path:
    files.mkdir(exist_ok=True)
    with open_plain(source) as opened, (files / sha256).open("wb") as stored:
        shutil.copyfileobj(opened, stored, 1 << 20)
    return files / sha256
