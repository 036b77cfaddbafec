"""How each method makes its maps of a batch; what it is called, takes and costs: explain_form.

Every function takes a :class:`Work` and returns (n, *sides) signed, on its device.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import torch

from ml.drawn import drawn
from ml.engine.attribute import CLASS_MAPS, Attributor, Cached, score_of
from ml.engine.device import Device
from ml.engine.explain_form import (
    EIGEN,
    GRADIENT,
    INTEGRATED,
    OCCLUSION,
    RISE,
    ROLLOUT,
    SCORE_CAM,
    SMOOTH,
)
from ml.engine.occlusion import Occlusion
from ml.engine.params import count
from ml.engine.rollout import Rollout
from ml.estimate import JsonObject

_STRETCH = {1: "linear", 2: "bilinear", 3: "trilinear"}  # by the number of sides
_AT_ONCE = 8  # changed pictures of one forward, where one case has many


@dataclass(frozen=True)
class Work:
    """A batch whose maps are made.

    Attributes:
        ours: the network's maps.
        cases: (n, ...) as the network takes them, on the device.
        cached: what one forward of them left.
        weights: (n, k, ...) what each logit counts in the score that is explained.
        params: of the method; see :func:`ml.engine.explain_form.map_params`.
        channels: the axis of ``cases`` along which channels lie.
        dark, reach: what broadcasts to the cases: the lowest declared intensity, and how far it
            is from there to the highest.
        device: where it is computed.
        most: cases that are known to fit into memory at once; 0 where nothing is known.
        steps: of integrated gradients.
        rollout, occlusion: the network prepared for these; None for other methods.
    """

    ours: Attributor
    cases: torch.Tensor
    cached: Cached
    weights: torch.Tensor
    params: JsonObject
    channels: int
    dark: torch.Tensor
    reach: torch.Tensor
    device: Device
    most: int = 0
    steps: int = 32
    rollout: Rollout | None = None
    occlusion: Occlusion | None = None

    @property
    def sides(self) -> tuple[int, ...]:
        """Of the input, without batch and channels."""
        return tuple(
            side for at, side in enumerate(self.cases.shape) if at not in (0, self.channels)
        )

    def at_once(self) -> int:
        """How many changed pictures of each case one forward takes: 1 of a graph of fixed batch."""
        if self.ours.fixed_batch:
            return 1
        return max(1, min(_AT_ONCE, self.most or _AT_ONCE) // len(self.cases))

    def scores(self, cases: torch.Tensor) -> torch.Tensor:
        """(m, n) of (m, n, ...) changed pictures of the n cases: the scores that are explained."""
        found = self.ours.scores(self.ours.forward([cases.flatten(0, 1)]))
        weights = self.weights.repeat(len(cases), *[1] * (self.weights.dim() - 1))
        return score_of(found, weights).reshape(cases.shape[:2])

    def shown(self, masks: torch.Tensor) -> torch.Tensor:
        """(m, n, ...) the cases through masks: 1 shows, 0 puts the lowest declared intensity.

        Args:
            masks: (m, n or 1, *sides) from 0 to 1.
        """
        return self.dark + masks.unsqueeze(self.channels + 1) * (self.cases - self.dark)


def class_map(work: Work, method: str) -> torch.Tensor:
    """See :meth:`ml.engine.attribute.Attributor.class_map`."""
    return work.ours.class_map(work.cached, work.weights, method)


def gradient(work: Work) -> torch.Tensor:
    """The gradient of the input, added over channels: score per unit of what the network takes."""
    return work.ours.gradient([work.cases], work.weights).sum(dim=work.channels)


def integrated(work: Work) -> torch.Tensor:
    """Integrated gradients from the lowest declared intensity, added over channels."""
    found = work.ours.integrated_gradients(
        [work.cases], work.weights, work.dark.expand_as(work.cases).contiguous(), work.steps
    )
    return found.sum(dim=work.channels)


def noise_of(shape: tuple[int, ...], seed: int, sample: int) -> np.ndarray:
    """Standard normal noise of one sample of SmoothGrad, the same for every case.

    It hangs on the seed and the number of the sample alone, so that a case has the same map in
    whatever batch, and two methods or networks see the same noise.

    Args:
        shape: of a case.
        sample: its number, from 0.

    Example:
        >>> noise_of((1, 2), 7, 0).shape, bool((noise_of((2,), 7, 0) == noise_of((2,), 7, 1)).any())
        ((1, 2), False)
    """
    return drawn(SMOOTH, seed, sample).standard_normal(shape, dtype=np.float32)


def smooth(work: Work) -> torch.Tensor:
    """SmoothGrad: the mean gradient of copies with noise, added over channels, signed.

    ``map_samples`` copies, with normal noise whose standard deviation is ``map_noise`` of the
    declared range of intensities: a picture that uses little of it gets no less noise. The noise is
    not cut off at the ends of the range.

    Returns:
        (n, *sides of the input), in score per unit of what the network takes.

    Source:
        Smilkov et al. (2017), arXiv:1706.03825.
    """
    samples, seed = count(work.params, "map_samples"), count(work.params, "map_seed")
    size = float(cast(float, work.params["map_noise"])) * work.reach
    total = torch.zeros_like(work.cases)
    for sample in range(samples):
        noise = torch.from_numpy(noise_of(tuple(work.cases.shape[1:]), seed, sample))
        noisy = work.cases + size * work.device.place(noise).to(work.cases.dtype)
        total += work.ours.gradient([noisy], work.weights)
    return (total / samples).sum(dim=work.channels)


def eigen(work: Work) -> torch.Tensor:
    """Eigen-CAM: the first principal component of the activations, over the positions of a case.

    It knows no class: the map is the same whatever score is asked for. The activations are less
    their mean over the positions, as usual for a principal component; the paper does not centre
    them. A component has no sign of its own: here it is turned so that it rises with the mean
    activation over channels, which is a convention and no evidence.

    Returns:
        (n, *sides of the layer), in units of the activations; zero where nothing varies.

    Source:
        Muhammad, Yeasin (2020), IJCNN, arXiv:2008.00299.
    """
    value = work.ours.activations(work.cached).flatten(2).double()
    value = value - value.mean(dim=2, keepdim=True)
    if value.shape[1] <= value.shape[2]:  # of the smaller of the two square matrices
        _, vectors = torch.linalg.eigh(value @ value.mT)
        found = (vectors[:, :, -1:].mT @ value)[:, 0]
    else:
        sizes, vectors = torch.linalg.eigh(value.mT @ value)
        found = sizes[:, -1:].clamp(min=0).sqrt() * vectors[:, :, -1]
    turned = (found * value.mean(dim=1)).sum(dim=1, keepdim=True) < 0
    found = torch.where(turned, -found, found)
    return found.reshape(len(found), *work.ours.layer.sides)


def score_cam(work: Work) -> torch.Tensor:
    """Score-CAM: each channel counts what the score gains when its activation shows the picture.

    Of a case's channels the ``map_channels`` that vary most over its positions are taken: their
    activation, brought to the size of the input and to 0..1, is the mask; what it hides has the
    lowest declared intensity. The weight of a channel is the score of that picture less the score
    of a picture of the lowest intensity alone: signed, in units of the score. (The authors' program
    puts a softmax over these gains, so that no channel counts against the score.) Of fewer
    channels all are taken; one that is the same everywhere shows nothing.

    Returns:
        (n, *sides of the layer), in units of the score times those of the activations.

    Source:
        Wang et al. (2020), CVPR Workshops, arXiv:1910.01279: equation 8, without the ReLU.
    """
    value = work.ours.activations(work.cached)
    n, wanted = len(value), min(count(work.params, "map_channels"), value.shape[1])
    varies = value.flatten(2).var(dim=2, unbiased=False)
    chosen = varies.argsort(dim=1, descending=True, stable=True)[:, :wanted]
    taken = torch.stack([one[at] for one, at in zip(value, chosen, strict=True)])
    rows = work.ours.fixed_batch or 1
    alone = work.dark.expand(rows, *work.cases.shape[1:]).contiguous()
    scores = work.ours.scores(work.ours.forward([alone]))[:1]
    nothing = score_of(scores.expand(n, *scores.shape[1:]), work.weights)
    found = torch.zeros((n, *work.ours.layer.sides), dtype=value.dtype, device=value.device)
    for numbers in _parts(wanted, work.at_once()):
        part = taken[:, numbers.start : numbers.stop]
        masks = _stretched(part, work.sides).transpose(0, 1)
        gains = work.scores(work.shown(_from_0_to_1(masks))) - nothing
        found += torch.einsum("mn,nm...->n...", gains, part)
    return found


def rise_masks(
    sides: tuple[int, ...], numbers: range, seed: int, cells: int, shown: float
) -> torch.Tensor:
    """Masks of RISE: coarse cells shown or hidden by chance, smoothed, shifted by part of a cell.

    They hang on the seed and the number of a mask alone and are the same for every case.

    Args:
        sides: of the input.
        numbers: of the masks, from 0.
        cells: along each side.
        shown: probability of each cell.

    Returns:
        (len(numbers), *sides) from 0 to 1.

    Source:
        Petsiuk, Das, Saenko (2018), BMVC, section 3.2.

    Example:
        >>> rise_masks((8, 8), range(2), 1, 2, 0.5).shape
        torch.Size([2, 8, 8])
    """
    cell = [-(-side // cells) for side in sides]
    found = []
    for number in numbers:
        source = drawn(RISE, seed, number)
        grid = torch.from_numpy((source.random([cells] * len(sides)) < shown).astype(np.float32))
        whole = _stretched(grid[None, None], tuple((cells + 1) * one for one in cell))[0, 0]
        for axis, (side, one) in enumerate(zip(sides, cell, strict=True)):
            whole = whole.narrow(axis, int(source.integers(one)), side)
        found.append(whole)
    return torch.stack(found)


def rise(work: Work) -> torch.Tensor:
    """RISE: the mean score of the masked pictures that show a position, less that of them all.

    ``map_masks`` masks (:func:`rise_masks`), the same for all cases; what they hide has the lowest
    declared intensity. Masks count by how far they show the position. The paper's map is the first
    mean alone, which has no zero: below the mean of all, showing the position lowers the score.

    Returns:
        (n, *sides of the input), in units of the score; NaN at a position that no mask shows.

    Source:
        Petsiuk, Das, Saenko (2018), BMVC, equation 6, divided by how often a position was shown
        rather than by how often that is expected.
    """
    params = work.params
    many = count(params, "map_masks")
    sums = torch.zeros((len(work.cases), int(np.prod(work.sides))), dtype=torch.float64)
    shown, scored = torch.zeros_like(sums[0]), torch.zeros_like(sums[:, :1])
    for numbers in _parts(many, work.at_once()):
        masks = rise_masks(
            work.sides, numbers, count(params, "map_seed"), count(params, "map_cells"),
            float(cast(float, params["map_shown"])),
        )  # fmt: skip
        placed = work.device.place(masks).to(work.cases.dtype).unsqueeze(1)
        scores = work.scores(work.shown(placed)).cpu().double()
        flat = masks.flatten(1).double()
        sums += scores.T @ flat
        shown += flat.sum(dim=0)
        scored += scores.sum(dim=0)[:, None]
    found = sums / shown - scored / many
    return found.reshape(len(found), *work.sides)


def attention_rollout(work: Work) -> torch.Tensor:
    """See :meth:`ml.engine.rollout.Rollout.of`."""
    assert work.rollout is not None
    return work.rollout.of(work.cases)


def occluded(work: Work) -> torch.Tensor:
    """See :meth:`ml.engine.occlusion.Occlusion.maps`."""
    assert work.occlusion is not None
    return work.occlusion.maps(work.cases, work.weights)


def _parts(n: int, size: int) -> Iterator[range]:
    for start in range(0, n, size):
        yield range(start, min(n, start + size))


def _stretched(maps: torch.Tensor, sides: tuple[int, ...]) -> torch.Tensor:
    """(a, b, *sides) of (a, b, ...), by linear interpolation between the centres of positions."""
    return torch.nn.functional.interpolate(
        maps, size=sides, mode=_STRETCH[len(sides)], align_corners=False
    )


def _from_0_to_1(masks: torch.Tensor) -> torch.Tensor:
    """(m, n, *sides) with 0 for the least of each and 1 for the most; 0 where all are the same."""
    flat = masks.flatten(2)
    least, most = flat.amin(dim=2, keepdim=True), flat.amax(dim=2, keepdim=True)
    found = (flat - least) / torch.where(most > least, most - least, 1)
    return found.reshape(masks.shape)


MADE: dict[str, Callable[[Work], torch.Tensor]] = {
    **{name: partial(class_map, method=name) for name in CLASS_MAPS},
    EIGEN: eigen,
    SCORE_CAM: score_cam,
    GRADIENT: gradient,
    INTEGRATED: integrated,
    SMOOTH: smooth,
    OCCLUSION: occluded,
    RISE: rise,
    ROLLOUT: attention_rollout,
}
