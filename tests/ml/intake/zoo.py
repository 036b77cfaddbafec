"""What bundles of MONAI's model zoo say, reduced by hand to what a translation reads.

Their names, numbers and order of transforms are those of the configurations of
Project-MONAI/model-zoo (Apache-2.0, copyright of the MONAI Consortium); nothing else is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


def step(target: str, **options: Any) -> dict[str, Any]:
    return {"_target_": target, "keys": "image", **options}


def after(target: str, **options: Any) -> dict[str, Any]:
    return {"_target_": target, "keys": "pred", **options}


LOAD, FIRST = step("LoadImaged"), step("EnsureChannelFirstd")
RAS, TYPE = step("Orientationd", axcodes="RAS"), step("EnsureTyped")
INVERT = after(
    "Invertd", transform="@preprocessing", orig_keys="image", nearest_interp=False, to_tensor=True
)
ARGMAX, SOFTMAX = after("AsDiscreted", argmax=True), after("Activationsd", softmax=True)
SAVE = after("SaveImaged", output_dir="@output_dir")
AMP = {"_target_": "SupervisedEvaluator", "amp": True}


def spaced(*pixdim: float) -> dict[str, Any]:
    return step("Spacingd", pixdim=list(pixdim), mode="bilinear")


def window(low: float, high: float) -> dict[str, Any]:
    return step("ScaleIntensityRanged", a_min=low, a_max=high, b_min=0.0, b_max=1.0, clip=True)


def sliding(overlap: Any = 0.5, roi: Sequence[int] = (96, 96, 96), **more: Any) -> dict[str, Any]:
    return {"_target_": "SlidingWindowInferer", "roi_size": list(roi), "sw_batch_size": 4,
            "overlap": overlap, **more}  # fmt: skip


@dataclass(frozen=True)
class Told:
    """A bundle of the zoo, as far as it matters here."""

    network: Mapping[str, Any]
    before: Sequence[Mapping[str, Any]]
    inferer: Mapping[str, Any]
    after: Sequence[Mapping[str, Any]]
    classes: Sequence[str]
    channels: int = 1
    image: bool = True  # is an image what comes out?
    more: Mapping[str, Any] | None = None

    @property
    def inference(self) -> dict[str, Any]:
        return {
            "output_dir": "$@bundle_root + '/eval'", "bundle_root": ".", "evaluator": AMP,
            "network_def": dict(self.network), "inferer": dict(self.inferer),
            "preprocessing": {"_target_": "Compose", "transforms": list(self.before)},
            "postprocessing": {"_target_": "Compose", "transforms": list(self.after)},
            **(self.more or {}),
        }  # fmt: skip

    @property
    def metadata(self) -> dict[str, Any]:
        channels = {str(at): name for at, name in enumerate(self.classes)}
        kind = "image" if self.image else "probability"
        return {
            "name": "From the zoo", "version": "0.1.0",
            "network_data_format": {
                "inputs": {"image": {"type": "image", "num_channels": self.channels}},
                "outputs": {"pred": {"type": kind, "channel_def": channels}},
            },
        }  # fmt: skip


_UNET = {"_target_": "UNet", "spatial_dims": 3, "in_channels": 1}

ZOO = {
    "spleen_ct_segmentation": Told(
        {**_UNET, "out_channels": 2, "channels": [16, 32, 64, 128, 256], "strides": [2] * 4,
         "num_res_units": 2, "norm": "batch"},
        [LOAD, FIRST, RAS, spaced(1.5, 1.5, 2.0), window(-57, 164), TYPE],
        sliding(), [SOFTMAX, INVERT, ARGMAX, SAVE], ["background", "spleen"],
    ),
    "swin_unetr_btcv_segmentation": Told(
        {"_target_": "SwinUNETR", "spatial_dims": 3, "img_size": 96, "in_channels": 1,
         "out_channels": 14, "feature_size": 48, "use_checkpoint": False},
        [step("LoadImaged", reader="ITKReader"), FIRST, RAS, spaced(1.5, 1.5, 2.0),
         window(-175, 250), TYPE],
        sliding(), [SOFTMAX, INVERT, ARGMAX, SAVE], [f"organ {n}" for n in range(14)],
    ),
    "wholeBody_ct_segmentation": Told(
        {"_target_": "SegResNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 105,
         "init_filters": 32, "blocks_down": [1, 2, 2, 4], "blocks_up": [1, 1, 1],
         "dropout_prob": 0.2},
        [LOAD, TYPE, FIRST, RAS, step("Spacingd", pixdim="@pixdim", mode="bilinear"),
         step("NormalizeIntensityd", nonzero=True), step("ScaleIntensityd", minv=-1.0, maxv=1.0)],
        sliding("@displayable_configs#sw_overlap", mode="gaussian", padding_mode="replicate",
                device="$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')"),
        [SOFTMAX, ARGMAX, {**INVERT, "nearest_interp": True}, SAVE],
        ["background", *(f"segment {n}" for n in range(1, 105))],
        more={"displayable_configs": {"highres": True, "sw_overlap": 0.25},
              "pixdim": "$[1.5, 1.5, 1.5] if @displayable_configs#highres else [3.0, 3.0, 3.0]"},
    ),
    "brats_mri_segmentation": Told(
        {"_target_": "SegResNet", "blocks_down": [1, 2, 2, 4], "blocks_up": [1, 1, 1],
         "init_filters": 16, "in_channels": 4, "out_channels": 3, "dropout_prob": 0.2},
        [LOAD, step("NormalizeIntensityd", nonzero=True, channel_wise=True)],
        sliding(roi=(240, 240, 160)),
        [after("Activationsd", sigmoid=True), INVERT, after("AsDiscreted", threshold=0.5),
         after("Lambdad", func="$lambda x: torch.where(x[[2]] > 0, 4, 0)"), SAVE],
        ["tumour core", "whole tumour", "enhancing tumour"], channels=4,
    ),
    "prostate_mri_anatomy": Told(
        {**_UNET, "out_channels": 3, "channels": [16, 32, 64, 128, 256, 512],
         "strides": [2] * 5, "num_res_units": 4, "norm": "batch", "act": "prelu", "dropout": 0.15},
        [LOAD, FIRST, RAS, spaced(0.5, 0.5, 0.5), step("ScaleIntensityd", minv=0, maxv=1),
         step("NormalizeIntensityd"), TYPE],
        sliding(),
        [ARGMAX, after("KeepLargestConnectedComponentd", applied_labels=[1, 2]), INVERT, SAVE],
        ["background", "central gland", "peripheral zone"],
    ),
    "ventricular_short_axis_3label": Told(
        {"_target_": "UNet", "spatial_dims": 2, "in_channels": 1, "out_channels": 4,
         "channels": [16, 32, 64, 128, 256], "strides": [2] * 4, "num_res_units": 2},
        [step("LoadImaged", image_only=False), FIRST, step("ScaleIntensityd"),
         step("EnsureTyped", device="@device")],
        {"_target_": "SliceInferer", "roi_size": [256, 256], "spatial_dim": 2},
        [SOFTMAX, INVERT, ARGMAX, SAVE], ["background", "left", "muscle", "right"],
        more={"device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')"},
    ),
    "endoscopic_inbody_classification": Told(
        {"_target_": "SEResNet50", "spatial_dims": 2, "in_channels": 3, "num_classes": 2},
        [LOAD, step("AsChannelFirstd"), step("Resized", spatial_size=[256, 256], mode="bilinear"),
         step("CastToTyped", dtype="$torch.float32"),
         step("NormalizeIntensityd", nonzero=True, channel_wise=True), TYPE],
        {"_target_": "SimpleInferer"}, [after("AsDiscreted", argmax=True, to_onehot=2)],
        ["inside", "outside"], channels=3, image=False,
    ),
    "breast_density_classification": Told(
        {"_target_": "TorchVisionFCModel", "model_name": "inception_v3", "num_classes": 4},
        [LOAD, FIRST, step("ScaleIntensityd", minv=0.0, maxv=1.0),
         step("Resized", spatial_size=[299, 299])],
        {"_target_": "SimpleInferer"}, [after("Activationsd", sigmoid=True)],
        ["A", "B", "C", "D"], channels=3, image=False,
    ),
}  # fmt: skip
