"""Every network that is built by name, small, with MONAI's own class to hold it against."""

import importlib
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from safetensors.torch import save_model

from ml.engine.by_name import program_by_name
from ml.intake.model_manifest import Architecture
from ml.intake.safetensors_file import read_safetensors
from ml.program.graph import Program
from tests.ml.program.networks import drop

PICTURE, VOLUME = (1, 64, 64), (1, 32, 32, 32)
FLAT = {"spatial_dims": 2, "in_channels": 1}
GROUP = ["group", {"num_groups": 4}]
_RESNET = {"spatial_dims": 2, "n_input_channels": 1, "num_classes": 3}
_SE = {**FLAT, "num_classes": 3, "inplanes": 16}
_UNET = {**FLAT, "out_channels": 2, "channels": [8, 16, 32], "strides": [2, 2]}

# case -> name, arguments, shape of one case
CASES: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "densenet": ("DenseNet", {**FLAT, "out_channels": 3, "init_features": 8, "growth_rate": 4,
                              "block_config": [2, 3], "dropout_prob": 0.2}, PICTURE),
    "densenet-group": ("DenseNet", {**FLAT, "out_channels": 3, "init_features": 8,
                                    "growth_rate": 4, "block_config": [2, 2], "norm": GROUP,
                                    "act": "mish"}, PICTURE),
    "densenet121": ("DenseNet121", {**FLAT, "out_channels": 3, "growth_rate": 8,
                                    "dropout_prob": 0.1}, PICTURE),
    "resnet": ("ResNet", {**_RESNET, "block": "bottleneck", "layers": [1, 1, 1, 1],
                          "block_inplanes": [8, 16, 16, 32], "no_max_pool": True}, PICTURE),
    "resnet-3d": ("ResNet", {**_RESNET, "spatial_dims": 3, "block": "basic",
                             "layers": [1, 1, 1, 1], "block_inplanes": [8, 16, 16, 32],
                             "conv1_t_size": [7, 7, 7], "conv1_t_stride": [2, 2, 2]}, VOLUME),
    "resnet10": ("resnet10", _RESNET, PICTURE),
    "resnet18-group": ("resnet18", {**_RESNET, "norm": GROUP, "widen_factor": 0.25}, PICTURE),
    "resnet50": ("resnet50", {**_RESNET, "widen_factor": 0.25}, PICTURE),
    "seresnet50": ("SEResNet50", {**_SE, "layers": [1, 1, 1, 1], "dropout_prob": 0.3}, PICTURE),
    "efficientnet": ("EfficientNetBN", {**FLAT, "model_name": "efficientnet-b0",
                                        "num_classes": 3}, PICTURE),
    "vit": ("ViT", {**FLAT, "img_size": [32, 32], "patch_size": [16, 16], "hidden_size": 64,
                    "mlp_dim": 128, "num_layers": 2, "num_heads": 4, "classification": True,
                    "num_classes": 3, "dropout_rate": 0.1, "post_activation": "none"},
            (1, 32, 32)),
    "unet": ("UNet", {**_UNET, "num_res_units": 1, "dropout": 0.1}, PICTURE),
    "unet-group": ("UNet", {**_UNET, "norm": GROUP, "act": "relu"}, PICTURE),
    "unet-3d": ("UNet", {**_UNET, "spatial_dims": 3, "norm": "batch", "dropout": 0.2}, VOLUME),
    "basicunet": ("BasicUNet", {"spatial_dims": 3, "features": [8, 8, 16, 16, 16, 8],
                                "dropout": 0.1}, VOLUME),
    "dynunet": ("DynUNet", {**FLAT, "out_channels": 2, "kernel_size": [3, 3, 3],
                            "strides": [1, 2, 2], "upsample_kernel_size": [2, 2],
                            "filters": [8, 16, 32], "dropout": 0.1}, PICTURE),
    "dynunet-supervised": ("DynUNet", {**FLAT, "out_channels": 2,
                                       "kernel_size": [[3, 3], 3, 3, 3], "strides": [1, 2, 2, 2],
                                       "upsample_kernel_size": [2, 2, 2], "res_block": True,
                                       "filters": [8, 16, 16, 32], "norm_name": GROUP,
                                       "deep_supervision": True}, PICTURE),
    "segresnet": ("SegResNet", {**FLAT, "init_filters": 8, "dropout_prob": 0.1}, PICTURE),
    "segresnet-deconv": ("SegResNet", {**FLAT, "init_filters": 8, "norm": ["group", {
        "num_groups": 8}], "blocks_down": [1, 2], "blocks_up": [1],
        "upsample_mode": "deconv"}, PICTURE),
    "attention-unet": ("AttentionUnet", {**_UNET, "dropout": 0.1}, PICTURE),
    "vnet": ("VNet", {"spatial_dims": 2, "out_channels": 2, "dropout_dim": 2}, PICTURE),
    "vnet-3d": ("VNet", {"out_channels": 2}, VOLUME),
    "unetr": ("UNETR", {**FLAT, "out_channels": 2, "img_size": [32, 32], "feature_size": 8,
                        "hidden_size": 48, "mlp_dim": 64, "num_heads": 4, "dropout_rate": 0.1,
                        "norm_name": GROUP}, (1, 32, 32)),
    "swin-unetr": ("SwinUNETR", {**FLAT, "out_channels": 2, "feature_size": 12,
                                 "depths": [2, 1, 1, 1], "num_heads": [1, 2, 2, 4],
                                 "drop_rate": 0.1, "attn_drop_rate": 0.1,
                                 "dropout_path_rate": 0.1}, PICTURE),
    "swin-unetr-v2": ("SwinUNETR", {**FLAT, "out_channels": 2, "feature_size": 12,
                                    "depths": [1, 1, 1, 1], "num_heads": [1, 2, 2, 4],
                                    "use_v2": True, "norm_name": GROUP}, PICTURE),
}  # fmt: skip
# Of the same class as one above, only deeper: their names and shapes of weights are enough.
DEEPER = (
    "DenseNet169", "DenseNet201", "DenseNet264", "resnet34", "resnet101", "resnet152", "resnet200",
    "SEResNet101", "SEResNet152",
)  # fmt: skip


