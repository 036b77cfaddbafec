"""Maps of cases by a named method, from arrays to arrays; the attribute pass."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import torch

from ml.engine.attribute import Attributor, score_of
from ml.engine.cases import Case
from ml.engine.device import CPU, Device
from ml.engine.explain_form import (
    IG_STEPS,
    INTEGRATED,
    LAYER,
    METHODS,
    MOST_POSITIONS,
    OCCLUSION,
    ROLLOUT,
    SCORE_CAM,
    VOLUMES,
    methods_there,
)
from ml.engine.fitting import in_pieces
from ml.engine.mask_copies_form import of_masks
from ml.engine.methods import MADE, Work
from ml.engine.occlusion import Occlusion
from ml.engine.predict import Asked, finished, in_batches
from ml.engine.program_session import broken, program_of, use_threads
from ml.engine.rollout import Rollout
from ml.engine.session import FloatArray, ModelError
from ml.estimate import JsonObject
from ml.evidence.packed import packed
from ml.evidence.passes import DEPTH
from ml.imaging.intensity import unit_range
from ml.imaging.preprocess import Float32Array
from ml.intake.model_manifest import ModelManifest
from ml.program.graph import Program
from ml.program.places import SOFTMAXES, activation_of
from ml.sandbox.messages import Reporter

TABLE = "attribute.parquet"
POSITIVE, PREDICTED = "positive", "predicted"


@dataclass(frozen=True)
class Maps:
    """Maps of n cases.

    Attributes:
        maps: (n, *sides) signed, in the units that ``ml.engine.methods`` gives for the method.
        score: (n,) what is explained: a logit, or log-odds; see :class:`Explainer`.
        baseline_score: (n,) of the baseline of integrated gradients; NaN for other methods.
    """

    maps: Float32Array
    score: FloatArray
    baseline_score: FloatArray


class Explainer:
    """Maps of a model's cases by one method.

    Args:
        program: the model's.
        manifest: the model's: input, positive classes, target layer.
        method: one of :func:`ml.engine.explain_form.methods_there`.
        target: "positive", the positive classes: their log-odds against the others where the
            classes exclude each other, else the sum of their logits; or "predicted", the largest
            logit.
        steps: of integrated gradients, whose baseline has the lowest declared intensity.
        device: to compute on, in float32 whatever the manifest declares: small gradients would
            vanish in fewer digits.
        params: of the method, where they are not those of METHODS.

    Raises:
        ModelError: map_layer, where there is no layer to take maps of, no gradient or no attention.
        ValueError: for another method or target.
    """

    def __init__(
        self,
        program: Program,
        manifest: ModelManifest,
        *,
        method: str = "grad-cam",
        target: str = POSITIVE,
        steps: int = IG_STEPS,
        device: Device = CPU,
        params: JsonObject | None = None,
    ) -> None:
        if method not in methods_there() or target not in (POSITIVE, PREDICTED):
            raise ValueError(f"no method {method!r} or no target {target!r}")
        self.method, self.target, self.steps, self.manifest = method, target, steps, manifest
        self.params: JsonObject = METHODS[method].params if params is None else params
        self.device = device
        self.rollout: Rollout | None = None
        self.fitted: list[int] = []  # cases that fitted into memory at once, where they were fewer
        try:
            with device.computing():
                self.attributor = Attributor(
                    program, [manifest.input.shape],
                    output=manifest.output.name, layer=manifest.target_layer, device=device,
                )  # fmt: skip
                if method == ROLLOUT:
                    logits = self.attributor.logits
                    self.rollout = Rollout(program, [manifest.input.shape], logits, device=device)
                if method == SCORE_CAM and len(self.sides) != manifest.input.dims:
                    raise ValueError("the positions of its map layer form no grid of the picture")
        except (KeyError, ValueError) as error:
            raise ModelError("map_layer", f"No map can be taken: {error.args[0]}.") from None
        except RuntimeError as error:
            raise broken(error) from None
        self._against = self._exclude_each_other(program)
        self._channels = 1 if manifest.input.layout == "NCHW" else 1 + manifest.input.dims
        self._occlusion = self._occluded(program) if method == OCCLUSION else None

    @property
    def sides(self) -> tuple[int, ...]:
        """Of a map: those of the layer, or of the input."""
        if self.rollout is not None:
            return self.rollout.sides
        if METHODS[self.method].of == LAYER:
            return self.attributor.layer.sides
        if self._occlusion is not None:
            return self._occlusion.grid.cells
        return self.manifest.input.sides

    def _occluded(self, program: Program) -> Occlusion:
        case = self.manifest.input.shape
        axes = tuple(at for at in range(1, len(case) + 1) if at != self._channels)
        try:
            with self.device.computing():
                return Occlusion(
                    program, case, axes, self.attributor.logits, device=self.device
                )  # fmt: skip
        except RuntimeError as error:
            raise broken(error) from None

    def maps(self, arrays: Float32Array) -> Maps:
        """Maps of a batch of prepared cases (n, ...).

        Raises:
            ModelError: model_failed, if the network breaks.
            MemoryError: where a single case does not fit, or the cases that a graph insists on.
        """
        size = self.attributor.fixed_batch
        if size:
            starts = range(0, len(arrays), size)
            pieces = [self._piece(arrays[at : at + size], size) for at in starts]
        else:
            pieces = in_pieces(
                len(arrays),
                lambda start, stop: self._piece(arrays[start:stop], stop - start),
                self.fitted,
                self.device.free,
            )
        return Maps(*(np.concatenate(column) for column in zip(*pieces, strict=True)))

    def _piece(
        self, arrays: Float32Array, size: int
    ) -> tuple[Float32Array, FloatArray, FloatArray]:
        n = len(arrays)
        if n < size:  # a graph for exactly `size` cases: fill up with the last, cut off after
            arrays = np.concatenate([arrays, np.repeat(arrays[-1:], size - n, axis=0)])
        try:
            with self.device.computing():
                found, score, below = self._computed(arrays)
        except (RuntimeError, ValueError) as error:
            raise broken(error) from None
        return found[:n], score[:n], below[:n]

    def _computed(self, arrays: Float32Array) -> tuple[Float32Array, FloatArray, FloatArray]:
        ours, place = self.attributor, self.device.place
        cases = place(torch.from_numpy(arrays.copy())).to(ours.dtype)
        cached = ours.forward([cases])
        logits = ours.scores(cached)
        weights = place(self._weights(logits.cpu()))
        dark, reach = self._range(cases)
        work = Work(
            ours, cases, cached, weights, self.params, self._channels, dark, reach, self.device,
            most=next(iter(self.fitted), 0), steps=self.steps, rollout=self.rollout,
            occlusion=self._occlusion,
        )  # fmt: skip
        found = MADE[self.method](work)
        below = np.full(len(arrays), np.nan)
        if self.method == INTEGRATED:
            baseline = dark.expand_as(cases).contiguous()
            below = _numbers(score_of(ours.scores(ours.forward([baseline])), weights))
        return found.float().cpu().numpy(), _numbers(score_of(logits, weights)), below

    def _weights(self, logits: torch.Tensor) -> torch.Tensor:
        """(n, k) what each logit counts in the score of each case."""
        classes = self.manifest.output.classes
        weights = torch.zeros(len(logits), len(classes))
        if self.target == PREDICTED:
            each = [torch.zeros_like(weights) for _ in classes]
            for at, one in enumerate(each):
                one[:, at] = 1
            totals = torch.stack([score_of(logits, one) for one in each], dim=1)
            weights[torch.arange(len(logits)), totals.argmax(dim=1)] = 1
        else:
            positive = self.manifest.output.positive
            counts = [1.0 if name in positive else -float(self._against) for name in classes]
            weights[:] = torch.tensor(counts)
        return weights

    def _exclude_each_other(self, program: Program) -> bool:
        """Whether log-odds of the positive classes against the others can be had.

        A logit behind a softmax says nothing alone: one added to all of them changes no answer.
        """
        output = self.manifest.output
        given = output.name or program.outputs[0]
        logits = output.kind == "logits" or activation_of(program, given) in SOFTMAXES
        return output.softmax and logits

    def _range(self, cases: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The lowest declared intensity, and how far it is to the highest, by channel."""
        sides = [1] * cases.dim()
        sides[self._channels] = -1
        reach, dark = (
            self.device.place(torch.from_numpy(one).to(cases.dtype).reshape(sides))
            for one in unit_range(self.manifest.input)
        )
        return dark, reach


