"""Which part of each value of a network changes where boxes of its picture do: windows, and a rest.

Where a convolution sees a few pixels, a box moves few of its numbers, and all others stay those of
the picture as it is. So an operation can be run on a window around what a box reaches, until the
window is most of the picture; the rest is computed whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ml.program.cut import Shape, only_needed
from ml.program.flops import flops_of
from ml.program.graph import Node, Port, Program
from ml.program.reach import Reach
from ml.program.reach_steps import ELEMENTWISE, Step, Traced

IntArray = NDArray[np.int64]
MOST = 0.8  # of the places of a value: beyond, the copies cost more than they save
CONVOLUTIONS = {"conv1d", "conv2d", "conv3d", "convolution"}
MAXIMA = {"max_pool1d", "max_pool2d", "max_pool3d"}
_MEANS = {"avg_pool1d", "avg_pool2d", "avg_pool3d"}
_AS_IT_IS = {"permute", "transpose", "swapaxes", "batch_norm"}


@dataclass(frozen=True)
class Windows:
    """Where each of P boxes reaches in a value.

    Attributes:
        touched: (P, axes, 2) first and last place; first > last where nothing is.
        starts: (P, axes) of windows of one size that hold what is touched, inside the value.
        size: of every window along each axis.
        places: of the value along each axis.
    """

    touched: IntArray
    starts: IntArray
    size: Shape
    places: Shape

    @classmethod
    def around(cls, touched: IntArray, places: Shape) -> "Windows":
        """
        Example:
            >>> boxes = np.array([[[0, 1]], [[3, 3]]])  # two, along one axis
            >>> found = Windows.around(boxes, (4,))
            >>> found.size, found.starts.tolist(), found.share
            ((2,), [[0], [2]], 0.5)
        """
        size = np.maximum((touched[..., 1] - touched[..., 0] + 1).max(axis=0), 1)
        starts = np.clip(touched[..., 0], 0, np.array(places) - size)
        return cls(touched, starts, tuple(int(one) for one in size), places)

    @property
    def share(self) -> float:
        """Of a window, of all places."""
        return float(np.prod(self.size) / np.prod(self.places))


@dataclass
class WindowPlan:
    """What of a network is run on windows, and what whole.

    Args:
        program: the network; its first input is the picture, and it has no other.
        shapes: of its values for one case, as :func:`ml.program.cut.shapes_of` gives them.
        axes: of the picture's tensor that are spatial: (2, 3) for NCHW, (1, 2) for NHWC.
        boxes: (P, axes, 2) first and last place of each box, included; inside the picture.

    Attributes:
        head: nodes that are run on windows, in order.
        windows: by name, of the picture and of what the head gives.
        tail: the rest that hears of the picture; its inputs are ``between``.

    Raises:
        ValueError: where the answer itself is a window: nothing would be left to compute whole.
    """

    program: Program
    shapes: Mapping[str, Shape]
    axes: Shape
    boxes: IntArray
    head: tuple[Node, ...] = field(init=False)
    windows: dict[str, Windows] = field(init=False)
    tail: Program = field(init=False)

    def __post_init__(self) -> None:
        self.picture = self.program.inputs[0].name
        self._reach = Reach(self.program, self.shapes, self.axes)
        sides = tuple(self.shapes[self.picture][axis] for axis in self.axes)
        self.windows = {self.picture: Windows.around(self.boxes, sides)}
        self.head = tuple(node for node in self.program.nodes if self._windowed(node))
        self.tail = self._rest()

    @property
    def between(self) -> tuple[str, ...]:
        """Names of what the tail reads."""
        return tuple(port.name for port in self.tail.inputs)

    def dims(self, name: str) -> Shape:
        """Dimensions of a value with windows that are the picture's axes."""
        value = self._reach.values[name]
        assert isinstance(value, Traced)
        return value.dims

    def steps(self, node: Node) -> Mapping[str, tuple[Step, ...]]:
        """How far each source of a node of the head lies from its places, along each axis."""
        value = self._reach.values[node.name]
        assert isinstance(value, Traced)
        return dict(value.sources)

    @property
    def saved(self) -> float:
        """Share of the arithmetic of a forward that a box does not take; 0..1."""
        every = flops_of(self.program, self.shapes)
        left = float(flops_of(self.tail, self.shapes))
        for node in self.head:
            alone = Program(
                tuple(Port(name, (None,), "float32") for name in node.uses), {}, (node,),
                (node.name,),
            )  # fmt: skip
            of_weights = {name: value.shape for name, value in self.program.weights.items()}
            left += flops_of(alone, of_weights | dict(self.shapes)) * self.windows[node.name].share
        return 1 - left / every if every else 0.0

    def _windowed(self, node: Node) -> bool:
        """Whether a node is run on windows; if so, these are noted."""
        value = self._reach.values.get(node.name)
        if not isinstance(value, Traced) or value.whole or not self._is_local(node, value):
            return False
        if any(one in self._reach.values and one not in self.windows for one in node.uses):
            return False  # it reads what is computed whole
        places = self._reach.places(node.name)
        found = Windows.around(self._touched(value, places), places)
        if found.share > MOST:
            return False
        self.windows[node.name] = found
        return True

    def _is_local(self, node: Node, value: Traced) -> bool:
        """It can be run on a window, as it is or without its padding."""
        base, given = node.operation.base, node.arguments
        steps = [step for _, each in value.sources for step in each]
        if len(node.outputs) != 1 or any(step.per != 1 for step in steps):
            return False
        if base in CONVOLUTIONS:
            return given.get("transposed") is not True
        if base in MAXIMA | _MEANS:
            padded = any(step.low for step in steps)
            counted = base in MAXIMA or given.get("count_include_pad", True) is True
            return given.get("ceil_mode") is not True and (counted or not padded)
        if base in _AS_IT_IS:
            return True
        return (base in ELEMENTWISE or base == "cat") and self._alike_everywhere(node, value)

    def _alike_everywhere(self, node: Node, value: Traced) -> bool:
        """What is read beside the picture's values is the same at all places."""
        count = len(self.shapes[node.name])
        for name in node.uses:
            if name in self._reach.values:
                continue
            known = self.program.weights.get(name)
            shape = self.shapes.get(name, () if known is None else known.shape)
            aligned = (1,) * (count - len(shape)) + tuple(shape)
            if any(aligned[dim] != 1 for dim in value.dims):
                return False
        return True

    def _touched(self, value: Traced, places: Shape) -> IntArray:
        """(P, axes, 2) what is reached through any of the sources."""
        every = np.stack([
            np.stack([
                _reached(step, self.windows[name].touched[:, at], places[at])
                for at, step in enumerate(steps)
            ], axis=1)
            for name, steps in value.sources
        ])  # fmt: skip
        return np.stack([every[..., 0].min(axis=0), every[..., 1].max(axis=0)], axis=-1)

    def _rest(self) -> Program:
        inside = {id(node) for node in self.head}
        moved, rest = {self.picture}, []
        for node in self.program.nodes:
            if moved & set(node.uses):
                moved |= set(node.outputs)
                if id(node) not in inside:
                    rest.append(node)
        made = {name for node in rest for name in node.outputs}
        if not set(self.program.outputs) <= made:
            raise ValueError("the answer has places of its own")
        needed = only_needed(Program(
            tuple(
                Port(name, (None,), "float32")
                for name in dict.fromkeys(name for node in rest for name in node.uses)
                if name not in made and name not in self.program.weights
            ),
            self.program.weights, tuple(rest), self.program.outputs,
        ))  # fmt: skip
        read = {name for node in needed.nodes for name in node.uses}
        ports = tuple(port for port in needed.inputs if port.name in read)
        return Program(ports, needed.weights, needed.nodes, needed.outputs)


def _reached(step: Step, touched: IntArray, places: int) -> IntArray:
    """(P, 2) first and last place that depends on what is touched, along one axis.

    Example:
        >>> step = Step(stride=2, low=-1, high=1)  # three wide, stride 2, padding 1
        >>> _reached(step, np.array([[2, 3]]), 8).tolist()  # place 1 sees 1..3, place 2 sees 3..5
        [[1, 2]]
    """
    ends = np.array([step.back(at, at) for at in range(places)])
    first = np.searchsorted(ends[:, 1], touched[:, 0], side="left")
    last = np.searchsorted(ends[:, 0], touched[:, 1], side="right") - 1
    # A box that no place sees, as between two strides, reaches one place that did not change.
    first = np.minimum(first, places - 1)
    return np.stack([first, np.maximum(last, first)], axis=1)
