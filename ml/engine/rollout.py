"""Attention rollout: how much of each token of a picture reaches what a transformer answers from.

Read off the forward alone: no gradient, and no class.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from ml.engine.attribute import grid, noise
from ml.engine.device import CPU, Device
from ml.program.attention import Attention, attentions
from ml.program.cut import Shape, cut_at, only_needed, shapes_of, zeros
from ml.program.graph import Program, Ref
from ml.program.places import single_cuts
from ml.program.walk import Values, Walker

Read = Callable[[str], torch.Tensor]  # the value of a name, computed or learnt
_NONE = "the network has no attention that can be found in its graph"
_OTHERS = "its attention is not between all the tokens that it answers from, and these alone"


class Rollout:
    """The attention of a network from its tokens to its answer.

    Args:
        program: the network.
        case: the shape of each input without its batch.
        logits: name of the value that is answered.
        device: to compute on.

    Attributes:
        sides: of the grid that the tokens form.
        skipped: tokens before those of the grid, such as a class token.
        read: (tokens,) which of the last tokens the logits hear of: for a class token one, else
            those whose mean is taken. Found by the gradient of the logits on two cases of noise.

    Raises:
        ValueError: where there is no attention, it is not between all tokens of a picture (but
            within windows, say), or the answer hears of more than the tokens after it.
        RuntimeError: what torch says of shapes that do not fit.
    """

    def __init__(
        self, program: Program, case: Sequence[Shape], logits: str, *, device: Device = CPU
    ) -> None:
        self.sites = attentions(program, logits)
        if not self.sites:
            raise ValueError(_NONE)
        whole = only_needed(replace(program, outputs=(logits,)))
        self._walker = Walker(whole, device.place)
        self.device, self.logits = device, logits
        inputs = [device.place(one) for one in zeros(program, case)]
        tokens = {found.shape[-1] for found in self._found(inputs)}
        shapes = shapes_of(self._walker, inputs)
        streams = [
            name
            for name in single_cuts(program, logits)
            if len(shapes.get(name, ())) == 3 and {shapes[name][1]} == tokens
        ]
        if not streams:
            raise ValueError(_OTHERS)
        (count,) = tokens
        self.sides, self.skipped = grid(count, case[0])
        if len(self.sides) < 2:
            raise ValueError(f"its {count} tokens form no grid of the picture")
        self.read = self._read(program, case, streams[-1])

    def _read(self, program: Program, case: Sequence[Shape], stream: str) -> torch.Tensor:
        """Which tokens behind the last attention the logits hear of."""
        last = self.sites[-1].node
        behind = {name for node in program.cone([last]) for name in node.outputs}
        if stream not in behind or stream == self.logits:
            raise ValueError(_OTHERS)
        cut = cut_at(program, stream, self.logits)
        place = self.device.place
        with torch.no_grad():
            between = Walker(cut.trunk, place).run([place(one) for one in noise(program, case)])
        with torch.enable_grad():
            value = between[stream].detach().requires_grad_()
            given = [value, *(between[name] for name in cut.between[1:])]
            found = Walker(cut.tail, place).run(given)[self.logits]
            # Sums of probabilities have no gradient: each answer counts a little differently.
            slopes = torch.linspace(1, 2, found[0].numel(), device=found.device)
            (slope,) = torch.autograd.grad((found.flatten(1) * slopes).sum(), value)
        read: torch.Tensor = (slope != 0).any(dim=2).any(dim=0)
        if not read.any():
            raise ValueError(_OTHERS)
        return read

    def of(self, cases: torch.Tensor) -> torch.Tensor:
        """The rollout of a batch.

        Of each layer the mean attention of its heads, half of it and half of the token itself (what
        the shortcut around it carries), multiplied from the first layer to the last. The row of the
        tokens that the answer is read from, their mean where it is several, is the map; tokens
        before the grid are left out. It knows no class, nor what the layers between do to a token,
        and never falls below zero: it says what could reach the answer, not for or against what.

        Args:
            cases: (n, ...) on the device.

        Returns:
            (n, *sides), shares of 0..1; with those of the tokens left out they add up to 1.

        Source:
            Abnar, Zuidema (2020), ACL, section 3, arXiv:2005.00928.
        """
        total: torch.Tensor | None = None
        for found in self._found([cases]):
            own = torch.eye(found.shape[-1], dtype=found.dtype, device=found.device)
            layer = (found + own) / 2
            layer = layer / layer.sum(dim=-1, keepdim=True)
            total = layer if total is None else layer @ total
        assert total is not None
        row = total[:, self.read].mean(dim=1)[:, self.skipped :]
        return row.reshape(len(row), *self.sides)

    def _found(self, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """(n, tokens, tokens) of each layer: the mean attention over its heads."""
        n, sites = len(inputs[0]), {one.node.name: one for one in self.sites}
        found: list[torch.Tensor] = []

        def read(values: Values) -> Read:
            return lambda name: values[name] if name in values else self._walker.weights[name]

        def note(values: Values, names: Sequence[str]) -> None:
            for name in names:
                if name in sites:
                    found.append(_over_heads(_shares(sites[name], read(values)), n))

        with torch.inference_mode():
            self._walker.run(inputs, watch=note)
        return found


def _over_heads(shares: torch.Tensor, n: int) -> torch.Tensor:
    """Of attention with heads as an axis of its own, or within the first.

    Raises:
        ValueError: where it is not from every token to every token of n cases.
    """
    square = shares.dim() in (3, 4) and shares.shape[-1] == shares.shape[-2]
    if not square or (len(shares) != n if shares.dim() == 4 else len(shares) % n):
        raise ValueError(_OTHERS)
    return shares.reshape(n, -1, *shares.shape[-2:]).double().mean(dim=1)


def _shares(one: Attention, read: Read) -> torch.Tensor:
    """What each token takes from each: (..., tokens, tokens), rows of sum 1."""
    if not one.whole:
        return read(one.node.name)
    given = one.node.arguments
    query, key, mask = (
        read(ref.name) if isinstance(ref := given.get(name), Ref) else None
        for name in ("query", "key", "attn_mask")
    )
    assert query is not None
    assert key is not None
    scale = given.get("scale")
    factor = float(scale) if isinstance(scale, (int, float)) else query.shape[-1] ** -0.5
    scores = query @ key.mT * factor
    if given.get("is_causal"):
        earlier = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        scores = scores.masked_fill(~earlier, -torch.inf)
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, -torch.inf)
    elif mask is not None:
        scores = scores + mask
    return scores.softmax(dim=-1)