def _numbers(values: torch.Tensor) -> FloatArray:
    return np.asarray(values.cpu().double().numpy())


def explainer_of(asked: Asked, params: JsonObject, kind: type[Explainer] = Explainer) -> Explainer:
    """The explainer of a job, opened once for all shards of a child.

    Args:
        kind: Explainer, or one of its own.

    Raises:
        ModelError: as :class:`Explainer`.
    """
    use_threads(asked.threads)
    program = asked.opened("program", lambda: program_of(asked.path, asked.manifest))
    method, target = str(params["method"]), str(params["target"])
    own: JsonObject = {key: params[key] for key in METHODS[method].params}

    def make() -> Explainer:
        return kind(
            program, asked.manifest, method=method, target=target, device=asked.device, params=own
        )

    named = f"{kind.__name__} {method} {target} {json.dumps(own, sort_keys=True)}"
    return asked.opened(named, make)


@dataclass(frozen=True)
class Map:
    """Of one case; see :class:`Maps`."""

    map: Float32Array
    score: float
    baseline_score: float


def explain(explainer: Explainer) -> Callable[[Sequence[Case], Float32Array], list[Map | None]]:
    """What :func:`ml.engine.predict.in_batches` computes for maps: None where one is not finite."""

    def rows(_: Sequence[Case], arrays: Float32Array) -> list[Map | None]:
        found = explainer.maps(arrays)
        return [
            Map(one, float(score), float(below))
            if np.isfinite(one).all() and np.isfinite(score)
            else None
            for one, score, below in zip(found.maps, found.score, found.baseline_score, strict=True)
        ]

    return rows


