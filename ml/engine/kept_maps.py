"""Maps that no check reads: of volumes, and of what a network that segments marks."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from ml.engine.cases import Case
from ml.engine.explain import (
    TABLE,
    Explainer,
    Map,
    check_sides,
    explain,
    explainer_of,
    map_columns,
    runtime_of,
)
from ml.engine.explain_form import MOST_POSITIONS
from ml.engine.mask_copies_form import of_masks
from ml.engine.predict import NON_FINITE, Asked, CaseError, Outputs, finished, in_batches
from ml.engine.segment import labels_of
from ml.engine.session import FloatArray, ModelError
from ml.estimate import JsonObject
from ml.evidence.mask_copies import STRUCTURE
from ml.evidence.passes import NOTHING_MARKED
from ml.imaging.preprocess import Float32Array
from ml.sandbox.messages import Reporter

BY_PIECES = "map_by_pieces"  # of a case: no network sees the whole of it
MarkedMaps = list[Map | CaseError | None]  # one for each structure


def kept_sides(sides: Sequence[int]) -> tuple[int, ...]:
    """The sides of a map as it is kept: those of a volume are divided until it is small enough.

    Example:
        >>> kept_sides((7, 7, 7)), kept_sides((96, 96, 96)), kept_sides((900, 900))
        ((7, 7, 7), (48, 48, 48), (900, 900))
    """
    found, by = tuple(sides), 1
    while len(sides) == 3 and prod(found) > MOST_POSITIONS:
        by += 1
        found = tuple(-(-side // by) for side in sides)
    return found


def binned(maps: Float32Array, sides: Sequence[int]) -> Float32Array:
    """Maps of volumes as means over blocks, whose outer edges stay; others as they are.

    Args:
        maps: (n, a, b, c), or (n, ...) of the sides that are asked for.
        sides: of the result, none longer than that of the maps.

    Example:
        >>> binned(np.arange(8, dtype=np.float32).reshape(1, 8, 1, 1), (2, 1, 1)).ravel()
        array([1.5, 5.5], dtype=float32)
    """
    if maps.shape[1:] == tuple(sides):
        return maps
    first, second, third = sides
    means = torch.nn.functional.adaptive_avg_pool3d(torch.from_numpy(maps), (first, second, third))
    return np.asarray(means.numpy(), dtype=np.float32)


class MarkedExplainer(Explainer):
    """Maps of the structures that a network marks, one after the other.

    The score of a structure is the sum of its logits over the pixels or voxels that the network
    marks as it, by the rule of :func:`ml.engine.segment.labels_of`: which these are does not
    change with the input while the gradient is taken. Methods, arguments and errors are those of
    :class:`ml.engine.explain.Explainer`; ``target`` has no meaning.

    Source:
        Vinogradova, Dibrov, Myers (2020), AAAI student abstract, arXiv:2002.11434
        (seg-Grad-CAM): the sum of a class's logits over a set of pixels takes the place of the
        score. Their maps are of the ReLU; these are signed, as all maps here.
    """

    _structure = 0
    _empty: Sequence[bool] = ()  # whether it is marked nowhere, of the cases looked at last
    _nowhere: list[bool]

    def _weights(self, logits: torch.Tensor) -> torch.Tensor:
        """1 for the logits of the structure where it is marked, in the network's own layout."""
        declared = self.manifest.output
        last = self._class_is_last(logits)
        first = logits.movedim(-1, 1) if last else logits
        weights = torch.zeros_like(first)
        of_class = declared.classes.index(declared.positive[self._structure])
        # Logits from before the activation, even where the network leaves probabilities.
        before = self.attributor.logits != (declared.name or self.attributor.program.outputs[0])
        rule = declared.model_copy(update={"kind": "logits"}) if before else declared
        for weight, maps in zip(weights, first, strict=True):
            labels = labels_of(maps.numpy(), rule)
            weight[of_class] = torch.from_numpy(labels == self._structure + 1).to(weight)
        self._empty = (weights == 0).flatten(1).all(dim=1).tolist()
        return weights.movedim(1, -1) if last else weights

    def _class_is_last(self, logits: torch.Tensor) -> bool:
        """Where the class lies: logits may come from before the network moves it to its place."""
        k, sides = len(self.manifest.output.classes), self.manifest.input.sides
        ways = {"NCHW": (k, *sides), "NHWC": (*sides, k)}
        fitting = [name for name, shape in ways.items() if tuple(logits.shape[1:]) == shape]
        if not fitting:
            raise ModelError(
                "map_layer", f"{tuple(logits.shape)} are no logits of each pixel and class."
            )
        return (self.manifest.maps if self.manifest.maps in fitting else fitting[0]) == "NHWC"

    def _piece(
        self, arrays: Float32Array, size: int
    ) -> tuple[Float32Array, FloatArray, FloatArray]:
        found = super()._piece(arrays, size)
        self._nowhere.extend(self._empty[: len(arrays)])
        return found

    def marked(self, arrays: Float32Array) -> list[MarkedMaps]:
        """For each prepared case of a batch one map of each structure, or why there is none.

        A structure that is marked nowhere has no score and no map: NOTHING_MARKED.

        Raises:
            ModelError: map_layer, if what comes out is not a number for each pixel and class;
                else as :meth:`maps`.
        """
        found: list[MarkedMaps] = [[] for _ in arrays]
        for structure in range(len(self.manifest.output.positive)):
            self._structure, self._nowhere = structure, []
            maps = explain(self)((), arrays)
            for row, one, nowhere in zip(found, maps, self._nowhere, strict=True):
                row.append(CaseError(NOTHING_MARKED) if nowhere else one)
        return found


