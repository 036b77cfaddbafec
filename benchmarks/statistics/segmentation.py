"""Surface distances against MONAI, MedPy and surface-distance."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring import Result, Skipped, alternated, attempted
from ml.stats.segmentation.masks import MaskPair
from ml.stats.segmentation.surface import surface_distances

SIZE = 256
BoolArray = NDArray[np.bool_]


def run() -> Iterator[Result | Skipped]:
    return attempted(
        partial(_against_monai, "organ", SIZE * 60 / 256, goal=2),
        partial(_against_monai, "lesion", SIZE * 12 / 256, goal=40),
        partial(_against_medpy, SIZE * 12 / 256),
        partial(_against_surfels, SIZE * 12 / 256),
    )


def _balls(radius: float) -> tuple[BoolArray, BoolArray]:
    """A ball, and a slightly smaller one a little beside it, in the middle of a large volume."""
    index = np.indices((SIZE,) * 3, dtype=np.float32)
    middle = SIZE / 2

    def ball(x: float, y: float, z: float, r: float) -> BoolArray:
        apart = zip(index, (middle + x, middle + y, middle + z), strict=True)
        inside: BoolArray = sum((axis - at) ** 2 for axis, at in apart) <= np.float32(r * r)
        return inside

    return ball(3, -1, 1, radius - 1), ball(0, 0, 0, radius)


def _result(
    name: str,
    peer_name: str,
    ours: Callable[[], float],
    peer: Callable[[], float],
    goal: float,
    *,
    tolerance: float = 1e-6,
    runs: int = 5,
) -> Result:
    agree = abs(ours() - peer()) <= tolerance
    own, other = alternated(ours, peer, runs=runs)
    return Result(
        name=f"statistics: {name}",
        ours=own,
        peer=other,
        peer_name=peer_name,
        ratio=other / own,
        goal=goal,
        unit="s",
        n=f"two masks in {SIZE}^3 voxels",
        agree=agree,
    )


def _hd95(a: BoolArray, b: BoolArray) -> float:
    found = surface_distances(MaskPair.of(a, b)).hausdorff_percentile_mm(95)
    assert found is not None
    return found


def _against_monai(name: str, radius: float, *, goal: float) -> Result:
    import torch
    from monai.metrics.hausdorff_distance import compute_hausdorff_distance

    a, b = _balls(radius)
    one, other = (torch.from_numpy(mask[None, None].astype(np.float32)) for mask in (a, b))

    def peer() -> float:
        found = compute_hausdorff_distance(one, other, include_background=True, percentile=95)
        return float(found)

    return _result(f"HD95 of an {name}" if name == "organ" else f"HD95 of a {name}", "MONAI",
                   lambda: _hd95(a, b), peer, goal)  # fmt: skip


def _against_medpy(radius: float) -> Result:
    from medpy.metric.binary import hd95

    a, b = _balls(radius)

    def ours() -> float:
        found = surface_distances(MaskPair.of(a, b)).pooled_percentile_mm(95)
        assert found is not None
        return found

    return _result("HD95 (pooled) of a lesion", "MedPy", ours, lambda: float(hd95(a, b)), 100,
                   runs=1)  # fmt: skip


def _against_surfels(radius: float) -> Result:
    from surface_distance import compute_surface_dice_at_tolerance, compute_surface_distances

    a, b = _balls(radius)
    spacing = (1.0, 0.8, 2.5)

    def ours() -> float:
        found = surface_distances(MaskPair.of(a, b, spacing), "surfel").surface_dice(2.0)
        assert found is not None
        return found

    def peer() -> float:
        distances = compute_surface_distances(b, a, spacing)
        return float(compute_surface_dice_at_tolerance(distances, 2.0))

    return _result("surface Dice (surfels) of a lesion", "surface-distance", ours, peer, 1)