def attribute_job(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Run one shard inside a child.

    Args:
        inputs: as of ``predict_job``; method, target.

    Returns:
        As ``predict_job``, with a table of :func:`ml.engine.explain_form.map_form`; its runtime
        names the layer.
    """
    if inputs.get(VOLUMES) or of_masks(inputs):
        from ml.engine.kept_maps import kept_job  # which looks into this module

        return kept_job(inputs, out_dir, reporter)
    asked = Asked.of(inputs)
    explainer = explainer_of(asked, inputs)
    check_sides(explainer.sides)
    found = in_batches(
        asked.manifest.input, asked.cases, explain(explainer),
        batch=asked.batch, device=asked.device, reporter=reporter,
    )  # fmt: skip
    columns = {"case_id": pa.array(asked.case_ids, pa.string())}
    columns |= map_columns([found.rows.get(one) for one in asked.case_ids], explainer.sides)
    columns["error"] = pa.array([found.errors.get(one) for one in asked.case_ids], pa.string())
    return finished(asked, found, pa.table(columns), out_dir / TABLE, runtime_of(explainer))


def check_sides(sides: Sequence[int]) -> None:
    """Refuse maps that are neither of pictures nor of volumes, or too large to keep.

    Raises:
        ModelError: map_layer.
    """
    if len(sides) > 3 or int(np.prod(sides)) > MOST_POSITIONS:
        raise ModelError("map_layer", f"A map of {list(sides)} positions is not kept.")


def map_columns(rows: Sequence[Map | None], sides: Sequence[int]) -> dict[str, pa.Array]:
    """The columns of maps; null where a row failed.

    Args:
        sides: of every map; a row of positions that form no grid has one.
    """
    names = (DEPTH, "rows", "columns")[-max(2, len(sides)) :]
    shape = (1, *sides)[-len(names) :]
    below = [
        None if row is None or not np.isfinite(row.baseline_score) else row.baseline_score
        for row in rows
    ]
    return {
        "score": pa.array([None if row is None else row.score for row in rows], pa.float64()),
        "baseline_score": pa.array(below, pa.float64()),
        **{
            name: pa.array([None if row is None else side for row in rows], pa.int64())
            for name, side in zip(names, shape, strict=True)
        },
        "map": packed([None if row is None else row.map for row in rows], int(np.prod(shape))),
    }


def runtime_of(explainer: Explainer) -> JsonObject:
    """What computed the maps, for the appendix of a report."""
    return cast(
        JsonObject,
        {
            "torch": torch.__version__,
            "providers": [f"program on {explainer.device.kind}"],
            **explainer.device.json,
            **({"cases_at_once": explainer.fitted[0]} if explainer.fitted else {}),
            "map_layer": explainer.attributor.layer.name,
            "map_sides": list(explainer.sides),
        },
    )
