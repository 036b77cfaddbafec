"""The brightness network of ``build``, written in torch and exported to an archive."""

import warnings
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch
import yaml

from tests.ml.intake.build import MANIFEST, merged


class Brightness(torch.nn.Module):
    """Mean of the picture, one linear layer to two classes, softmax; dropout before it."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = torch.nn.Dropout(0.25)
        self.head = torch.nn.Linear(1, 2)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor([[-10.0], [10.0]]))
            self.head.bias.copy_(torch.tensor([5.0, -5.0]))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        pooled = image.mean((2, 3))
        return torch.softmax(self.head(self.dropout(pooled)), 1)


@cache
def archive(*, static: bool = False) -> Path:
    """The file; ``static`` is what an export without dynamic shapes gives: for one case only."""
    path = Path(mkdtemp(prefix="plumbline-brightness-")) / "model.pt2"
    example = torch.zeros((1 if static else 2, 1, 8, 8))
    free = None if static else ({0: torch.export.Dim("batch")},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        program = torch.export.export(Brightness().eval(), (example,), dynamic_shapes=free)
        torch.export.save(program, path)
    return path


def exported_folder(folder: Path, *, static: bool = False, **changes: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.pt2").write_bytes(archive(static=static).read_bytes())
    manifest = merged(MANIFEST, {"format": "pt2", "file": "model.pt2", **changes})
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest))
    return folder


class Doubtful(torch.nn.Module):
    """Convolution, batch normalisation of a fixed past, dropout of channels and of features."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(4)
        self.conv = torch.nn.Conv2d(1, 6, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(6)
        self.drop = torch.nn.Dropout2d(0.3)
        self.drop_more = torch.nn.Dropout(0.4)
        self.head = torch.nn.Linear(6, 2)
        with torch.no_grad():
            for one in (*self.conv.parameters(), *self.head.parameters()):
                one.copy_(torch.randn(one.shape, generator=generator))
            self.norm.running_mean.copy_(torch.rand(6, generator=generator))
            self.norm.running_var.copy_(torch.rand(6, generator=generator) + 0.5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        seen = torch.relu(self.drop(self.norm(self.conv(image))))
        return self.head(self.drop_more(seen.mean((2, 3))))


@cache
def doubtful(*, static: bool = False) -> Path:
    """The file of :class:`Doubtful`, exported as docs/formats.md says."""
    path = Path(mkdtemp(prefix="plumbline-doubtful-")) / "model.pt2"
    module = Doubtful().eval()
    for part in (module.drop, module.drop_more):
        part.train()
    example = torch.zeros((1 if static else 2, 1, 8, 8))
    free = None if static else ({0: torch.export.Dim("batch")},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        torch.export.save(torch.export.export(module, (example,), dynamic_shapes=free), path)
    return path


DOUBTFUL = merged(
    MANIFEST,
    {"format": "pt2", "file": "model.pt2", "dropout": "allowed", "output": {"kind": "logits"}},
)


def doubtful_folder(folder: Path, *, static: bool = False, **changes: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.pt2").write_bytes(doubtful(static=static).read_bytes())
    (folder / "model.yaml").write_text(yaml.safe_dump(merged(DOUBTFUL, changes)))
    return folder
