"""Changes in place become new values: who reads the same memory later reads what was written.

A graph of torch.export may write into a tensor, or into a view of one (``x[:, 0] = y``). The inner
form has values only. Here every name of the file is followed to the memory it looks at; a write
becomes a new value of what was written to and, by ``slice_scatter`` and its like, of everything it
is a part of; a view taken earlier is taken again from the new value when it is next read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ml.intake.refusal import Refused, refuse
from ml.program.graph import Argument, Node, Ref
from ml.program.operations import VIEWS, Operation, allowed, signature

# Whether these share memory with what they are made of depends on how it lies there.
_PERHAPS = {
    "contiguous", "flatten.using_ints", "reshape", "to.device", "to.dtype", "to.dtype_layout",
    "type_as", "_unsafe_view",
}  # fmt: skip
_SAME = {"alias", "detach"}
_SWAPS = {"transpose.int", "swapaxes", "t"}
_SIZED = {"view", "squeeze", "squeeze.dim", "squeeze.dims", "unflatten.int"}
_DEEPEST = 64  # views of views
MOST_NODES = 100_000
Sizes = Callable[[str], tuple[int | None, ...] | None]  # of a name of the file; None: not told


@dataclass(frozen=True)
class _View:
    parent: str
    node: Node  # its first argument is the parent, under whatever name it had then
    certain: bool


@dataclass
class Memory:
    """Names of a file and the values they stand for, while its nodes are read in order.

    Attributes:
        file: for refusals.
        sizes: of the values the file names, as far as it tells.
        nodes: the nodes so far; reading and writing may add to them.
    """

    file: str
    sizes: Sizes
    nodes: list[Node] = field(default_factory=list)
    _now: dict[str, str] = field(default_factory=dict)  # name of the file -> name of the value
    _same: dict[str, str] = field(default_factory=dict)  # what an operation in place returned
    _views: dict[str, _View] = field(default_factory=dict)
    _writes: dict[str, int] = field(default_factory=dict)  # into the memory of this name
    _seen: dict[str, int] = field(default_factory=dict)  # of those, in what the name stands for
    _lost: set[str] = field(default_factory=set)  # written to in a way that cannot be followed
    _members: dict[str, set[str]] = field(default_factory=dict)  # views by the memory they are of
    _depth: dict[str, int] = field(default_factory=dict)  # views of views
    _made: int = 0

    def read(self, name: str) -> str:
        """The value that a name of the file stands for at this point.

        Raises:
            Refused: custom_op, where it cannot be told.
        """
        name = self._same.get(name, name)
        base = self._base(name)
        if name in self._lost or base in self._lost:
            raise self._refusal(name)
        if name == base or self._seen.get(name, 0) == self._writes.get(base, 0):
            return self._now.get(name, name)
        view = self._views[name]
        if not view.certain:
            raise self._refusal(name)
        outputs = tuple(self._fresh(one) if one else "" for one in view.node.outputs)
        arguments = self._of(view.node, Ref(self.read(view.parent)))
        self.nodes.append(Node(view.node.operation, arguments, outputs, view.node.scope))
        for one, new in zip(view.node.outputs, outputs, strict=True):
            if one and self._views[one] is view:  # not those that have a memory of their own now
                self._now[one], self._seen[one] = new, self._writes.get(base, 0)
        return self._now[name]

    def note_view(self, node: Node, source: str) -> None:
        """A node of the file that may look at the memory of what it reads first."""
        if node.operation.name not in VIEWS:
            return
        source = self._same.get(source, source)
        view = _View(source, node, node.operation.name not in _PERHAPS)
        base, depth = self._base(source), self._depth.get(source, 0) + 1
        if depth > _DEEPEST:
            raise refuse("model_limit", "Views of views of a tensor go too deep.", file=self.file)
        for name in filter(None, node.outputs):
            self._views[name], self._depth[name] = view, depth
            self._seen[name] = self._writes.get(base, 0)
            self._members.setdefault(base, set()).add(name)

    def write(self, name: str, value: str) -> None:
        """A name of the file stands for a new value from now on, and whatever it is a part of.

        Args:
            name: what the operation in place was given.
            value: what its plain form returned, under the name the file gives that result.
        """
        name = self._same.get(name, name)
        self._same[value] = name
        base, changed = self._base(name), [(name, value)]
        at, new = name, value
        while at in self._views:
            view = self._views[at]
            whole = self._put_back(view, at, new) if view.certain else None
            if whole is None:
                self._cut_off(at, base)
                base = at
                break
            at, new = view.parent, whole
            changed.append((at, new))
        self._writes[base] = self._writes.get(base, 0) + 1
        for one, now in changed:
            self._now[one], self._seen[one] = now, self._writes[base]

    def emit(self, operation: str, arguments: Mapping[str, Argument], like: str, scope: str) -> str:
        """Add a node of our own; the name of its result."""
        name = self._fresh(like)
        self.nodes.append(Node(allowed()[operation], arguments, (name,), scope))
        return name

    def _base(self, name: str) -> str:
        while name in self._views:
            name = self._views[name].parent
        return name

    def _put_back(self, view: _View, part: str, new: str) -> str | None:
        """The whole with a new part; None where there is no operation that says so."""
        node, kind = view.node, view.node.operation.name
        given = node.arguments
        whole = self.read(view.parent)

        def made(operation: str, **arguments: Argument) -> str:
            return self.emit(operation, arguments, view.parent, node.scope)

        rest = {key: value for key, value in given.items() if key != "self"}
        if kind in _SAME:
            return new
        if kind == "slice.Tensor":
            return made("slice_scatter", self=Ref(whole), src=Ref(new), **rest)
        if kind == "select.int":
            return made("select_scatter", self=Ref(whole), src=Ref(new), **rest)
        if kind == "unbind.int":
            place = {"dim": given.get("dim", 0), "index": node.outputs.index(part)}
            return made("select_scatter", self=Ref(whole), src=Ref(new), **place)
        if kind in _SWAPS:
            return self.emit(kind, {"self": Ref(new), **rest}, view.parent, node.scope)
        if kind == "permute" and isinstance(dims := given["dims"], tuple):
            back = _inverse(dims)
            return None if back is None else made("permute", self=Ref(new), dims=back)
        if kind == "unsqueeze":
            return made("squeeze.dim", self=Ref(new), dim=given["dim"])
        if kind in _SIZED and (sizes := self.sizes(view.parent)) is not None:
            size = tuple(
                Ref(self.emit("sym_size.int", {"self": Ref(whole), "dim": at}, part, node.scope))
                if known is None else known
                for at, known in enumerate(sizes)
            )  # fmt: skip
            return made("view", self=Ref(new), size=size)
        return None

    def _cut_off(self, name: str, base: str) -> None:
        """From here on the name has a memory of its own; what it was a part of is not known."""
        members = self._members.pop(base)
        del self._views[name]
        below = {one for one in members if self._base(one) == name}
        self._lost |= {base} | members - below
        self._members[name] = below - {name}
        for one in below:
            self._seen[one] = self._seen.get(one, 0) - self._writes.get(base, 0)
        self._writes[name] = 0

    def _of(self, node: Node, parent: Ref) -> dict[str, Argument]:
        first = next(iter(node.arguments))
        return {**node.arguments, first: parent}

    def _fresh(self, like: str) -> str:
        if len(self.nodes) >= MOST_NODES:
            raise refuse(
                "model_limit", f"The network has over {MOST_NODES:,} nodes.", file=self.file
            )
        self._made += 1
        return f"{like}:{self._made}"  # no name that torch writes has a colon

    def _refusal(self, name: str) -> Refused:
        return refuse(
            "custom_op",
            f"The network changes a tensor in place, and {name[:60]!r} looks at the same memory in "
            "a way that cannot be followed. Write x = x + y in place of x += y there.",
            file=self.file,
        )


def _inverse(dims: tuple[Argument, ...]) -> tuple[int, ...] | None:
    whole = [dim for dim in dims if isinstance(dim, int)]
    places = {dim % len(dims): at for at, dim in enumerate(whole)} if dims else {}
    return tuple(places[at] for at in range(len(dims))) if len(places) == len(dims) else None


def written(memory: Memory, operation: Operation, arguments: dict[str, Argument], scope: str,
            result: str) -> Node:  # fmt: skip
    """The plain form of an operation in place; ``copy_`` and ``zero_`` have one in other words."""
    if operation is ZERO:
        return Node(allowed()["zeros_like"], {"self": arguments["self"]}, (result,), scope)
    if operation is COPY:
        of_type = memory.emit(
            "type_as", {"self": arguments["src"], "other": arguments["self"]}, result, scope
        )
        whole = {"self": Ref(of_type), "other": arguments["self"]}
        return Node(allowed()["expand_as"], whole, (result,), scope)
    return Node(operation, arguments, (result,), scope)


COPY = signature("aten::copy(Tensor self, Tensor src, bool non_blocking=False) -> Tensor")
ZERO = signature("aten::zero(Tensor self) -> Tensor")
IN_PLACE_ONLY = {"torch.ops.aten.copy_.default": COPY, "torch.ops.aten.zero_.default": ZERO}
