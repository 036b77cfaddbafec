"""The perturb pass: outputs while what a map calls important, or unimportant, goes away.

The same is done in orders that know nothing of the network: at random, from the centre, by edges.

At every step the next share of the positions is taken to a baseline, in all channels. Insertion is
the same pictures read the other way: taking the least important away first (LeRF) from all to
nothing is putting the most important in first. So both curves of both orders come from one set.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
from scipy.ndimage import gaussian_filter, sobel

from ml.drawn import drawn
from ml.engine.cases import Case
from ml.engine.copies import Versions, rows_table
from ml.engine.device import CPU, Device
from ml.engine.explain import Explainer, explainer_of
from ml.engine.explain_form import perturb_form, perturb_rows
from ml.engine.predict import Asked, Outputs, finished, in_batches
from ml.engine.session import Session
from ml.estimate import JsonObject
from ml.evidence.orders import CENTRE, EDGES, LERF, MAP, ORDERS, RANDOM, order_named
from ml.imaging.declared import Input
from ml.imaging.preprocess import Float32Array, interpolate
from ml.sandbox.messages import Reporter
from ml.stats.arrays import FloatArray, IntArray
from ml.stats.explanation.faithfulness import removal_order

TABLE = "perturb.parquet"
_BLUR = 0.05  # standard deviation, as a share of the shorter side


def mean_baseline(picture: FloatArray) -> FloatArray:
    """Every channel's mean over the picture. (height, width, channels) like the picture."""
    return np.broadcast_to(picture.mean(axis=(0, 1)), picture.shape)


def blur_baseline(picture: FloatArray) -> FloatArray:
    """The picture through a Gaussian of 5 % of its shorter side, mirrored beyond the border."""
    sd = _BLUR * min(picture.shape[:2])
    return np.asarray(gaussian_filter(picture, (sd, sd, 0), mode="reflect"))


BASELINES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "mean": mean_baseline,
    "blur": blur_baseline,
}


def order_of(found: Float32Array, size: tuple[int, int], *, least_first: bool) -> IntArray:
    """Positions of a picture in the order in which they are taken away.

    Args:
        found: a map of any sides; it is brought to the picture's size by linear interpolation.
        size: (height, width) of the picture.

    Returns:
        (height * width,) places by descending signed value, or ascending; ties stay in order.

    Example:
        >>> order_of(np.array([[1, 3]], np.float32), (1, 4), least_first=False).tolist()
        [3, 2, 1, 0]
    """
    grid = found if found.ndim == 2 else found.reshape(1, -1)
    full = interpolate(grid.astype(np.float64), size, "bilinear")
    return removal_order(full.ravel(), least_first=least_first)


def random_map(sides: tuple[int, ...], seed: int, case_id: str) -> Float32Array:
    """A map of no meaning, as coarse as those of the layer; by seed and case alone.

    Example:
        >>> random_map((2, 3), 1, "a").shape
        (2, 3)
    """
    return drawn("ranking", seed, case_id).random(sides, dtype=np.float32)


def centre_map(size: tuple[int, int]) -> Float32Array:
    """Falls with the distance from the centre, in halves of the sides: (height, width).

    Example:
        >>> centre_map((1, 3)).tolist()
        [[-1.0, 0.0, -1.0]]
    """
    rows, columns = (
        (np.arange(n) - (n - 1) / 2) / max(1.0, (n - 1) / 2) for n in size
    )  # fmt: skip
    return np.asarray(0.0 - np.hypot(rows[:, None], columns[None, :]), np.float32)


def edge_map(picture: FloatArray) -> Float32Array:
    """Size of the Sobel gradient of the mean over channels: (height, width), its units.

    Args:
        picture: (height, width, channels).

    Example:
        >>> edge_map(np.array([[[0.0], [0.0], [1.0], [1.0]]])).tolist()
        [[0.0, 4.0, 4.0, 0.0]]
    """
    grey = picture.mean(axis=2)
    along = [sobel(grey, axis=axis, mode="nearest") for axis in (0, 1)]
    return np.asarray(np.hypot(*along), np.float32)


