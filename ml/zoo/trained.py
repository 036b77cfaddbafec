"""Small networks of MONAI trained in seconds, so that a check can be held against what was planted.

None is meant for a patient. What is wrong with one (labels that are noise, too long a training) is
what its maker asked for, and stands in its recipe.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from monai.networks.nets import DenseNet
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int64]

_MEMORY = 0.9  # weight of the past in the running mean of the loss


@dataclass(frozen=True)
class Recipe:
    """How a network is built and trained.

    Attributes:
        growth: channels of the first layer, and that each layer adds.
        blocks: layers of each dense block.
        dropout: rate, in training and of samples.
        steps: at most.
        batch: pictures of a step, at most.
        loss: training stops where the running mean of the training loss, in nats, falls below it.
            So a small training set is not learned by heart: whatever its size, a network claims
            about as much of the pictures it has seen.
        flip: half of the pictures are mirrored, left for right.
    """

    growth: int = 12
    blocks: tuple[int, ...] = (2, 2)
    dropout: float = 0.2
    steps: int = 110
    batch: int = 64
    rate: float = 8e-3
    decay: float = 1e-2
    loss: float = 0.3
    flip: bool = True


DEFAULT = Recipe()


def trained(
    pictures: Float32Array, labels: IntArray, seed: int, recipe: Recipe = DEFAULT, classes: int = 2
) -> Any:
    """A DenseNet at rest, trained on pictures (n, 1, h, w) with labels (n,) 0..classes - 1.

    The same seed, pictures and machine give the same network: weights, order, mirroring and
    dropout all come from the seed.

    Raises:
        ValueError: where there is nothing to train on.
    """
    if not len(pictures) or pictures.ndim != 4 or len(labels) != len(pictures):
        raise ValueError(f"expected (n, 1, h, w) and (n,), got {pictures.shape}, {labels.shape}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = DenseNet(
            spatial_dims=2, in_channels=1, out_channels=classes, init_features=recipe.growth,
            growth_rate=recipe.growth, block_config=recipe.blocks, bn_size=2,
            dropout_prob=recipe.dropout,
        ).train()  # fmt: skip
        _fit(network, torch.from_numpy(pictures), torch.from_numpy(labels), seed, recipe)
    _settle(network.eval(), torch.from_numpy(pictures))
    return network


def _fit(
    network: Any, pictures: torch.Tensor, labels: torch.Tensor, seed: int, recipe: Recipe
) -> None:
    numbers = torch.Generator().manual_seed(seed)
    descent = torch.optim.AdamW(
        network.parameters(), lr=recipe.rate, weight_decay=recipe.decay
    )  # fmt: skip
    size, running = min(recipe.batch, len(pictures)), None
    for _ in range(recipe.steps):
        chosen = torch.randperm(len(pictures), generator=numbers)[:size]
        batch = pictures[chosen]
        if recipe.flip:
            mirrored = torch.rand(size, generator=numbers) < 0.5
            batch = torch.where(mirrored[:, None, None, None], batch.flip(3), batch)
        descent.zero_grad()
        loss = cross_entropy(network(batch), labels[chosen])
        loss.backward()  # type: ignore[no-untyped-call]
        descent.step()
        now = float(loss.detach())
        running = now if running is None else _MEMORY * running + (1 - _MEMORY) * now
        if running < recipe.loss:
            return


@torch.no_grad()
def _settle(network: Any, pictures: torch.Tensor) -> None:
    """Give batch normalisation the statistics of the training pictures under the final weights.

    Its running ones lag behind weights that were moving when training stopped, by another amount
    in each member: members would contradict each other for that alone.
    """
    norms = [one for one in network.modules() if isinstance(one, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = 1.0
        norm.train()
    network(pictures)
    network.eval()


@torch.no_grad()
def logits_of(network: Any, pictures: Float32Array) -> FloatArray:
    """(n, classes) of a network at rest."""
    return cast(FloatArray, network(torch.from_numpy(pictures)).double().numpy())


@torch.no_grad()
def features_of(network: Any, pictures: Float32Array) -> FloatArray:
    """(n, d) what the last linear layer reads."""
    seen: list[torch.Tensor] = []
    hook = network.class_layers.out.register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0])
    )
    network(torch.from_numpy(pictures))
    hook.remove()
    return cast(FloatArray, seen[0].double().numpy())


@torch.no_grad()
def dropout_logits(network: Any, pictures: Float32Array, samples: int, seed: int) -> FloatArray:
    """(samples, n, classes) with dropout switched on and normalisation at rest."""
    sites = [one for one in network.modules() if "Dropout" in type(one).__name__]
    for site in sites:
        site.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = [logits_of(network, pictures) for _ in range(samples)]
    network.eval()
    return np.stack(found)


def ensemble_logits(networks: Sequence[Any], pictures: Float32Array) -> FloatArray:
    """(members, n, classes)."""
    return np.stack([logits_of(network, pictures) for network in networks])
