"""Networks of volumes, small, and networks that segment; maps of a module by hooks on it."""

import warnings

import numpy as np
import torch
import yaml

from tests.ml.intake.build import merged
from tests.ml.program.networks import exported

SIDES = (16, 12, 8)
MANIFEST = {
    "name": "Volumes", "version": "1", "format": "pt2", "file": "model.pt2",
    "task": "classification",
    "input": {"dims": 3, "size": list(SIDES)},
    "output": {
        "kind": "logits", "classes": ["a", "b", "c"], "activation": "softmax", "positive": ["b"],
    },
}  # fmt: skip


class Cnn(torch.nn.Module):
    """Two convolutions, the mean of each channel, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv3d(1, 4, 3, padding=1)
        self.second = torch.nn.Conv3d(4, 6, 3, stride=2, padding=1)
        self.head = torch.nn.Linear(6, 3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found = torch.relu(self.second(torch.relu(self.first(image))))
        return self.head(found.mean((2, 3, 4)))


class Weighed(torch.nn.Module):
    """Sums of two channels, the volume and its half, with known weights of each position."""

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.conv = torch.nn.Conv3d(1, 2, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([1.0, 0.5]).reshape(2, 1, 1, 1, 1))
        self.register_buffer("weights", weights)  # (3, *sides), by class

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found = self.conv(image).sum(1)
        return (found[:, None] * self.weights).flatten(2).sum(2)


class Net(torch.nn.Module):
    """Marks two structures beside the background, through a layer that it can be asked for."""

    def __init__(self, dims: int, *, sigmoid: bool = False, last: bool = False) -> None:
        super().__init__()
        conv = torch.nn.Conv2d if dims == 2 else torch.nn.Conv3d
        self.down = conv(1, 6, 3, stride=2, padding=1)
        self.middle = conv(6, 6, 3, padding=1)
        self.up = torch.nn.Upsample(scale_factor=2, mode="nearest")
        self.head = conv(6, 3, 3, padding=1)
        self.sigmoid, self.last, self.dims = sigmoid, last, dims

    def features(self, image: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.middle(torch.relu(self.down(image))))

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.up(self.features(image)))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if self.last:
            image = image.movedim(-1, 1)
        found = self.logits(image)
        found = found.movedim(1, -1) if self.last else found
        return torch.sigmoid(found) if self.sigmoid else found


def monai(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import monai.networks.nets as nets

        if name == "resnet":
            return nets.resnet10(
                spatial_dims=3, n_input_channels=1, num_classes=3, widen_factor=0.125,
                conv1_t_stride=1,
            )  # fmt: skip
        return nets.DenseNet(
            spatial_dims=3, in_channels=1, out_channels=3, init_features=8, growth_rate=4,
            block_config=(2, 2),
        )  # fmt: skip


def settled(module):
    """The same for all, with statistics that are not those of a new network."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, value in module.state_dict().items():
            if key.endswith("running_mean"):
                value.copy_(torch.rand(value.shape, generator=generator) - 0.5)
            elif key.endswith("running_var"):
                value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    return module.eval()


def folder_of(folder, module, manifest, sides, *, onnx=False, last=False):
    """A folder to hand in."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = (*sides, 1) if last else (1, *sides)
    if onnx:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module.eval(), (torch.zeros(2, *shape),), folder / "model.onnx", dynamo=False,
                input_names=["image"], dynamic_axes={"image": {0: "cases"}},
            )  # fmt: skip
        manifest = merged(manifest, {"format": "onnx", "file": "model.onnx"})
    else:
        exported(module, shape, folder / "model.pt2")
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest))
    return folder, manifest


def grad_cam_by_hooks(module, part, cases, score):
    """Grad-CAM of a part of a module as MedCAM takes it, but signed: by hooks, case by case.

    Args:
        score: of the module's output for one case, (1, ...), a number.
    """
    maps = []
    for case in cases:
        kept = []
        hook = part.register_forward_hook(lambda _, __, found, into=kept: into.append(found))
        try:
            found = module(case[None])
        finally:
            hook.remove()
        (value,) = kept
        (slope,) = torch.autograd.grad(score(found), value)
        weights = slope[0].flatten(1).mean(1)
        maps.append(torch.einsum("c,c...->...", weights, value[0]).detach().numpy())
    return np.stack(maps)
