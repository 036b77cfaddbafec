"""The samples pass of a network that segments: how far several masks of a case are apart.

Of a case the sums over its samples are kept and no sample's field of probabilities; see
docs/adr/0025-doubt-about-masks.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan, prod
from typing import Protocol

import numpy as np

from ml.engine.cases import Case, Prepared
from ml.engine.ensemble import EnsembleSession
from ml.engine.one_by_one import one_by_one
from ml.engine.predict import Outputs
from ml.engine.sampled_form import VOXEL
from ml.engine.segment import PATCHES_AT_ONCE, labels_of, slid
from ml.engine.session import FloatArray
from ml.estimate import JsonObject
from ml.evidence.sampled_masks import SampledRow
from ml.imaging.picture import ImageError
from ml.imaging.preprocess import Float32Array
from ml.imaging.uncertainty_map import KINDS as MAPPED
from ml.imaging.uncertainty_map import UncertaintyMap, coarsened, coded, pack, step_for
from ml.intake.model_manifest import ModelManifest, Scores
from ml.sampled import SCORE_RANGE
from ml.sandbox.messages import Reporter
from ml.scores import activated
from ml.stats.arrays import BoolArray
from ml.stats.segmentation.sampled import Marks, pairwise_dice
from ml.stats.uncertainty.voxels import FieldSums, regions, summary

MOST_BYTES = 256 << 20  # of the raw maps of samples that are computed together
_PIECE = 1 << 22  # numbers of a map that are made into probabilities together


class MapSampler(Protocol):
    """Whatever gives several maps of a picture, a volume or a patch of one."""

    @property
    def samples(self) -> int: ...

    def sample_maps(
        self, batch: Float32Array, keys: Sequence[str], *, first: int, count: int
    ) -> Float32Array:
        """Raw maps of some samples of arrays (n, ...) that have these names: (count, n, k, ...)."""

    @property
    def runtime_json(self) -> JsonObject: ...


@dataclass(frozen=True)
class MemberMaps:
    """The members of an ensemble, each of which marks once."""

    session: EnsembleSession

    @property
    def samples(self) -> int:
        return len(self.session.members)

    def sample_maps(
        self, batch: Float32Array, keys: Sequence[str], *, first: int, count: int
    ) -> Float32Array:
        del keys
        return self.session.each(batch, first=first, count=count).astype(np.float32)

    @property
    def runtime_json(self) -> JsonObject:
        return self.session.runtime_json


def sampled_masks(
    sampler: MapSampler, manifest: ModelManifest, cases: Sequence[Case], reporter: Reporter
) -> Outputs[list[SampledRow]]:
    """What the samples of each case say, one case at a time: their images may differ in size."""
    return one_by_one(
        cases,
        manifest.input,
        lambda case, image: rows_of(sampler, manifest, case.case_id, image),
        reporter,
    )


def rows_of(
    sampler: MapSampler, manifest: ModelManifest, case_id: str, image: Prepared
) -> list[SampledRow]:
    """(s,) what the samples of one case say of each structure.

    Raises:
        ImageError: non_finite_output, score_range: of the case, whose image is not to blame.
        ModelError: as the sampler.
    """
    declared = manifest.output
    weights = weights_of(image, last=manifest.input.layout == "NHWC")
    chosen = [declared.classes.index(name) for name in declared.positive]
    sums = FieldSums((len(declared.classes), *weights.shape), chosen)
    marks = [Marks(weights) for _ in chosen]
    for raw in sample_fields(sampler, manifest, case_id, image):
        sums.add(_probabilities(raw, declared))
        labels = labels_of(raw, declared)
        for at, structure in enumerate(marks, 1):
            structure.add(labels == at)
    of_mean = labels_of(sums.mean, declared.model_copy(update={"kind": "probabilities"}))
    rows: list[SampledRow] = []
    worst = np.zeros((2, *weights.shape))
    for at, structure in enumerate(marks):
        bits, shared = sums.of(at), structure.shared()
        worst = np.maximum(worst, [bits[kind] for kind in MAPPED])
        numbers = _numbers(bits, weights, of_mean == at + 1, shared)
        numbers[VOXEL] = voxel_ml(image)
        rows.append(SampledRow(numbers, np.diagonal(shared).astype(np.float32)))
    rows[0] = replace(rows[0], map=_map(image, worst))
    return rows


def _numbers(
    bits: Mapping[str, FloatArray], weights: Float32Array, marked: BoolArray, shared: FloatArray
) -> dict[str, float | None]:
    """Columns of the table but the size of a voxel; None where one is undefined."""
    found: dict[str, float] = {}
    for region, voxels in regions(marked).items():
        found[f"voxels_{region}"] = float(weights[voxels].sum(dtype=np.float64))
        for kind, values in bits.items():
            for name, value in summary(values, weights, voxels).items():
                found[f"{kind}_{region}_{name}"] = value
    dice = pairwise_dice(shared)
    found |= {"dice_mean": float(dice.mean()), "dice_least": float(dice.min())}
    return {name: None if isnan(value) else value for name, value in found.items()}


def voxel_ml(image: Prepared) -> float | None:
    """Of the image; None where it is no volume, or its file does not say."""
    if image.spacing_mm is None or len(image.spacing_mm) != 3:
        return None
    return prod(image.spacing_mm) / 1000


def _map(image: Prepared, worst: FloatArray) -> bytes:
    """The packed picture of a case: the most uncertain structure of each voxel, by both kinds."""
    placed = np.stack([image.placed.back(one) for one in coded(worst)])
    shape = placed.shape[1:]
    step = step_for(shape)
    codes = np.stack([coarsened(one, step) for one in placed])
    return pack(UncertaintyMap(codes, step, shape, image.spacing_mm, image.grid))


def sample_fields(
    sampler: MapSampler, manifest: ModelManifest, case_id: str, image: Prepared
) -> Iterator[Float32Array]:
    """(k, ...) the raw map of each sample, one after the other.

    As many samples are computed together as their maps fit into ``MOST_BYTES``: what no dropout
    touches is run once for them.
    """
    declared, k = manifest.input, len(manifest.output.classes)
    last, patch = declared.layout == "NHWC", declared.patch
    size = prod(image.array.shape[:-1] if last else image.array.shape[1:])
    if patch is not None:
        size = max(size, PATCHES_AT_ONCE * prod(patch.size))
    at_once = max(1, min(sampler.samples, MOST_BYTES // (4 * k * size)))
    for first in range(0, sampler.samples, at_once):
        count = min(at_once, sampler.samples - first)
        if patch is None:
            raw = sampler.sample_maps(image.array[None], [case_id], first=first, count=count)
            yield from raw[:, 0]
            continue
        answer = _Windows(sampler, case_id, first, count)
        found = slid(answer, image.array, patch, last=last)
        yield from found.reshape(count, k, *found.shape[1:])


def window_key(case_id: str, number: int) -> str:
    """The name by which a patch of a case draws its masks.

    Example:
        >>> window_key("a", 3)
        'a\\n3'
    """
    return f"{case_id}\n{number}"  # no id of a case holds the end of a line


@dataclass
class _Windows:
    """Some samples of each patch of a case, numbered as they come: one map after the other."""

    sampler: MapSampler
    case_id: str
    first: int
    count: int
    seen: int = 0

    def __call__(self, batch: Float32Array) -> Float32Array:
        numbers = range(self.seen, self.seen + len(batch))
        self.seen += len(batch)
        keys = [window_key(self.case_id, number) for number in numbers]
        raw = self.sampler.sample_maps(batch, keys, first=self.first, count=self.count)
        # (t, n, k, ...): to MONAI the maps of all samples are so many channels.
        merged = np.moveaxis(raw, 0, 1)
        return merged.reshape(len(batch), -1, *raw.shape[3:])


def weights_of(image: Prepared, *, last: bool) -> Float32Array:
    """(...) how many voxels of the image lie on each of those that the network saw.

    Args:
        last: the channels of the prepared image come last.
    """
    sides = image.array.shape[:-1] if last else image.array.shape[1:]
    found = np.ones((), dtype=np.float32)
    for nearest, side in zip(image.placed.nearest, sides, strict=True):
        found = found[..., None] * np.bincount(nearest, minlength=side).astype(np.float32)
    return found


def _probabilities(raw: Float32Array, declared: Scores) -> Iterator[FloatArray]:
    """(k, m, ...) probabilities of the classes, by pieces along the first side."""
    rows = max(1, _PIECE // raw[:, :1].size)
    for start in range(0, raw.shape[1], rows):
        piece = np.moveaxis(raw[:, start : start + rows], 0, -1).astype(np.float64)
        if not np.isfinite(piece).all():
            raise ImageError("non_finite_output", "A sample of the model is no finite number.")
        found = activated(piece, declared)
        if np.isnan(found).any():
            raise ImageError(SCORE_RANGE, "A sample of the model is no probability.")
        yield np.moveaxis(found, -1, 0)
