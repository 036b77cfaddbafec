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
