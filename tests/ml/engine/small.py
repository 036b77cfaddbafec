"""Small networks of the kinds that are audited, exported once for all tests of a process."""

import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import torch
from PIL import Image

from tests.ml.program.networks import Network, exported

PICTURE = (1, 32, 32)
_FLAT: dict[str, Any] = {"spatial_dims": 2, "in_channels": 1}
_KINDS: dict[str, Callable[[Any], Any]] = {
    "densenet": lambda n: n.DenseNet(
        **_FLAT, out_channels=3, init_features=8, growth_rate=4, block_config=(2, 2),
        dropout_prob=0.1,
    ),
    "resnet": lambda n: n.resnet10(
        spatial_dims=2, n_input_channels=1, num_classes=3, widen_factor=0.125
    ),
    "seresnet": lambda n: n.SEResNet50(
        **_FLAT, num_classes=3, layers=(1, 1, 1, 1), inplanes=8, dropout_prob=0.2
    ),
    "efficientnet": lambda n: n.EfficientNetBN(
        "efficientnet-b0", pretrained=False, **_FLAT, num_classes=3
    ),
    "vit": lambda n: n.ViT(
        1, (32, 32), (8, 8), 32, 64, 2, 4, classification=True, num_classes=3, spatial_dims=2
    ),
}  # fmt: skip
CLASSIFIERS = tuple(_KINDS)


class Tiny(torch.nn.Module):
    """Two convolutions, the mean of the map, one linear layer to two classes, softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4)
        self.second, self.head = torch.nn.Conv2d(4, 6, 3, padding=1), torch.nn.Linear(6, 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found = torch.relu(self.norm(self.first(image)))
        found = torch.relu(self.second(found)).mean((2, 3))
        return torch.softmax(self.head(found), 1)


@cache
def small(name: str) -> Network:
    """One of CLASSIFIERS, or "tiny": weights of no meaning, settled statistics."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, at import and in export
        import monai.networks.nets as nets

        torch.manual_seed(0)
        module = (Tiny() if name == "tiny" else _KINDS[name](nets)).eval()
        for key, value in module.state_dict().items():
            if key.endswith("running_mean"):
                value.uniform_(-0.1, 0.1)
            elif key.endswith("running_var"):
                value.uniform_(0.5, 1.5)
        shape = (1, 8, 8) if name == "tiny" else PICTURE
        path = Path(mkdtemp(prefix="plumbline-small-")) / f"{name}.pt2"
        return Network(module, shape, exported(module, shape, path))


def stored_noise(folder: Path, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Cases of a job with a picture of 8 by 8 each; the one called "gone" has none."""
    rng = np.random.default_rng(5)
    found = []
    for name in ids:
        path = folder / f"{name}.png"
        if name != "gone":
            Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(path)
        found.append({"case_id": name, "images": [str(path)] if name != "gone" else []})
    return found