def kept_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run one shard inside a child: as :func:`ml.engine.explain.attribute_job`.

    Args:
        inputs: as of ``attribute_job``; volumes, structures, as of
            :func:`ml.engine.explain_form.kept_params`.

    Returns:
        As ``attribute_job``; its runtime names the sides of the map before they were divided too.
        Of a network that takes a case by the piece every row has the error BY_PIECES.
    """
    asked = Asked.of(inputs)
    marks = of_masks(inputs)
    explainer = explainer_of(asked, inputs, MarkedExplainer if marks else Explainer)
    sides = kept_sides(explainer.sides)
    check_sides(sides)

    def rows(_: Sequence[Case], arrays: Float32Array) -> list[MarkedMaps | CaseError]:
        found = (
            explainer.marked(arrays)
            if isinstance(explainer, MarkedExplainer)
            else [[one] for one in explain(explainer)((), arrays)]
        )
        return [[_divided(one, sides) for one in row] for row in found]

    if asked.manifest.input.patch is not None:
        found = Outputs[MarkedMaps](errors=dict.fromkeys(asked.case_ids, BY_PIECES))
    else:
        found = in_batches(
            asked.manifest.input, asked.cases, rows,
            batch=asked.batch, device=asked.device, reporter=reporter,
        )  # fmt: skip
    columns = _columns(found, asked.case_ids, sides, len(asked.manifest.output.positive), marks)
    runtime = runtime_of(explainer) | {"map_sides": list(sides)}
    if sides != explainer.sides:
        runtime["map_sides_undivided"] = list(explainer.sides)
    return finished(asked, found, pa.table(columns), out_dir / TABLE, runtime)


def _divided(found: Map | CaseError | None, sides: Sequence[int]) -> Map | CaseError | None:
    if not isinstance(found, Map):
        return found
    return replace(found, map=binned(found.map[None], sides)[0])


def _columns(
    found: Outputs[MarkedMaps],
    case_ids: Sequence[str],
    sides: Sequence[int],
    structures: int,
    marks: bool,
) -> dict[str, pa.Array]:
    """The columns of a table with one map of each case, or of each structure of each case."""
    m = structures if marks else 1
    rows: list[Map | None] = []
    errors: list[str | None] = []
    for case_id in case_ids:
        failed: MarkedMaps = [CaseError(found.errors.get(case_id, ""))] * m
        for one in found.rows.get(case_id, failed):
            rows.append(one if isinstance(one, Map) else None)
            errors.append(one.code if isinstance(one, CaseError) else None if one else NON_FINITE)
    columns = {"case_id": pa.array([one for one in case_ids for _ in range(m)], pa.string())}
    if marks:
        columns[STRUCTURE] = pa.array(list(range(m)) * len(case_ids), pa.int64())
    columns |= map_columns(rows, sides)
    columns["error"] = pa.array(errors, pa.string())
    return columns
