"""Networks by name: what a file of weights may say it belongs to, and with which arguments.

A model names a row of the table; the class behind it stands here and nowhere in the model. Its
arguments are checked one by one: numbers within bounds, words from a list. What is not listed
cannot be given.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ml.intake.manifest import problem
from ml.intake.refusal import Refusal, Refused, refuse

Channels = Annotated[int, Field(ge=1, le=4096)]
Small = Annotated[int, Field(ge=1, le=16)]  # kernels, strides
Repeats = Annotated[int, Field(ge=1, le=64)]  # of a block
Share = Annotated[float, Field(ge=0, le=1)]  # probability of dropout
Side = Annotated[int, Field(ge=1, le=2048)]
Dims = Literal[2, 3]
Classes = Annotated[int, Field(ge=1, le=1000)]
Widths = Annotated[list[Channels], Field(min_length=2, max_length=8)]
PerAxis = Small | Annotated[list[Small], Field(min_length=2, max_length=3)]
PerLevel = Annotated[list[PerAxis], Field(min_length=1, max_length=8)]
Blocks = Annotated[list[Repeats], Field(min_length=1, max_length=6)]
Sides = Side | Annotated[list[Side], Field(min_length=2, max_length=3)]

_Bounds = dict[str, tuple[float, float] | type[bool]]
_NORMS: dict[str, _Bounds] = {
    "batch": {"eps": (0, 1), "momentum": (0, 1), "affine": bool, "track_running_stats": bool},
    "instance": {"eps": (0, 1), "momentum": (0, 1), "affine": bool, "track_running_stats": bool},
    "group": {"num_groups": (1, 1024), "eps": (0, 1), "affine": bool},
}
_ACTIVATIONS: dict[str, _Bounds] = {
    "relu": {"inplace": bool},
    "relu6": {"inplace": bool},
    "leakyrelu": {"inplace": bool, "negative_slope": (0, 10)},
    "prelu": {"num_parameters": (1, 4096), "init": (0, 10)},
    "elu": {"inplace": bool, "alpha": (0, 10)},
    "selu": {"inplace": bool},
    "gelu": {},
    "mish": {"inplace": bool},
    "swish": {},
    "sigmoid": {},
    "tanh": {},
}


def _layer(known: Mapping[str, _Bounds]) -> Any:
    """A layer by its word, "group", or with its numbers: ["group", {"num_groups": 8}]."""

    def check(value: str | list[Any]) -> str | list[Any]:
        name, given = value if isinstance(value, list) and len(value) == 2 else (value, {})
        if not isinstance(name, str) or name.lower() not in known or not isinstance(given, dict):
            raise ValueError(f"give one of {', '.join(known)}, or [name, {{its numbers}}].")
        for key, one in given.items():
            bounds = known[name.lower()].get(key)
            if bounds is None:
                raise ValueError(f"{name} takes no {str(key)[:40]!r}.")
            if isinstance(bounds, tuple):
                right = type(one) in (int, float) and bounds[0] <= one <= bounds[1]
            else:
                right = type(one) is bool
            if not right:
                raise ValueError(f"{key} of {name} is out of bounds.")
        return name.lower() if isinstance(value, str) else [name.lower(), given]

    return AfterValidator(check)


Norm = Annotated[str | list[Any], _layer(_NORMS)]
Activation = Annotated[str | list[Any], _layer(_ACTIVATIONS)]


class Arguments(BaseModel):
    """Unknown arguments are errors, and a text is no number.

    A default here only says that the argument may be left out: MONAI's own default holds then.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class _Fetched(Arguments):
    """Whether the author once started from published weights changes nothing here."""

    pretrained: bool = False
    progress: bool = True


class DenseNet(_Fetched):
    spatial_dims: Dims
    in_channels: Channels
    out_channels: Classes
    init_features: Channels = 64
    growth_rate: Channels = 32
    block_config: Blocks = [6, 12, 24, 16]
    bn_size: Small = 4
    act: Activation = "relu"
    norm: Norm = "batch"
    dropout_prob: Share = 0.0


class ResNetOfDepth(_Fetched):
    spatial_dims: Dims = 3
    n_input_channels: Channels = 3
    num_classes: Classes = 400
    conv1_t_size: PerAxis = 7
    conv1_t_stride: PerAxis = 1
    no_max_pool: bool = False
    shortcut_type: Literal["B"] = "B"  # the other one keeps tensors that no export can follow
    widen_factor: Annotated[float, Field(ge=0.1, le=4)] = 1.0
    bias_downsample: bool = True
    feed_forward: Literal[True] = True
    act: Activation = "relu"
    norm: Norm = "batch"