@dataclass(frozen=True)
class Built:
    module: Any  # MONAI's own class, called directly
    program: Program  # from its weights, in a file
    shape: tuple[int, ...]

    def case(self, n: int = 3) -> torch.Tensor:
        return torch.randn((n, *self.shape), generator=torch.Generator().manual_seed(2))

    def answer(self, cases: torch.Tensor) -> torch.Tensor:
        found = self.module(cases)
        return found[0] if isinstance(found, tuple) else found

    def drop(self) -> None:
        drop(self.module)


def own(name: str, arguments: dict[str, Any]) -> Any:
    """The network as its documentation builds it, with weights and statistics of no meaning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nets = importlib.import_module("monai.networks.nets")
        torch.manual_seed(0)
        alone = {"pretrained": False} if name == "EfficientNetBN" else {}
        module = getattr(nets, name)(**arguments, **alone).eval()
        for key, value in module.state_dict().items():
            if key.endswith("running_mean"):
                value.uniform_(-0.1, 0.1)
            elif key.endswith("running_var"):
                value.uniform_(0.5, 1.5)
    return module


@cache
def built(case: str) -> Built:
    """Built once for all tests of a process."""
    name, arguments, shape = CASES[case]
    module = own(name, arguments)
    path = Path(mkdtemp(prefix="plumbline-by-name-")) / "model.safetensors"
    save_model(module, str(path))  # a tensor that has two names is written once
    architecture = Architecture(name=f"monai.{name}", arguments=arguments)
    stored = read_safetensors(path)
    return Built(module, program_by_name(architecture, stored.tensors, shape, file="m"), shape)