def perturbed(
    picture: FloatArray, baseline: FloatArray, order: IntArray, share: float
) -> FloatArray:
    """A picture whose first share of positions, in an order, is the baseline's.

    Args:
        picture, baseline: (height, width, channels).
        order: (height * width,) places.
        share: 0 leaves the picture, 1 is the baseline.

    Example:
        >>> one, none = np.ones((1, 4, 1)), np.zeros((1, 4, 1))
        >>> perturbed(one, none, np.array([3, 2, 1, 0]), 0.5).ravel().tolist()
        [1.0, 1.0, 0.0, 0.0]
    """
    gone = np.zeros(order.size, dtype=bool)
    gone[order[: round(share * order.size)]] = True
    return np.where(gone.reshape(*picture.shape[:2], 1), baseline, picture)


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
    steps: int
    pictures: list[FloatArray]
    baselines: Mapping[str, list[FloatArray]]
    places: Mapping[str, list[IntArray | None]]  # by order; None where there is no map
    known: dict[tuple[str, str, int], list[list[float] | None]] = field(default_factory=dict)

    def outputs(self, baseline: str, order: str, step: int) -> list[list[float] | None]:
        """Of every case at one step of one curve; pictures that curves share are run once."""
        key = _shared(baseline, order, step, self.steps)
        if key not in self.known:
            copies = [
                picture if gone is None else perturbed(picture, other, gone, step / self.steps)
                for picture, other, gone in zip(
                    self.pictures, self.baselines[baseline], self.places[order], strict=True
                )
            ]
            values = self.session.run(np.stack([_back(one, self.declared) for one in copies]))
            self.known[key] = [row.tolist() if np.isfinite(row).all() else None for row in values]
        return self.known[key]


def perturb(
    session: Session,
    explain: Callable[[Float32Array], Float32Array],
    declared: Input,
    cases: Sequence[Case],
    params: JsonObject,
    *,
    batch: int = 8,
    device: Device = CPU,
    reporter: Reporter,
) -> Outputs[Versions]:
    """Run the model while positions are taken away in the order of a map.

    Args:
        explain: maps (n, *sides) of prepared cases (n, ...).
        params: baselines, of BASELINES; steps, from the whole picture to the baseline; rankings,
            of ml.engine.passes, else the map alone; seed of the random one.

    Returns:
        By case, the raw outputs of each row of :func:`ml.engine.explain_form.perturb_form`; None
        where they are not finite.
    """
    rows, steps = perturb_rows(params), int(cast(int, params["steps"]))

    def compute(chosen: Sequence[Case], arrays: Float32Array) -> list[Versions | None]:
        pictures = [_last(array, declared).astype(np.float64) for array in arrays]
        maps = explain(arrays)
        rankings = [str(one) for one in cast(list[str], params.get("rankings") or [MAP])]
        ranked = {
            ranking: [
                _ranking(ranking, *of, int(cast(int, params.get("seed", 0))))
                for of in zip(maps, pictures, (case.case_id for case in chosen), strict=True)
            ]
            for ranking in rankings
        }
        work = _Batch(
            session,
            declared,
            steps,
            pictures,
            {name: [BASELINES[name](one) for one in pictures] for name, _, _ in rows},
            {
                order_named(ranking, order): [_places(one, declared, order) for one in made]
                for ranking, made in ranked.items()
                for order in ORDERS
            },
        )
        found = [work.outputs(*row) for row in rows]
        return [
            [values[at] for values in found] if np.isfinite(maps[at]).all() else None
            for at in range(len(pictures))
        ]

    return in_batches(declared, cases, compute, batch=batch, device=device, reporter=reporter)


def _ranking(
    ranking: str, found: Float32Array, picture: FloatArray, case_id: str, seed: int
) -> Float32Array:
    """What positions are ordered by; where the map is broken, nothing is."""
    if ranking == RANDOM:
        return random_map(found.shape, seed, case_id)
    if ranking == CENTRE:
        return centre_map((picture.shape[0], picture.shape[1]))
    return edge_map(picture) if ranking == EDGES else found


def _places(found: Float32Array, declared: Input, order: str) -> IntArray | None:
    if not np.isfinite(found).all():
        return None
    rows, columns = declared.sides
    return order_of(found, (rows, columns), least_first=order == LERF)


def _shared(baseline: str, order: str, step: int, steps: int) -> tuple[str, str, int]:
    """Which picture it is: the whole one is every curve's first, the baseline both orders' last."""
    if step == 0:
        return "", "", 0
    return baseline, "" if step == steps else order, step


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
    explainer: Explainer = explainer_of(asked, inputs)
    session = asked.session(reporter, out_dir)
    found = perturb(
        session, lambda arrays: explainer.maps(arrays).maps, asked.manifest.input, asked.cases,
        inputs, batch=asked.batch, device=asked.device, reporter=reporter,
    )  # fmt: skip
    table = rows_table(asked.case_ids, perturb_form(inputs, session.n_classes), found)
    runtime = session.runtime_json | {
        "map_layer": explainer.attributor.layer.name,
        "map_device": explainer.device.name,
    }
    return finished(asked, found, table, out_dir / TABLE, runtime)
