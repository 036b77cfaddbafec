"""MONAI's U-Net with dropout and batch normalisation, exported: a network unsure of its masks."""

import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch
import yaml
from monai.networks.nets import UNet

from tests.ml.intake.build import merged

OUTPUT = {
    "kind": "logits", "classes": ["nothing", "spot"], "activation": "softmax", "positive": ["spot"],
}  # fmt: skip
MANIFEST = {
    "name": "Unsure", "version": "1", "format": "pt2", "file": "model.pt2", "task": "segmentation",
    "dropout": "allowed", "output": OUTPUT,
    "input": {"colour": "gray", "resize": {"mode": "nearest"}, "intensity": {"scale": 255}},
}  # fmt: skip


def unet(dims: int, *, out: int = 2, seed: int = 1, dropout: float = 0.4) -> UNet:
    """Untrained, with running statistics that are no default: normalising by the batch is seen."""
    torch.manual_seed(seed)
    net = UNet(
        spatial_dims=dims, in_channels=1, out_channels=out, channels=(4, 8), strides=(2,),
        dropout=dropout, norm="batch",
    )  # fmt: skip
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
            part.running_mean.uniform_(-0.3, 0.3)
            part.running_var.uniform_(0.2, 0.6)
    return net.eval()


@cache
def archive(sides: Sequence[int], *, out: int = 2, seed: int = 1, dropout: float = 0.4) -> Path:
    """The exported file of a network that takes ``sides`` at once."""
    path = Path(mkdtemp(prefix="plumbline-unsure-")) / "model.pt2"
    module = unet(len(sides), out=out, seed=seed, dropout=dropout)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        free = ({0: torch.export.Dim("batch")},)
        example = (torch.zeros(2, 1, *sides),)
        torch.export.save(torch.export.export(module, example, dynamic_shapes=free), path)
    return path


def model(folder: Path, sides: Sequence[int], **changes: object) -> Path:
    """A folder to hand in."""
    folder.mkdir(parents=True, exist_ok=True)
    own = {"input": {"dims": len(sides), "size": list(sides)}}
    manifest = merged(merged(MANIFEST, own), changes)
    out = len(manifest["output"]["classes"])
    if manifest["format"] == "ensemble":
        for number, name in enumerate(manifest["members"], 1):
            (folder / name).write_bytes(archive(tuple(sides), out=out, seed=number).read_bytes())
        manifest.pop("file"), manifest.pop("dropout")
    else:
        (folder / "model.pt2").write_bytes(archive(tuple(sides), out=out).read_bytes())
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest))
    return folder
