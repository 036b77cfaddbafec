"""The perturb pass: outputs while what a map calls important, or unimportant, goes away.

The same is done in orders that know nothing of the network: at random, from the centre, by edges.

At every step the next share of the positions is taken away, in all channels. Insertion is the same
pictures read the other way: taking the least important away first (LeRF) from all to nothing is
putting the most important in first. So both curves of both orders come from one set. Beside the
curves stand subsets of patches drawn at random, the same for all maps: what a map says of each is
held against what the output does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml.engine.baselines import BASELINES, filled_in, taken_away
from ml.engine.cases import Case
from ml.engine.copies import Versions, rows_table
from ml.engine.device import CPU, Device
from ml.engine.explain import Explainer, explainer_of
from ml.engine.explain_form import methods_of, perturb_form, perturb_rows, subset_percents
from ml.engine.params import count, texts
from ml.engine.predict import Asked, Outputs, finished, in_batches
from ml.engine.rankings import Ranked, knowing_nothing, subset
from ml.engine.session import ModelError, Session
from ml.estimate import JsonObject
from ml.evidence.orders import (
    BLIND,
    LINEAR,
    MAP,
    MEAN,
    ranking_of,
    size_of_subset,
    subset_named,
)
from ml.imaging.declared import Input
from ml.imaging.preprocess import Float32Array
from ml.sandbox.messages import Reporter
from ml.stats.arrays import FloatArray

TABLE = "perturb.parquet"
Maps = Callable[[Float32Array], Float32Array]  # (n, *sides) of prepared cases (n, ...)


def insertion(least_first: FloatArray) -> FloatArray:
    """The insertion curve from the deletion curve that takes the least important away first.

    Args:
        least_first: (steps + 1, ...) from the whole picture to the baseline.

    Returns:
        The same shape, from the baseline to the whole picture, the most important first.
    """
    return least_first[::-1]


@dataclass(frozen=True)
class _Batch:
    """Pictures on their way to nothing, and what the model said of those seen so far."""

    session: Session
    declared: Input
    params: JsonObject
    cases: Sequence[str]
    pictures: list[FloatArray]
    baselines: Mapping[str, list[FloatArray]]
    ranked: Mapping[str, list[Ranked | None]]  # by ranking; None where there is no map
    known: dict[tuple[str, str, int], list[list[float] | None]] = field(default_factory=dict)

    def rows(self, baseline: str, order: str, step: int) -> list[list[float] | None]:
        """Of every case the numbers of one row; None where they are not finite, or it has no map.

        Pictures that rows share are run once.
        """
        ranked = self.ranked[ranking_of(order)]
        gone = [self.gone(at, order, step) for at in range(len(self.pictures))]
        key = self._shared(baseline, order, step)
        if key not in self.known:
            copies = [
                self.changed(at, key[0], one) if one is not None else self.pictures[at]
                for at, one in enumerate(gone)
            ]
            values = self.session.run(np.stack([_back(one, self.declared) for one in copies]))
            self.known[key] = [row.tolist() if np.isfinite(row).all() else None for row in values]
        found: list[list[float] | None] = []
        for row, one, away in zip(self.known[key], ranked, gone, strict=True):
            if row is None or one is None or away is None:
                found.append(None)
            elif subset_percents(self.params):
                found.append([*row, float(one.values[away.ravel()].sum()), one.low, one.high])
            else:
                found.append(row)
        return found

    def gone(self, at: int, order: str, step: int) -> NDArray[np.bool_] | None:
        """(height, width) what one picture has lost; None where its map ranks nothing."""
        size = self.pictures[at].shape[:2]
        percent = size_of_subset(order)
        if percent is not None:
            along = count(self.params, "patches")
            return subset(size, along, percent, step, seed_of(self.params), self.cases[at])
        one = self.ranked[ranking_of(order)][at]
        share = step / count(self.params, "steps")
        return None if one is None else one.gone(order.rpartition(" ")[2], share).reshape(size)

    def changed(self, at: int, baseline: str, gone: NDArray[np.bool_]) -> FloatArray:
        picture = self.pictures[at]
        if not baseline:
            return picture
        if baseline == LINEAR:
            return filled_in(picture, gone, seed_of(self.params), self.cases[at])
        return taken_away(picture, self.baselines[baseline][at], gone)

    def _shared(self, baseline: str, order: str, step: int) -> tuple[str, str, int]:
        """Which picture it is.

        The whole one is every curve's first; the baseline is all orders' last, and of a linear
        filling, which has nothing left to fill from, the mean; a subset is the same for all.
        """
        percent = size_of_subset(order)
        if percent is not None:
            return baseline, subset_named(percent), step
        if step == 0:
            return "", "", 0
        if step == count(self.params, "steps"):
            return MEAN if baseline == LINEAR else baseline, "", step
        return baseline, order, step


def perturb(
    session: Session,
    explain: Maps,
    declared: Input,
    cases: Sequence[Case],
    params: JsonObject,
    *,
    further: Mapping[str, Maps] | None = None,
    batch: int = 8,
    device: Device = CPU,
    reporter: Reporter,
) -> Outputs[Versions]:
    """Run the model while positions are taken away in the order of a map.

    Args:
        explain: the map of the pass.
        params: baselines, of BASELINES; steps, from the whole picture to the baseline; rankings,
            MAP, names of further methods or of BLIND, else the map alone; seed of the random
            ones; patches of a side, subset_percents of them and draws of each, else no subsets.
        further: by ranking, further maps.

    Returns:
        By case, the numbers of each row of :func:`ml.engine.explain_form.perturb_form`; None
        where they are not finite, and where a further method has no map.
    """
    wanted = perturb_rows(params)
    rankings = texts(params, "rankings") or [MAP]
    baselines = dict.fromkeys(MEAN if name == LINEAR else name for name, _, _ in wanted)

    def compute(chosen: Sequence[Case], arrays: Float32Array) -> list[Versions | None]:
        pictures = [_last(array, declared).astype(np.float64) for array in arrays]
        case_ids = [case.case_id for case in chosen]
        maps = {MAP: explain(arrays)}
        maps |= {name: of(arrays) for name, of in (further or {}).items()}
        sides = _coarse(maps[MAP].shape[1:], params)
        ranked = {
            ranking: [
                Ranked.of(
                    knowing_nothing(ranking, picture, sides, seed_of(params), case_id)
                    if ranking in BLIND
                    else maps[ranking][at],
                    (picture.shape[0], picture.shape[1]),
                )
                if np.isfinite(maps[MAP][at]).all()
                else None
                for at, (picture, case_id) in enumerate(zip(pictures, case_ids, strict=True))
            ]
            for ranking in rankings
        }
        made = {name: [BASELINES[name](one) for one in pictures] for name in baselines}
        work = _Batch(session, declared, params, case_ids, pictures, made, ranked)
        found = [work.rows(*row) for row in wanted]
        return [
            [values[at] for values in found] if np.isfinite(maps[MAP][at]).all() else None
            for at in range(len(pictures))
        ]

    return in_batches(declared, cases, compute, batch=batch, device=device, reporter=reporter)


def seed_of(params: JsonObject) -> int:
    return count(params, "seed") if "seed" in params else 0


def _coarse(sides: tuple[int, ...], params: JsonObject) -> tuple[int, ...]:
    """Of the random map: those of the map, but no finer than the patches.

    Single pixels taken away at random destroy every texture at once.
    """
    if "patches" not in params:
        return sides
    return tuple(min(side, count(params, "patches")) for side in sides)


def _last(array: Float32Array, declared: Input) -> Float32Array:
    return array.transpose(1, 2, 0) if declared.layout == "NCHW" else array


def _back(picture: FloatArray, declared: Input) -> Float32Array:
    found = picture.astype(np.float32)
    return np.ascontiguousarray(found.transpose(2, 0, 1) if declared.layout == "NCHW" else found)


def perturb_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run one shard inside a child.

    Args:
        inputs: as of ``predict_job``; method, target, baselines, rankings, steps, seed.

    Returns:
        As ``predict_job``, with a table of :func:`ml.engine.explain_form.perturb_form`.
    """
    asked = Asked.of(inputs)
    methods = methods_of(inputs)
    explainer: Explainer = explainer_of(asked, inputs)
    session = asked.session(reporter, out_dir)
    further = {
        ranking: _maps_of(asked, inputs | {"method": method})
        for ranking, method in methods.items()
        if ranking != MAP
    }
    found = perturb(
        session, lambda arrays: explainer.maps(arrays).maps, asked.manifest.input, asked.cases,
        inputs, further=further, batch=asked.batch, device=asked.device, reporter=reporter,
    )  # fmt: skip
    table = rows_table(asked.case_ids, perturb_form(inputs, session.n_classes), found)
    runtime = session.runtime_json | {
        "map_layer": explainer.attributor.layer.name,
        "map_device": explainer.device.name,
    }
    return finished(asked, found, table, out_dir / TABLE, runtime)


def _maps_of(asked: Asked, params: JsonObject) -> Maps:
    """Maps of a further method; where this network has none, nothing is ranked by it."""
    try:
        explainer = explainer_of(asked, params)
    except ModelError:
        return lambda arrays: np.full((len(arrays), 1), np.nan, np.float32)
    return lambda arrays: explainer.maps(arrays).maps
