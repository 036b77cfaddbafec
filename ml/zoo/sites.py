"""Planted: a network whose batch normalisation knows one site, and a cohort of two. Simulated."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from ml.zoo.planted import planted_manifest

SIZE, CHANNELS = 32, 4
EPS = 1e-5
_BACKGROUND, _NOISE, _SPOT, _RADIUS = 80.0, 14.0, 70.0, 5
OFFSET = 60.0  # grey levels that the second site's images lie higher where it is another
Array = NDArray[np.float64]


def picture(number: int, *, spot: bool, offset: float = 0.0, seed: int = 3) -> NDArray[np.uint8]:
    """A noisy grey picture, with a bright spot or without; made up."""
    rng = np.random.default_rng([seed, number])
    pixels = rng.normal(_BACKGROUND + offset, _NOISE, (SIZE, SIZE))
    y, x = rng.integers(_RADIUS + 1, SIZE - _RADIUS - 1, 2)
    if spot:
        rows, columns = np.ogrid[:SIZE, :SIZE]
        pixels += _SPOT * ((rows - y) ** 2 + (columns - x) ** 2 < _RADIUS**2)
    return pixels.clip(0, 255).astype(np.uint8)


def cohort_folder(folder: Path, *, n: int = 120, drifted: bool = True) -> Path:
    """Write a cohort of two sites, two cases to a patient; half of each site has a spot.

    Args:
        folder: made here; must not exist.
        drifted: images of site B are brighter than those of site A. The clean twin's are not.
    """
    (folder / "images").mkdir(parents=True)
    rows = ["case_id,patient_id,image,label,site"]
    for number in range(n):
        site = "AB"[number // 2 % 2]
        spot = bool(number % 2)
        offset = OFFSET if drifted and site == "B" else 0.0
        image = Image.fromarray(picture(number, spot=spot, offset=offset))
        image.save(folder / "images" / f"s{number:04d}.png")
        label = "spot" if spot else "none"
        rows.append(f"s{number:04d},p{number // 2:04d},images/s{number:04d}.png,{label},{site}")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    description = {
        "title": "Two sites (simulated)", "task": "classification", "classes": ["none", "spot"],
        "positive": ["spot"], "modality": "none", "simulated": True,
        "notes": "Simulated: spots on noise. No patient, no scanner.",
    }  # fmt: skip
    (folder / "cohort.yaml").write_text(yaml.safe_dump(description, sort_keys=False))
    return folder


@dataclass
class _Network:
    """A graph that grows layer by layer, with what its maps are on the pictures of site A."""

    kind: str
    maps: Array  # (n, channels, height, width)
    last: str = "image"
    depth: int = 0

    def __post_init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, name: str, value: Array) -> str:
        self.weights.append(numpy_helper.from_array(value.astype(np.float32), name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> None:
        name = f"{kind.lower()}{self.depth}"
        self.nodes.append(helper.make_node(kind, [self.last, *inputs], [name], **attributes))
        self.last = name

    def block(self, kernel: Array, shift: Array, bias: Array | None = None) -> None:
        """Convolution, normalisation, ReLU."""
        width = kernel.shape[-1] // 2
        given = [self.weight(f"kernel{self.depth}", kernel)]
        given += [] if bias is None else [self.weight(f"bias{self.depth}", bias)]
        self.node("Conv", *given, pads=[width] * 4)
        self.maps = convolved(self.maps, kernel)
        if bias is not None:
            self.maps = self.maps + bias[:, None, None]
        self.normalise(shift)
        self.node("Relu")
        self.maps = self.maps.clip(0)
        self.depth += 1

    def normalise(self, shift: Array) -> None:
        scale = self.weight(f"scale{self.depth}", np.ones(len(shift)))
        lift = self.weight(f"shift{self.depth}", shift)
        batch = self.kind == "batch"
        axes = (0, 2, 3) if batch else (2, 3)
        mean = self.maps.mean(axis=axes, keepdims=True)
        variance = self.maps.var(axis=axes, keepdims=True)
        if batch:
            stored = [
                self.weight(f"{name}{self.depth}", value.ravel())
                for name, value in (("mean", mean), ("variance", variance))
            ]
            self.node("BatchNormalization", scale, lift, *stored, epsilon=EPS)
        else:
            self.node("InstanceNormalization", scale, lift, epsilon=EPS)
        self.maps = (self.maps - mean) / np.sqrt(variance + EPS) + shift[:, None, None]


def convolved(maps: Array, kernel: Array) -> Array:
    """(n, out, height, width) maps (n, in, height, width) with kernels (out, in, k, k), padded."""
    width = kernel.shape[-1] // 2
    padded = np.pad(maps, ((0, 0), (0, 0), (width, width), (width, width)))
    windows = sliding_window_view(padded, kernel.shape[-2:], axis=(2, 3))
    return np.asarray(np.einsum("nchwij,ocij->nohw", windows, kernel, optimize=True))


def model_folder(folder: Path, *, kind: str = "batch", branch: str = "") -> Path:
    """Write a network that finds spots, from pictures of site A alone.

    Args:
        folder: made here; must not exist.
        kind: of its normalisation: "batch", whose stored statistics are those of site A; or
            "instance", its twin that no site can drift from.
        branch: a shortcut past two more layers before the head: "dead", where no unit of theirs is
            ever active, or "alive", its twin; "" for none.
    """
    folder.mkdir(parents=True)
    spots = np.arange(60) % 2 == 1
    shown = np.stack([picture(1000 + at, spot=bool(s)) for at, s in enumerate(spots)])
    network = _Network(kind, shown[:, None].astype(np.float64) / 255)
    rng = np.random.default_rng(5)
    smooth = np.full((1, 1, 5, 5), 1 / 25)
    others = rng.normal(0, 0.05, (CHANNELS - 1, 1, 5, 5))
    # Only what is far brighter than the mean of site A passes the first ReLU of channel 0.
    network.block(np.concatenate([smooth, others]), np.array([-2.0, 0.0, 0.0, 0.0]))
    network.block(np.eye(CHANNELS)[:, :, None, None],
                  np.array([0.0, 0.0, 0.0, 0.0]))  # fmt: skip
    if branch:
        _branch(network, is_dead=branch == "dead")
    _head(network, spots)
    graph = helper.make_graph(
        network.nodes, "sites",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, SIZE, SIZE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2])],
        network.weights,
    )  # fmt: skip
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), folder / "model.onnx")
    declared = planted_manifest(f"Spots, {kind} (planted)", SIZE, ("none", "spot"))
    (folder / "model.yaml").write_text(yaml.safe_dump(declared))
    return folder


def _branch(network: _Network, *, is_dead: bool) -> None:
    before, kept = network.last, network.maps
    rng = np.random.default_rng(9)
    shift = np.full(CHANNELS, -1000.0 if is_dead else 0.5)
    network.block(rng.normal(0, 0.3, (CHANNELS, CHANNELS, 3, 3)), shift)
    back = rng.normal(0, 0.05, (CHANNELS, CHANNELS, 1, 1))
    network.node("Conv", network.weight("back", back))
    network.node("Add", before)
    network.maps = kept + convolved(network.maps, back)


def _head(network: _Network, spots: NDArray[np.bool_]) -> None:
    """The mean of channel 0, held against the middle between pictures with and without a spot."""
    pooled = network.maps.mean(axis=(2, 3))[:, 0]
    with_spot, without = float(pooled[spots].mean()), float(pooled[~spots].mean())
    slope = 8 / (with_spot - without)
    weights = np.zeros((network.maps.shape[1], 2))
    weights[0] = -slope / 2, slope / 2
    middle = slope * (with_spot + without) / 2
    network.node("GlobalAveragePool")
    network.node("Flatten")
    network.node("Gemm", network.weight("head", weights),
                 network.weight("offset", np.array([middle / 2, -middle / 2])))  # fmt: skip
    network.nodes.append(helper.make_node("Softmax", [network.last], ["probabilities"], axis=1))
