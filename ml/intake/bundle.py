"""A MONAI bundle becomes the manifest of a network built by name; none of its code is run.

What the bundle says is translated; what it cannot say (which classes count as a finding), or says
in words model.yaml does not have, is declared in a model.yaml beside its ``configs``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from ml.intake.architectures import TABLE
from ml.intake.bundle_config import Config, read_config
from ml.intake.bundle_inference import read_inferer, read_masks, read_output
from ml.intake.bundle_transforms import Translated, read_input, steps_of
from ml.intake.bundle_volumes import read_volume
from ml.intake.folder import Folder
from ml.intake.formats import refuse_format
from ml.intake.refusal import Problems, Refused, refuse

METADATA = "configs/metadata.json"
_INFERENCE = ("configs/inference.json", "configs/inference.yaml", "configs/inference.yml")
_TRAINING = ("configs/train.json", "configs/train.yaml", "configs/train.yml")
_WEIGHTS = ("models/model.safetensors", "models/model.pt")
_PLACES = ("network_def", "network", "net")
_ABOUT = {"_target_", "_desc_", "_disabled_", "_requires_", "_mode_"}
# What may stand behind _target_, and the row of our table that it means.
_TARGETS = {
    f"{place}{row.function}": name
    for name, row in TABLE.items()
    for place in ("", "monai.networks.nets.", f"{row.module}.")
}
_OWN = (
    "Say it in a model.yaml at the top of the bundle: what stands there is taken as it is, and "
    "nothing of the bundle is read for it."
)


@dataclass(frozen=True)
class Bundle:
    """What was read of a bundle.

    Attributes:
        manifest: as model.yaml would say it, not yet checked.
        weights: the file, by its name in the folder.
        notes: sentences on what was understood, for people to check.
        read: the configurations it was understood from, by their names in the folder.
    """

    manifest: dict[str, object]
    weights: str
    notes: list[str] = field(default_factory=list)
    read: tuple[str, ...] = ()


def read_bundle(folder: Folder, own: Mapping[str, object]) -> Bundle:
    """The manifest and the weights of a bundle.

    Args:
        folder: the bundle, ``configs`` at its top.
        own: what its model.yaml says, or a form; it goes before what the bundle says.

    Raises:
        Refused: bundle_invalid, bundle_expression, bundle_untranslated (once for every part),
            architecture_unknown, pickle_refused (TorchScript), manifest_yaml, too_large.
    """
    found = read_config(folder, METADATA)
    assert found is not None, METADATA
    metadata = found[0]
    inference = read_config(folder, *_INFERENCE) or read_config(folder, *_TRAINING)
    if inference is None:
        raise refuse("bundle_invalid", "The bundle has no configs/inference.json or .yaml.")
    config = Config(*inference)
    weights = _weights(folder)
    if own.get("file", weights) != weights:
        raise refuse(
            "manifest_invalid", f"The weights of this bundle are {weights}.", file="model.yaml"
        )
    manifest: dict[str, object] = {
        "format": "monai-bundle",
        "file": weights,
        **{key: metadata[key] for key in ("name", "version") if key in metadata},
        **own,
    }
    notes: list[str] = []
    architecture = _architecture(config, folder, _mapping(own.get("architecture")), notes)
    formats = _mapping(metadata.get("network_data_format"))
    outputs = _first(formats.get("outputs"))
    if "task" not in own and outputs.get("type") == "image":
        manifest["task"] = "segmentation"  # the convention of bundles: an image comes out
    problems = Problems()
    _input(config, formats, manifest, architecture, notes, problems)
    _output(config, outputs, manifest, notes, problems)
    problems.raise_if_any()
    if _mapping(config.root.get("evaluator")).get("amp") is True:
        notes.append("The bundle computes in half precision (amp); here it is single precision.")
    manifest["architecture"] = architecture
    training = () if any(one in config.root for one in _PLACES) or "architecture" in own else [
        next((name for name in _TRAINING if name in folder), config.file)
    ]  # fmt: skip
    return Bundle(manifest, weights, notes, (METADATA, config.file, *training))


def _weights(folder: Folder) -> str:
    for name in _WEIGHTS:
        if name in folder:
            return name
    if any(PurePosixPath(name).suffix == ".ts" for name in folder.sizes):
        raise refuse_format("torchscript")
    raise refuse("file_missing", f"The bundle has no {' or '.join(_WEIGHTS)}.", file=_WEIGHTS[0])


def _architecture(
    config: Config, folder: Folder, own: Mapping[str, Any], notes: list[str]
) -> dict[str, object]:
    if "name" in own:
        return dict(own)
    place = next((one for one in _PLACES if one in config.root), None)
    if place is None and (training := read_config(folder, *_TRAINING)) is not None:
        config = Config(*training)
        place = next((one for one in _PLACES if one in config.root), None)
    if place is None:
        raise refuse("bundle_invalid", "The configuration has no network_def.", file=config.file)
    network = config.follow(place)
    target = network.get("_target_") if isinstance(network, dict) else None
    if not isinstance(target, str) or target not in _TARGETS:
        raise refuse(
            "architecture_unknown",
            f"The network of the bundle is {str(target)[:100]!r}, which is none of those built by "
            f"name: {', '.join(sorted(TABLE))}. Export it with torch.export (format: pt2).",
            file=config.file,
        )
    if network.get("_disabled_") not in (None, False) or network.get("_mode_") not in (
        None, "default",
    ):  # fmt: skip
        raise refuse("bundle_invalid", "The network is disabled, or of a mode.", file=config.file)
    arguments = {key: one for key, one in network.items() if key not in _ABOUT}
    if _TARGETS[target] == "monai.SwinUNETR" and arguments.pop("img_size", None) is not None:
        notes.append("img_size of SwinUNETR, which MONAI took until version 1.4, builds nothing.")
    return {"name": _TARGETS[target], "arguments": arguments, **own}


def _input(
    config: Config, formats: Mapping[str, Any], manifest: dict[str, object],
    architecture: dict[str, object], notes: list[str], problems: Problems,
) -> None:  # fmt: skip
    declared, dims = "input" in manifest, _dims(architecture)
    if declared and (dims == 3 or "axes" in architecture):
        return
    read = read_volume if dims == 3 else read_input
    channels = _first(formats.get("inputs")).get("num_channels")
    found = _translated(config, "preprocessing", lambda steps: read(steps, channels))
    if "axes" not in architecture and found.axes is not None:
        architecture["axes"] = found.axes
        notes += found.notes[:1] if declared else []
    if declared:
        if found.axes is None:
            _add(problems, config, "architecture.axes", ["It is not told which axis comes first."])
        return
    _patch(config, manifest, dims, found)
    manifest["input"] = found.value
    notes += found.notes
    _add(problems, config, "input", found.problems)


def _patch(config: Config, manifest: Mapping[str, object], dims: int, found: Translated) -> None:
    """What the inferer says becomes a part of the input."""
    try:
        inferer = config.leave("inferer") if "inferer" in config.root else None
        read = read_inferer(inferer, dims)
    except Refused as refused:
        read = Translated(problems=[one.message for one in refused.refusals])
    found.notes += read.notes
    found.problems += read.problems
    if read.value and found.axes == "xy":
        read.value["size"] = read.value["size"][::-1]
    if read.value and manifest.get("task") != "segmentation":
        found.problems.append("An inferer that takes patches belongs to networks that segment.")
    elif read.value:
        found.value["patch"] = read.value
    if "size" not in found.value and not read.value:
        found.problems.append("No Resize and no sliding window say which size the network takes.")


def _dims(architecture: Mapping[str, object]) -> int:
    """Of its images: as its arguments say, or as they are where these do not."""
    said = _mapping(architecture.get("arguments")).get("spatial_dims")
    row = TABLE.get(str(architecture.get("name")))
    if said is None and row is not None:
        said = row.arguments.model_fields["spatial_dims"].default
    return 3 if said == 3 else 2


def _output(
    config: Config, outputs: Mapping[str, Any], manifest: dict[str, object], notes: list[str],
    problems: Problems,
) -> None:  # fmt: skip
    own = _mapping(manifest.get("output"))
    value = dict(own)
    if "kind" not in own:
        masks = manifest.get("task") == "segmentation"
        found = _translated(config, "postprocessing", read_masks if masks else read_output)
        value = {**found.value, **own}
        notes += found.notes
        _add(problems, config, "output", found.problems)
    if "classes" not in own:
        classes = _classes(outputs.get("channel_def"))
        value |= {"classes": classes} if classes else {}
        missing = [] if classes else ["channel_def of metadata.json does not name the classes."]
        _add(problems, config, "output.classes", missing)
    if "positive" not in own:
        _add(
            problems, config, "output.positive",
            ["A bundle does not say which classes count as a finding, or as a structure."],
        )  # fmt: skip
    manifest["output"] = value


def _translated(config: Config, key: str, read: Any) -> Translated:
    if key not in config.root:
        return Translated(problems=[f"The configuration has no {key}."])
    try:
        steps = steps_of(config.leave(key))
    except Refused as refused:
        return Translated(problems=[one.message for one in refused.refusals])
    if steps is None:
        return Translated(problems=[f"{key} is no list of transforms."])
    found: Translated = read(steps)
    return found


def _add(problems: Problems, config: Config, key: str, sentences: list[str]) -> None:
    for sentence in sentences:
        problems.add("bundle_untranslated", f"'{key}': {sentence} {_OWN}", file=config.file)


def _classes(channels: object) -> list[str]:
    """Names in the order of channels, if they are numbered from 0 without gaps."""
    if not isinstance(channels, dict) or len(channels) > 1000:
        return []
    names = [channels.get(str(at)) for at in range(len(channels))]
    return [name for name in names if isinstance(name, str)] if all(names) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _first(value: object) -> Mapping[str, Any]:
    """What is said of the first input or output."""
    return _mapping(next(iter(_mapping(value).values()), None))
