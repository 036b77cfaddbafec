"""The networks of the table: MONAI's, each in a small variant for tests and in full size."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch

Size = Literal["small", "full"]
SIZES: tuple[Size, ...] = ("small", "full")
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Variant:
    """What a network is built with, and the shape of one case."""

    arguments: Mapping[str, Any]
    case: Shape


@dataclass(frozen=True)
class Row:
    """A network of MONAI by the name of its class or builder.

    Attributes:
        title: as the page calls it.
        network: in ``monai.networks.nets``, and after ``monai.`` in model.yaml.
        full: None where it takes too long to be compared by the way.
        double: gradients of its ONNX form are compared in double precision; False where that
            takes minutes.
    """

    title: str
    network: str
    small: Variant
    full: Variant | None
    double: bool = True

    def variant(self, size: Size) -> Variant:
        found = self.small if size == "small" else self.full
        assert found is not None, size
        return found

    @property
    def sizes(self) -> tuple[Size, ...]:
        return SIZES if self.full else SIZES[:1]

    def module(self, size: Size) -> Any:
        """The network at rest, with weights and statistics of no meaning, always the same."""
        with quiet():
            import monai.networks.nets as nets

            torch.manual_seed(0)
            # The one network that would fetch weights if it were not told otherwise.
            alone = {"pretrained": False} if self.network == "EfficientNetBN" else {}
            module = getattr(nets, self.network)(**self.variant(size).arguments, **alone).eval()
        return settled(module)


def settled(module: Any) -> Any:
    """Running statistics as a trained network has them: neither 0 nor 1."""
    for name, value in module.named_buffers():
        if name.endswith("running_mean"):
            value.uniform_(-0.1, 0.1)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    return module


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of torch and MONAI, at import and in export."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


_PICTURE, _VOLUME = (1, 64, 64), (1, 32, 32, 32)
_LARGE, _PATCH = (1, 224, 224), (1, 64, 64, 64)
_FLAT = {"spatial_dims": 2, "in_channels": 1}
_DEEP = {"spatial_dims": 3, "in_channels": 1}
_RESNET = {"spatial_dims": 2, "n_input_channels": 1, "num_classes": 3}
_SMALL_UNET = {"out_channels": 2, "channels": [8, 16, 32], "strides": [2, 2]}
_FULL_UNET = {
    "out_channels": 2, "channels": [16, 32, 64, 128, 256], "strides": [2, 2, 2, 2],
}  # fmt: skip
_SWIN = {"out_channels": 2, "drop_rate": 0.1, "attn_drop_rate": 0.1}

ROWS = (
    Row(
        "DenseNet121", "DenseNet121",
        Variant({**_FLAT, "out_channels": 3, "growth_rate": 4, "dropout_prob": 0.1}, _PICTURE),
        Variant({**_FLAT, "out_channels": 3, "dropout_prob": 0.1}, _LARGE),
    ),
    Row(
        "ResNet18", "resnet18",
        Variant({**_RESNET, "widen_factor": 0.25}, _PICTURE), Variant(_RESNET, _LARGE),
    ),
    Row(
        "ResNet50", "resnet50",
        Variant({**_RESNET, "widen_factor": 0.25}, _PICTURE), Variant(_RESNET, _LARGE),
    ),
    Row(
        "SEResNet50", "SEResNet50",
        Variant({**_FLAT, "num_classes": 3, "inplanes": 16, "layers": [1, 1, 1, 1],
                 "dropout_prob": 0.3}, _PICTURE),
        Variant({**_FLAT, "num_classes": 3, "dropout_prob": 0.3}, _LARGE),
    ),
    Row(
        "EfficientNet-B0", "EfficientNetBN",
        Variant({**_FLAT, "model_name": "efficientnet-b0", "num_classes": 3}, _PICTURE),
        Variant({**_FLAT, "model_name": "efficientnet-b0", "num_classes": 3}, _LARGE),
        double=False,
    ),
    Row(
        "ViT", "ViT",
        Variant({**_FLAT, "img_size": [32, 32], "patch_size": [16, 16], "hidden_size": 64,
                 "mlp_dim": 128, "num_layers": 2, "num_heads": 4, "classification": True,
                 "num_classes": 3, "dropout_rate": 0.1, "post_activation": "none"}, (1, 32, 32)),
        Variant({**_FLAT, "img_size": [224, 224], "patch_size": [16, 16], "classification": True,
                 "num_classes": 3, "dropout_rate": 0.1, "post_activation": "none"}, _LARGE),
    ),
    Row(
        "UNet, 2-D", "UNet",
        Variant({**_FLAT, **_SMALL_UNET, "num_res_units": 1, "dropout": 0.1}, _PICTURE),
        Variant({**_FLAT, **_FULL_UNET, "num_res_units": 2, "dropout": 0.1}, (1, 256, 256)),
    ),
    Row(
        "UNet, 3-D", "UNet",
        Variant({**_DEEP, **_SMALL_UNET, "num_res_units": 1, "norm": "batch", "dropout": 0.1},
                (1, 16, 16, 16)),
        Variant({**_DEEP, **_FULL_UNET, "num_res_units": 2, "norm": "batch", "dropout": 0.1},
                _PATCH),
    ),
    Row(
        "BasicUNet, 3-D", "BasicUNet",
        Variant({**_DEEP, "features": [8, 8, 16, 16, 16, 8], "dropout": 0.1}, _VOLUME),
        Variant({**_DEEP, "dropout": 0.1}, _PATCH),
    ),
    Row(
        "SegResNet, 3-D", "SegResNet",
        Variant({**_DEEP, "init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1],
                 "dropout_prob": 0.1}, (1, 16, 16, 16)),
        Variant({**_DEEP, "init_filters": 16, "dropout_prob": 0.1}, _VOLUME),
    ),
    Row(
        "SwinUNETR, 2-D", "SwinUNETR",
        Variant({**_FLAT, **_SWIN, "feature_size": 12, "depths": [2, 1, 1, 1],
                 "num_heads": [1, 2, 2, 4]}, _PICTURE),
        Variant({**_FLAT, **_SWIN, "feature_size": 24}, (1, 96, 96)),
    ),
    Row(
        "SwinUNETR, 3-D", "SwinUNETR",
        Variant({**_DEEP, **_SWIN, "feature_size": 12, "depths": [1, 1, 1, 1],
                 "num_heads": [1, 2, 2, 4]}, _PATCH),
        None,
    ),
    Row(
        "DynUNet, 3-D", "DynUNet",
        Variant({**_DEEP, "out_channels": 2, "kernel_size": [3, 3, 3], "strides": [1, 2, 2],
                 "upsample_kernel_size": [2, 2], "filters": [4, 8, 16], "dropout": 0.1},
                (1, 16, 16, 16)),
        Variant({**_DEEP, "out_channels": 2, "kernel_size": [3] * 5, "strides": [1, 2, 2, 2, 2],
                 "upsample_kernel_size": [2] * 4, "dropout": 0.1}, _VOLUME),
    ),
    Row(
        "AttentionUnet", "AttentionUnet",
        Variant({**_FLAT, **_SMALL_UNET, "dropout": 0.1}, _PICTURE),
        Variant({**_FLAT, **_FULL_UNET, "dropout": 0.1}, (1, 256, 256)),
    ),
    Row(
        "VNet, 3-D", "VNet",
        Variant({"spatial_dims": 3, "in_channels": 1, "out_channels": 2}, (1, 16, 16, 16)),
        Variant({"spatial_dims": 3, "in_channels": 1, "out_channels": 2}, _VOLUME),
    ),
)  # fmt: skip
