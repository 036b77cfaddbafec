"""The localise pass: how the map of a case lies on the masks of its finding.

Maps and masks stay in the child; what comes out are numbers. Both are brought to the size of what
the network takes: the map by linear interpolation, the mask by the geometry that prepared the
picture, of several pixels the middle one, so that it stays 0 or 1.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa

from ml.engine.cases import Case, prepared
from ml.engine.compare import stored_mask
from ml.engine.copies import flat_rows
from ml.engine.device import CPU, Device
from ml.engine.explain import Explainer, explainer_of, runtime_of
from ml.engine.localise_form import MASKS, localise_form, localise_rows
from ml.engine.predict import Asked, Outputs, finished, in_batches
from ml.engine.rankings import centre_map, edge_map, random_map
from ml.engine.session import ModelError
from ml.estimate import Estimate, JsonObject
from ml.evidence.localised import (
    AP,
    AREA,
    IOU_BEST,
    IOU_HALF,
    MARKED,
    MASS,
    NUMBERS,
    POINTING,
    POSITIVE,
    RANK,
    TIMES,
    TOLERANCE,
)
from ml.evidence.orders import CENTRE, EDGES, MAP, RANDOM
from ml.imaging.declared import Input
from ml.imaging.picture import ImageError
from ml.imaging.prepare import Placed
from ml.imaging.preprocess import Float32Array, interpolate
from ml.sandbox.messages import Reporter
from ml.stats.arrays import BoolArray, FloatArray
from ml.stats.explanation.localisation import (
    attribution_localisation,
    best_iou,
    iou_at_share_of_max,
    localisation_ap,
    pointing_game,
    relevance_mass,
    relevance_rank,
)

TABLE = "localise.parquet"
Row = dict[str, float]
_PLAIN: dict[str, Callable[[FloatArray, BoolArray], Estimate]] = {
    MASS: relevance_mass,
    RANK: relevance_rank,
    TIMES: attribution_localisation,
    IOU_HALF: iou_at_share_of_max,
    IOU_BEST: best_iou,
    AP: localisation_ap,
}


def mask_on_input(labels: np.ndarray, placed: Placed, sides: tuple[int, int]) -> BoolArray:
    """A mask of the picture, on the grid of what the network takes.

    Args:
        labels: (rows, columns) of the picture, 0 or 1.
        placed: how the prepared picture lies on it.
        sides: of the prepared picture.

    Raises:
        ImageError: mask_grid, where the mask is not as large as the picture.
    """
    if labels.shape != tuple(one.size for one in placed.nearest):
        raise ImageError("mask_grid", "The mask is not as large as the picture.")
    return np.asarray(placed.forth(labels, sides) == 1)


def tolerance_of(sides: Sequence[int], cells: Sequence[int]) -> float:
    """Half a cell of a map, in pixels of the input: it says no finer where it points.

    Example:
        >>> tolerance_of((224, 224), (7, 7)), tolerance_of((224, 224), (224, 224))
        (16.0, 0.5)
    """
    return max(side / cell for side, cell in zip(sides, cells, strict=True)) / 2


def measured(shown: FloatArray, mask: BoolArray, tolerance: float) -> Row:
    """Every measure that is defined of one map and one mask, both (rows, columns)."""
    found = {name: measure(shown, mask).value for name, measure in _PLAIN.items()}
    found[POINTING] = pointing_game(shown, mask, tolerance).value
    return {name: value for name, value in found.items() if value is not None}


def orders_without_network(
    found: Float32Array, picture: FloatArray, case_id: str, seed: int
) -> dict[str, FloatArray]:
    """Maps that know nothing of the network, at the picture's size, each 0 or above.

    Args:
        found: the network's map, as coarse as which the random one is.
        picture: (rows, columns, channels).
    """
    size = (picture.shape[0], picture.shape[1])
    centre = centre_map(size).astype(np.float64)
    return {
        RANDOM: _sized(random_map(found.shape, seed, case_id), size),
        CENTRE: centre - centre.min(),  # falls to 0 in the corners: its evidence is positive
        EDGES: edge_map(picture).astype(np.float64),
    }


def _sized(found: Float32Array, size: tuple[int, int]) -> FloatArray:
    return interpolate(found.astype(np.float64), size, "bilinear")


@dataclass
class Localiser:
    """Holds the maps of cases against their masks.

    Attributes:
        masks: case id -> whose mask -> its file.
        rows: what is shown against whose mask.
        seed: of the random map.
    """

    explainer: Explainer
    declared: Input
    masks: Mapping[str, Mapping[str, str]]
    rows: Sequence[tuple[str, str]]
    seed: int
    on_input: dict[str, dict[str, BoolArray]] = field(default_factory=dict)
    marked: dict[str, dict[str, int]] = field(default_factory=dict)

    def prepare(self, case: Case, declared: Input, out: Float32Array | None = None) -> Float32Array:
        """As ``ml.engine.cases.prepare_case``; the masks go the way of the picture.

        Raises:
            ImageError: as there; mask_grid, or as ``stored_mask``.
        """
        found = prepared(case, declared)
        rows, columns = declared.sides
        self.on_input[case.case_id], self.marked[case.case_id] = {}, {}
        for whose, path in self.masks[case.case_id].items():
            labels = stored_mask(Path(path)).labels
            self.on_input[case.case_id][whose] = mask_on_input(
                labels, found.placed, (rows, columns)
            )
            self.marked[case.case_id][whose] = int((labels == 1).sum())
        if out is None:
            return found.array
        out[...] = found.array
        return out

    def compute(self, cases: Sequence[Case], arrays: Float32Array) -> list[list[Row | None] | None]:
        """The rows of each case of a batch; None where its map is not finite."""
        maps = self.explainer.maps(arrays).maps
        return [
            self._rows(case, found, array) if np.isfinite(found).all() else None
            for case, found, array in zip(cases, maps, arrays, strict=True)
        ]

    def _rows(self, case: Case, found: Float32Array, array: Float32Array) -> list[Row | None]:
        masks = self.on_input.pop(case.case_id, {})
        last = array.transpose(1, 2, 0) if self.declared.layout == "NCHW" else array
        rows, columns = self.declared.sides
        shown: dict[str, FloatArray] = {
            MAP: _sized(found, (rows, columns)),
            **orders_without_network(found, last.astype(np.float64), case.case_id, self.seed),
            **{whose: mask.astype(np.float64) for whose, mask in masks.items()},
        }
        tolerance = tolerance_of((rows, columns), found.shape)
        marked = self.marked.pop(case.case_id, {})
        result: list[Row | None] = []
        for name, against in self.rows:
            if against not in masks or name not in shown:
                result.append({})
                continue
            mask, own = masks[against], shown[name]
            result.append(
                {
                    MARKED: float(marked[against]),
                    AREA: float(mask.mean()),
                    POSITIVE: float(own.max() > 0),
                    TOLERANCE: tolerance,
                    **measured(own, mask, tolerance),
                }
            )
        return result


def localise(
    localiser: Localiser,
    cases: Sequence[Case],
    *,
    batch: int = 8,
    device: Device = CPU,
    reporter: Reporter,
) -> Outputs[list[Row | None]]:
    """By case the numbers of each comparison; a case without a mask is not run, and has none."""
    found = in_batches(
        localiser.declared, [case for case in cases if localiser.masks.get(case.case_id)],
        localiser.compute, batch=batch, device=device, reporter=reporter,
        prepare=localiser.prepare,
    )  # fmt: skip
    for case in cases:
        if not localiser.masks.get(case.case_id):
            found.rows[case.case_id] = [{} for _ in localiser.rows]
    return found


def localise_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run one shard inside a child.

    Args:
        inputs: as of ``predict_job``; method, target, seed, readers, and masks {case id: {whose:
            file}}.

    Returns:
        As ``predict_job``, with a table of :func:`ml.engine.localise_form.localise_form`.
    """
    asked = Asked.of(inputs)
    explainer = explainer_of(asked, inputs)
    if len(explainer.sides) != 2:
        raise ModelError("map_layer", "The positions of its map layer form no grid.")
    localiser = Localiser(
        explainer,
        asked.manifest.input,
        cast(dict[str, dict[str, str]], inputs.get(MASKS) or {}),
        localise_rows(inputs),
        int(cast(int, inputs["seed"])),
    )
    found = localise(
        localiser, asked.cases, batch=asked.batch, device=asked.device, reporter=reporter
    )
    table = _table(asked.case_ids, inputs, found)
    return finished(asked, found, table, out_dir / TABLE, runtime_of(explainer))


def _table(
    case_ids: Sequence[str], params: JsonObject, found: Outputs[list[Row | None]]
) -> pa.Table:
    rows, columns, errors = flat_rows(case_ids, localise_form(params, 0), found)
    for name in NUMBERS:
        numbers = [None if row is None else row.get(name) for row in rows]
        columns[name] = pa.array(numbers, pa.float64())
    return pa.table({**columns, "error": errors})
