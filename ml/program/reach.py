"""How far a value of a network sees: which part of the picture each of its places depends on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ml.program.graph import Program
from ml.program.reach_steps import Traced, Untraced, follow

Shape = tuple[int, ...]
Interval = tuple[int, int]  # first and last index


@dataclass(frozen=True)
class Field:
    """The receptive field of a value.

    Attributes:
        size: height and width (depth first in 3-D) in pixels of the input, padding counted in;
            the largest of all places where they differ. None where it has no bounds.
        reason: a sentence, where size is None.
        local: the size along convolutions and pooling alone, leaving out what takes numbers of
            the whole picture (gates, normalisation by the picture); None where there is none.
        places: of the value, along the same axes.
    """

    size: Shape | None
    local: Shape | None
    places: Shape
    reason: str = ""


@dataclass
class Reach:
    """Where every value of a program comes from in the picture.

    Args:
        program: the network; its first input is the picture.
        shapes: of its values, as :func:`ml.program.cut.shapes_of` gives them.
        axes: of the picture's tensor that are spatial: (2, 3) for NCHW, (1, 2) for NHWC.

    Source:
        Araujo, Norris, Sim 2019, Computing receptive fields of convolutional neural networks,
        Distill, doi 10.23915/distill.00021; here walked back along the graph, so that branches,
        transposed convolutions and resizing are exact as well.
    """

    program: Program
    shapes: Mapping[str, Shape]
    axes: tuple[int, ...]
    values: dict[str, Traced | Untraced] = field(init=False)

    def __post_init__(self) -> None:
        of_weights = {name: value.shape for name, value in self.program.weights.items()}
        self.shapes = {**of_weights, **self.shapes}
        self.values = {self.program.inputs[0].name: Traced(self.axes)}
        for node in self.program.needed(self.program.outputs):
            found = follow(node, self.values, self.shapes)
            if found is not None:
                self.values.update((name, found) for name in filter(None, node.outputs))

    def places(self, name: str) -> Shape:
        """How many places a value has along each axis.

        Raises:
            KeyError: where it is not traced.
        """
        value = self.values[name]
        if not isinstance(value, Traced):
            raise KeyError(name)
        return tuple(self.shapes[name][dim] for dim in value.dims)

    def field(self, name: str) -> Field:
        """The receptive field of a value."""
        value = self.values.get(name)
        if value is None:
            return Field(None, None, (), "It does not depend on the picture.")
        if isinstance(value, Untraced):
            return Field(None, None, (), value.reason)
        places = self.places(name)
        sizes = tuple(
            max(self._size(name, axis, at) for at in range(count))
            for axis, count in enumerate(places)
        )
        return Field(None if value.whole else sizes, sizes, places, value.whole)

    def _size(self, name: str, axis: int, at: int) -> int:
        first, last = self.interval(name, axis, at)
        return last - first + 1

    def interval(self, name: str, axis: int, at: int) -> Interval:
        """First and last row (or column) that one place depends on, as if the picture had no end.

        Args:
            name: of a traced value.
            axis: 0 for rows, 1 for columns.
            at: the place along that axis.
        """
        picture = self.program.inputs[0].name
        wanted: dict[str, Interval] = {name: (at, at)}
        for node in reversed(self.program.needed([name])):
            for output in node.outputs:
                place = wanted.get(output)
                if place is not None:
                    self._back(output, place, axis, wanted)
        return wanted[picture]

    def _back(self, output: str, place: Interval, axis: int, wanted: dict[str, Interval]) -> None:
        value = self.values.get(output)
        if not isinstance(value, Traced):
            return
        for source, steps in value.sources:
            first, last = steps[axis].back(*place)
            before = wanted.get(source, (first, last))
            wanted[source] = min(before[0], first), max(before[1], last)