class ResNet(ResNetOfDepth):
    pretrained: Literal[False] = False
    progress: Literal[True] = True
    block: Literal["basic", "bottleneck"]
    layers: Annotated[list[Repeats], Field(min_length=4, max_length=4)]
    block_inplanes: Annotated[list[Channels], Field(min_length=4, max_length=4)]


class SENet(_Fetched):
    spatial_dims: Dims
    in_channels: Channels
    num_classes: Classes = 1000
    layers: Annotated[list[Repeats], Field(min_length=4, max_length=4)] = [3, 4, 6, 3]
    groups: Small = 1
    reduction: Annotated[int, Field(ge=1, le=64)] = 16
    dropout_prob: Share | None = None
    inplanes: Channels = 64
    downsample_kernel_size: Small = 1
    input_3x3: bool = False


class EfficientNet(_Fetched):
    model_name: Literal[
        "efficientnet-b0", "efficientnet-b1", "efficientnet-b2", "efficientnet-b3",
        "efficientnet-b4", "efficientnet-b5", "efficientnet-b6", "efficientnet-b7",
    ]  # fmt: skip
    spatial_dims: Dims = 2
    in_channels: Channels = 3
    num_classes: Classes = 1000
    norm: Norm = "batch"
    adv_prop: bool = False


class _Transformer(Arguments):
    in_channels: Channels
    img_size: Sides
    hidden_size: Annotated[int, Field(ge=1, le=8192)] = 768
    mlp_dim: Annotated[int, Field(ge=1, le=32768)] = 3072
    num_heads: Annotated[int, Field(ge=1, le=128)] = 12
    proj_type: Literal["conv", "perceptron"] = "conv"
    dropout_rate: Share = 0.0
    spatial_dims: Dims = 3
    qkv_bias: bool = False
    save_attn: Literal[False] = False


class ViT(_Transformer):
    patch_size: Sides
    num_layers: Repeats = 12
    pos_embed_type: Literal["none", "learnable", "sincos"] = "learnable"
    classification: Literal[True]
    num_classes: Classes = 2
    post_activation: Literal["Tanh", "none"] = "Tanh"


class UNETR(_Transformer):
    out_channels: Classes
    feature_size: Channels = 16
    norm_name: Norm = "instance"
    conv_block: bool = True
    res_block: bool = True


class SwinUNETR(Arguments):
    in_channels: Channels
    out_channels: Classes
    patch_size: Literal[2] = 2
    depths: Annotated[list[Repeats], Field(min_length=4, max_length=4)] = [2, 2, 2, 2]
    num_heads: Annotated[list[Channels], Field(min_length=4, max_length=4)] = [3, 6, 12, 24]
    window_size: Annotated[int, Field(ge=2, le=14)] = 7
    qkv_bias: bool = True
    mlp_ratio: Annotated[float, Field(ge=0.25, le=16)] = 4.0
    feature_size: Channels = 24
    norm_name: Norm = "instance"
    drop_rate: Share = 0.0
    attn_drop_rate: Share = 0.0
    dropout_path_rate: Share = 0.0
    normalize: bool = True
    patch_norm: bool = False
    use_checkpoint: bool = False  # saves memory in training, computes the same
    spatial_dims: Dims = 3
    downsample: Literal["merging", "mergingv2"] = "merging"
    use_v2: bool = False


class UNet(Arguments):
    spatial_dims: Dims
    in_channels: Channels
    out_channels: Classes
    channels: Widths
    strides: PerLevel
    kernel_size: PerAxis = 3
    up_kernel_size: PerAxis = 3
    num_res_units: Annotated[int, Field(ge=0, le=16)] = 0
    act: Activation = "prelu"
    norm: Norm = "instance"
    dropout: Share = 0.0
    bias: bool = True
    adn_ordering: Annotated[str, Field(pattern=r"^[NDA]{1,3}$")] = "NDA"


class BasicUNet(Arguments):
    spatial_dims: Dims = 3
    in_channels: Channels = 1
    out_channels: Classes = 2
    features: Annotated[list[Channels], Field(min_length=6, max_length=6)] = [
        32, 32, 64, 128, 256, 32,
    ]  # fmt: skip
    act: Activation = "leakyrelu"
    norm: Norm = "instance"
    bias: bool = True
    dropout: Share = 0.0
    upsample: Literal["deconv", "pixelshuffle", "nontrainable"] = "deconv"


class DynUNet(Arguments):
    spatial_dims: Dims
    in_channels: Channels
    out_channels: Classes
    kernel_size: PerLevel
    strides: PerLevel
    upsample_kernel_size: PerLevel
    filters: Widths | None = None
    dropout: Share | None = None
    norm_name: Norm = "instance"
    act_name: Activation = "leakyrelu"
    # Further outputs are of training alone; their weights are in the file all the same.
    deep_supervision: bool = False
    deep_supr_num: Annotated[int, Field(ge=1, le=6)] = 1
    res_block: bool = False
    trans_bias: bool = False


