"""Maps of what moves a score: Grad-CAM and its kin from a value kept in the middle, and gradients.

For class activation maps the trunk is run once and its last value kept (the cut); the gradient
runs through the tail alone. The layer is not named by a kind of layer: see :func:`map_layer`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch

from ml.engine.device import CPU, Device
from ml.engine.fused import FusedWalker, prepared
from ml.program.cut import Cut, Shape, cut_at, only_needed, zeros
from ml.program.graph import Program
from ml.program.places import channel_axis, found_value, logits_of, single_cuts, spatial
from ml.program.walk import Place, Values, Walker, here

_SEED = 20261127
_MOVED = 0.5  # of its positions must have a gradient


@dataclass(frozen=True)
class MapLayer:
    """The value that class activation maps are taken of.

    Attributes:
        axis: along which its channels lie.
        sides: of the map, without batch and channels; tokens have been laid out as a grid.
        skipped: tokens before those of the grid, such as a class token.
    """

    name: str
    axis: int
    sides: Shape
    skipped: int = 0


@dataclass(frozen=True)
class Cached:
    """What one forward of the trunk left for some cases: enough for the map of any class."""

    between: tuple[Any, ...]  # what the tail reads, the value of the map layer first
    n: int


def map_layer(
    program: Program,
    case: Sequence[Shape],
    logits: str,
    name: str | None = None,
    *,
    place: Place = here,
) -> MapLayer:
    """Where class activation maps are taken, found in the graph.

    Of the values through which everything passes that the logits hear of the inputs, and which
    have more than one position, the last where the gradient of the logits moves half of the
    positions. So it is behind the last concatenation of a DenseNet, where "the last convolution"
    is one growth slice, and before the last block of a transformer, of whose last output one
    token alone is read.

    Args:
        program: the network.
        case: the shape of each input without its batch.
        logits: name of the value whose gradient is asked for.
        name: of the value or module to take instead.
        place: to where it is computed; see ``ml.program.walk``.

    Raises:
        KeyError: if nothing is called ``name``.
        ValueError: if there is no such layer, the named one has no positions, or an input holds
            whole numbers, through which no gradient is taken.
        RuntimeError: what torch says of shapes that do not fit.
    """
    chosen = None if name is None else found_value(program, name)
    cuts = [one for one in single_cuts(program, logits) if one != logits]
    shares = moved_positions(program, case, logits, [chosen] if chosen else cuts, place=place)
    fitting = [one for one, (share, _) in shares.items() if share >= _MOVED or one == chosen]
    if not fitting:
        raise ValueError("no layer with more than one position passes everything on")
    _, shape = shares[fitting[-1]]
    axis = channel_axis(program, fitting[-1], len(shape))
    sides = spatial(shape, axis)
    sides, skipped = (sides, 0) if len(sides) > 1 else grid(sides[0], case[0])
    return MapLayer(fitting[-1], axis, sides, skipped)


def moved_positions(
    program: Program,
    case: Sequence[Shape],
    logits: str,
    names: Sequence[str],
    *,
    place: Place = here,
) -> dict[str, tuple[float, Shape]]:
    """The share of positions of values where the logits' gradient is not zero, and their shapes.

    On two cases of noise, of a sum of the logits with weights of no meaning: plain sums of
    probabilities have no gradient. Values without several positions are left out.
    """
    inputs = noise(program, case)
    if not all(one.is_floating_point() for one in inputs):
        raise ValueError("the network takes whole numbers, through which no gradient is taken")
    inputs = [place(one).requires_grad_() for one in inputs]
    walker = Walker(only_needed(replace(program, outputs=(logits,))), place)
    seen: Values = {}

    def note(values: Values, new: Sequence[str]) -> None:
        seen.update({name: values[name] for name in new if name in names})

    with torch.enable_grad():
        found = walker.run(inputs, watch=note)[logits]
        weights = torch.randn(found.shape[1:], generator=torch.Generator().manual_seed(_SEED))
        score = (found * place(weights).to(found.dtype)).sum()
        shown = {
            name: value
            for name in names
            if isinstance(value := seen.get(name), torch.Tensor)
            and value.requires_grad
            and value.dim() > 2
            and len(value) == len(inputs[0])
            and prod(spatial(value.shape, channel_axis(program, name, value.dim()))) > 1
        }
        values = list(shown.values())
        slopes = torch.autograd.grad(score, values, allow_unused=True) if values else ()
    shares = {}
    for (name, value), slope in zip(shown.items(), slopes, strict=True):
        axis = channel_axis(program, name, value.dim())
        moved = 0.0 if slope is None else float((slope != 0).any(dim=axis).float().mean())
        shares[name] = (moved, tuple(value.shape))
    return shares


def noise(program: Program, case: Sequence[Shape]) -> list[torch.Tensor]:
    """Inputs of two cases, the same every time: what reaches a value is told by them."""
    source = torch.Generator().manual_seed(_SEED)
    return [torch.randn(one.shape, generator=source).to(one.dtype) for one in zeros(program, case)]


def grid(tokens: int, case: Shape) -> tuple[Shape, int]:
    """Tokens as a grid of the picture's proportions: all of them, or all but the first."""
    sides = case[1:] if case[0] <= case[-1] else case[:-1]  # channels are few, first or last
    for skipped in (0, 1) if len(sides) == 2 else ():
        left = tokens - skipped
        for rows in range(1, left + 1):
            if left % rows == 0 and rows * sides[1] == left // rows * sides[0]:
                return (rows, left // rows), skipped
    return (tokens,), 0


class Attributor:
    """Maps of a network's scores.

    Args:
        program: the network, in floats.
        case: the shape of each input without its batch.
        output: the answer that is explained; by default the first.
        layer: of class activation maps, a value or a module; by default :func:`map_layer`.
        device: to compute on.

    Raises:
        KeyError, ValueError, RuntimeError: see :func:`map_layer`.
    """

    def __init__(
        self,
        program: Program,
        case: Sequence[Shape],
        *,
        output: str | None = None,
        layer: str | None = None,
        device: Device = CPU,
    ) -> None:
        self.logits = logits_of(program, output or program.outputs[0])
        self.device, place = device, device.place
        self.layer = map_layer(program, case, self.logits, layer, place=place)
        self.fixed_batch = program.inputs[0].shape[0]
        self.dtype: torch.dtype = getattr(torch, program.inputs[0].dtype)
        self.program = program
        cut = cut_at(program, self.layer.name, self.logits)
        self._kept = _Kept(cut, program, case, device)
        self._tail = Walker(cut.tail, place)
        self._whole = Walker(only_needed(replace(program, outputs=(self.logits,))), place)

    def forward(self, inputs: Sequence[torch.Tensor]) -> Cached:
        """One forward of the trunk; what it leaves is enough for the maps of all classes.

        Args:
            inputs: one tensor for each input, n cases each, on the device.
        """
        return self._kept.run(inputs)

    def scores(self, cached: Cached) -> torch.Tensor:
        """(n, k, ...) logits of cases whose cut is kept: the tail's forward."""
        with torch.inference_mode():
            found: torch.Tensor = self._tail.run(cached.between)[self.logits]
        return found

    def class_map(
        self, cached: Cached, weights: torch.Tensor, method: str = "grad-cam"
    ) -> torch.Tensor:
        """Class activation maps, signed and at the layer's own resolution, before any ReLU.

        Args:
            cached: of n cases.
            weights: (n, k) what each logit counts in the score that is explained, see
                :func:`score_of`: a row with a single 1 for one class. Dense outputs are summed
                over their positions, or over those that count, where the weights have the
                logits' own shape.
            method: "grad-cam", "grad-cam++", "hires-cam" or "layer-cam".

        Returns:
            (n, *sides of the layer), in units of the score; float32.

        Raises:
            ValueError: for another method.

        Source:
            Selvaraju et al. (2017), ICCV (Grad-CAM); Chattopadhay et al. (2018), WACV
            (Grad-CAM++, without the factor exp(score), which is the same for all channels of a
            case); Draelos, Carin (2020), arXiv:2011.08891 (HiResCAM); Jiang et al. (2021), IEEE
            TIP 30:5875-5888 (LayerCAM).
        """
        if method not in CLASS_MAPS:
            raise ValueError(f"no such map: {method!r}; there are {', '.join(CLASS_MAPS)}")
        with torch.enable_grad():
            value = cached.between[0].detach().requires_grad_()
            found = self._tail.run([value, *cached.between[1:]])[self.logits]
            (slope,) = torch.autograd.grad(score_of(found, weights).sum(), value)
        around = [at for at in range(1, value.dim()) if at != self.layer.axis]
        channels = CLASS_MAPS[method](value.detach(), slope, around)
        return self._laid_out(channels.sum(dim=self.layer.axis))

    def activations(self, cached: Cached) -> torch.Tensor:
        """(n, channels, *sides of the layer) what the layer gave, as the class maps read it."""
        return self._laid_out(cached.between[0].movedim(self.layer.axis, 1), 2)

    def _laid_out(self, found: torch.Tensor, start: int = 1) -> torch.Tensor:
        """Positions as the layer's grid, without those before it; axes before ``start`` stay."""
        row = found.flatten(start)[..., self.layer.skipped :]
        return row.reshape(*row.shape[:start], *self.layer.sides)

    def gradient(self, inputs: Sequence[torch.Tensor], weights: torch.Tensor) -> torch.Tensor:
        """The gradient of the score by the first input: (n, *its shape), in score per input unit.

        Args:
            inputs, weights: as of :meth:`class_map`.

        Source:
            Simonyan, Vedaldi, Zisserman (2014), ICLR workshop.
        """
        with torch.enable_grad():
            first = inputs[0].detach().clone().requires_grad_()
            found = self._whole.run([first, *inputs[1:]])[self.logits]
            slope: torch.Tensor
            (slope,) = torch.autograd.grad(score_of(found, weights).sum(), first)
        return slope

    def integrated_gradients(
        self,
        inputs: Sequence[torch.Tensor],
        weights: torch.Tensor,
        baseline: torch.Tensor,
        steps: int = 32,
    ) -> torch.Tensor:
        """Integrated gradients of the first input along the straight line from a baseline.

        Args:
            inputs, weights: as of :meth:`class_map`.
            baseline: (n, *shape of the first input) or what broadcasts to it.
            steps: of the midpoint rule; the completeness gap says whether they were enough.

        Returns:
            (n, *shape), in units of the score; sums to score minus the baseline's.

        Source:
            Sundararajan, Taly, Yan (2017), ICML.
        """
        way = inputs[0] - baseline
        total = torch.zeros_like(inputs[0])
        for step in range(steps):
            at = baseline + (step + 0.5) / steps * way
            total += self.gradient([at, *inputs[1:]], weights)
        return way * total / steps


def score_of(logits: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """(n,) the score that is explained: the sum of logits with the weights (n, k) of each case.

    Where a weight is negative, the log-odds that a softmax over the counted classes gives those
    with a positive weight: ``logsumexp(logits, w > 0) - logsumexp(logits, w < 0)``.

    Args:
        logits: k numbers for each case in any shape, or (n, k, ...), summed over positions.
        weights: (n, k), or of the shape of the logits, one for each position too; in each row
            either none negative, or of both signs.

    Raises:
        ValueError: for another shape.

    Example:
        >>> score_of(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[0.0, 1.0]]))
        tensor([2.])
        >>> score_of(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[0.0, 3.0]]]))
        tensor([6.])
        >>> score_of(torch.tensor([[1.0, 2.0]]), torch.tensor([[-1.0, 1.0]]))
        tensor([1.])
    """
    if logits.numel() == weights.numel():
        counted = logits.reshape(weights.shape)
    elif logits.shape[:2] == weights.shape:
        counted = logits.flatten(2).sum(dim=2)
    else:
        raise ValueError(f"{tuple(logits.shape)} are no logits of {weights.shape[1]} classes")
    if not (weights < 0).any():
        return (counted * weights.to(logits)).flatten(1).sum(dim=1)
    here, against = (
        counted.masked_fill(sign * weights <= 0, -torch.inf).flatten(1).logsumexp(dim=1)
        for sign in (1, -1)
    )
    return here - against


def _grad_cam(value: torch.Tensor, slope: torch.Tensor, around: list[int]) -> torch.Tensor:
    return slope.mean(dim=around, keepdim=True) * value


def _grad_cam_plus(value: torch.Tensor, slope: torch.Tensor, around: list[int]) -> torch.Tensor:
    square = slope.square()
    below = 2 * square + value.sum(dim=around, keepdim=True) * square * slope
    share = torch.where(below != 0, square / torch.where(below != 0, below, 1), 0)
    return (share * slope.relu()).sum(dim=around, keepdim=True) * value


def _hires_cam(value: torch.Tensor, slope: torch.Tensor, around: list[int]) -> torch.Tensor:
    del around
    return slope * value


def _layer_cam(value: torch.Tensor, slope: torch.Tensor, around: list[int]) -> torch.Tensor:
    del around
    return slope.relu() * value


CLASS_MAPS: dict[str, Callable[[torch.Tensor, torch.Tensor, list[int]], torch.Tensor]] = {
    "grad-cam": _grad_cam,
    "grad-cam++": _grad_cam_plus,
    "hires-cam": _hires_cam,
    "layer-cam": _layer_cam,
}


class _Kept:
    """The trunk of a cut, prepared; and the sizes that the tail reads for any number of cases."""

    def __init__(self, cut: Cut, program: Program, case: Sequence[Shape], device: Device) -> None:
        plain = Walker(cut.trunk, device.place)
        with torch.inference_mode():
            two, three = (plain.run(zeros(program, case, n)) for n in (2, 3))
        self.sizes = {
            name: (two[name], three[name] - two[name])
            for name in cut.between
            if not isinstance(two[name], torch.Tensor)
        }
        self.between = cut.between
        tensors = tuple(name for name in cut.between if name not in self.sizes)
        trunk = only_needed(replace(cut.trunk, outputs=tensors))
        self.walker: Walker | FusedWalker = (
            prepared(trunk, case) if device.is_cpu else Walker(trunk, device.place)
        )

    def run(self, inputs: Sequence[torch.Tensor]) -> Cached:
        with torch.inference_mode():
            found = self.walker.run(inputs)
        n = len(inputs[0])
        between = []
        for name in self.between:
            if name in self.sizes:
                at_two, step = self.sizes[name]
                between.append(at_two + step * (n - 2))
            else:  # a copy: what inference mode made takes no gradient
                between.append(found[name].clone())
        return Cached(tuple(between), n)
