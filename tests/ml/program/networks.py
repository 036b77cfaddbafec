"""Networks of MONAI, small, for the inner form to be held against the module itself."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch


@dataclass(frozen=True)
class Network:
    """A module in evaluation mode, and its archive as torch writes it."""

    module: Any
    shape: tuple[int, ...]  # of one case
    path: Path

    def case(self, n: int = 3, seed: int = 2) -> torch.Tensor:
        return torch.randn((n, *self.shape), generator=torch.Generator().manual_seed(seed))

    def answer(self, cases: torch.Tensor) -> torch.Tensor:
        """What the module says; the answer proper where it says more."""
        found = self.module(cases)
        return found[0] if isinstance(found, tuple) else found

    def drop(self) -> None:
        """Switch the module's own dropout on, and nothing else."""
        drop(self.module)


def drop(module: Any) -> None:
    for part in module.modules():
        if "Dropout" in type(part).__name__:
            part.train()


def _nets() -> dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]]:
    picture, volume = (1, 64, 64), (1, 32, 32, 32)
    return {
        "densenet121": (lambda n: n.DenseNet121(2, 1, 3, dropout_prob=0.1), picture),
        "resnet18": (lambda n: n.resnet18(spatial_dims=2, n_input_channels=1, num_classes=3),
                     picture),
        "resnet50": (lambda n: n.resnet50(spatial_dims=2, n_input_channels=1, num_classes=3),
                     picture),
        "seresnet50": (lambda n: n.SEResNet50(spatial_dims=2, in_channels=1, num_classes=3),
                       picture),
        "efficientnet-b0": (
            lambda n: n.EfficientNetBN("efficientnet-b0", pretrained=False, spatial_dims=2,
                                       in_channels=1, num_classes=3),
            picture,
        ),
        "vit": (
            lambda n: n.ViT(1, (32, 32), (16, 16), 64, 128, 2, 4, classification=True,
                            num_classes=3, spatial_dims=2, dropout_rate=0.1),
            (1, 32, 32),
        ),
        "unet-2d": (lambda n: n.UNet(2, 1, 2, (8, 16, 32), (2, 2), dropout=0.1, num_res_units=1),
                    picture),
        "unet-3d": (lambda n: n.UNet(3, 1, 2, (8, 16, 32), (2, 2), dropout=0.1, num_res_units=2),
                    volume),
        "basicunet": (lambda n: n.BasicUNet(3, 1, 2, (8, 8, 16, 16, 16, 8), dropout=0.1), volume),
        "segresnet": (
            lambda n: n.SegResNet(spatial_dims=2, init_filters=8, in_channels=1, out_channels=2,
                                  dropout_prob=0.1),
            picture,
        ),
        "dynunet": (lambda n: n.DynUNet(2, 1, 2, [3, 3, 3], [1, 2, 2], [2, 2], dropout=0.1),
                    picture),
        "attention-unet": (lambda n: n.AttentionUnet(2, 1, 2, (8, 16, 32), (2, 2), dropout=0.1),
                           picture),
        "vnet": (lambda n: n.VNet(3, 1, 2), volume),
        "swin-unetr": (
            lambda n: n.SwinUNETR(1, 2, depths=(2, 1, 1, 1), num_heads=(1, 2, 2, 4),
                                  feature_size=12, drop_rate=0.1, attn_drop_rate=0.1,
                                  spatial_dims=2),
            picture,
        ),
        "unetr": (
            lambda n: n.UNETR(1, 2, (32, 32, 32), feature_size=8, hidden_size=48, mlp_dim=64,
                              num_heads=4, dropout_rate=0.1),
            volume,
        ),
    }  # fmt: skip


NAMES = (
    "densenet121", "resnet18", "resnet50", "seresnet50", "efficientnet-b0", "vit", "unet-2d",
    "unet-3d", "basicunet", "segresnet", "dynunet", "attention-unet", "unetr",
    "vnet", "swin-unetr",
)  # fmt: skip


@cache
def network(name: str) -> Network:
    """Built and exported once for all tests of a process."""
    build, shape = _nets()[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, at import and in export
        import monai.networks.nets as nets

        torch.manual_seed(0)
        module = build(nets).eval()
        path = Path(mkdtemp(prefix="plumbline-pt2-")) / f"{name}.pt2"
        return Network(module, shape, exported(module, shape, path))


def exported(module: torch.nn.Module, shape: tuple[int, ...], path: Path) -> Path:
    """The module's archive, exported for any batch as docs/formats.md says it."""
    batch = torch.export.Dim("batch")
    example = torch.zeros((2, *shape))
    drop(module)
    torch.export.save(torch.export.export(module, (example,), dynamic_shapes=({0: batch},)), path)
    module.eval()
    return path