class SegResNet(Arguments):
    spatial_dims: Dims = 3
    init_filters: Channels = 8
    in_channels: Channels = 1
    out_channels: Classes = 2
    dropout_prob: Share | None = None
    act: Activation = "relu"
    norm: Norm = "group"
    norm_name: Literal[""] = ""
    num_groups: Annotated[int, Field(ge=1, le=1024)] = 8
    use_conv_final: bool = True
    blocks_down: Blocks = [1, 2, 2, 4]
    blocks_up: Blocks = [1, 1, 1]
    upsample_mode: Literal["deconv", "nontrainable", "pixelshuffle"] = "nontrainable"


class AttentionUnet(Arguments):
    spatial_dims: Dims
    in_channels: Channels
    out_channels: Classes
    channels: Widths
    strides: PerLevel
    kernel_size: PerAxis = 3
    up_kernel_size: PerAxis = 3
    dropout: Share = 0.0


class VNet(Arguments):
    spatial_dims: Dims = 3
    in_channels: Channels = 1
    out_channels: Classes = 1
    act: Activation = "elu"
    dropout_prob: Share | None = 0.5
    dropout_prob_down: Share | None = 0.5
    dropout_prob_up: Annotated[list[Share | None], Field(min_length=2, max_length=2)] = [0.5, 0.5]
    dropout_dim: Literal[1, 2, 3] = 3
    bias: bool = False


@dataclass(frozen=True)
class Row:
    """One network of the table.

    Attributes:
        module, function: where its class is.
        arguments: what it takes.
        fixed: arguments that are given whatever the model says.
    """

    module: str
    function: str
    arguments: type[Arguments]
    fixed: Mapping[str, Any] = field(default_factory=dict)


def _rows() -> dict[str, Row]:
    nets, alone = "monai.networks.nets", {"pretrained": False, "progress": False}
    rows: dict[str, Row] = {"ResNet": Row(f"{nets}.resnet", "ResNet", ResNet)}
    for name in ("DenseNet121", "DenseNet169", "DenseNet201", "DenseNet264"):
        rows[name] = Row(f"{nets}.densenet", name, DenseNet, alone)
    rows["DenseNet"] = Row(f"{nets}.densenet", "DenseNet", DenseNet)
    for depth in (10, 18, 34, 50, 101, 152, 200):
        rows[f"resnet{depth}"] = Row(f"{nets}.resnet", f"resnet{depth}", ResNetOfDepth, alone)
    for name in ("SEResNet50", "SEResNet101", "SEResNet152"):
        rows[name] = Row(f"{nets}.senet", name, SENet, alone)
    rows["EfficientNetBN"] = Row(f"{nets}.efficientnet", "EfficientNetBN", EfficientNet, alone)
    for module, kind in (
        ("vit", ViT), ("unetr", UNETR), ("swin_unetr", SwinUNETR), ("unet", UNet),
        ("basic_unet", BasicUNet), ("dynunet", DynUNet), ("segresnet", SegResNet),
        ("attentionunet", AttentionUnet), ("vnet", VNet),
    ):  # fmt: skip
        rows[kind.__name__] = Row(f"{nets}.{module}", kind.__name__, kind)
    return {f"monai.{name}": row for name, row in sorted(rows.items())}


TABLE = _rows()


def checked(name: str, arguments: Mapping[str, Any], *, file: str) -> dict[str, Any]:
    """The arguments to build a network with: those given, within bounds, and those fixed.

    Args:
        name: a key of the table, "monai.DenseNet121".
        arguments: as the model gives them.
        file: for refusals.

    Raises:
        Refused: architecture_unknown, architecture_invalid (once for every problem).

    Example:
        >>> checked("monai.resnet18", {"spatial_dims": 2, "num_classes": 3}, file="model.yaml")
        {'spatial_dims': 2, 'num_classes': 3, 'pretrained': False, 'progress': False}
    """
    row = TABLE.get(name)
    if row is None:
        raise refuse(
            "architecture_unknown",
            f"The network {name[:80]!r} is none of those built by name: {', '.join(TABLE)}. Export "
            "it with torch.export instead (format: pt2).",
            file=file,
        )
    try:
        # Numbers only where numbers belong, and lists where lists do: as JSON would have them.
        found = row.arguments.model_validate(dict(arguments))
    except ValidationError as error:
        raise Refused(
            [Refusal("architecture_invalid", f"{name}: {problem(one)}", file)
             for one in error.errors()[:20]]
        ) from None  # fmt: skip
    given = found.model_dump(exclude_unset=True)
    if isinstance(found, _Fetched):
        given = {key: one for key, one in given.items() if key not in ("pretrained", "progress")}
    return {**given, **row.fixed}
