"""`python -m demo.lesions --cache DIR --out DIR`: simulated nodules in real CT, and a network.

Two scans of one patient each, fetched at run time with their SHA-256 checked and never kept in this
repository. The network is trained on pieces of their lower halves; the cohort is of the upper ones,
no piece sharing a voxel with another place, each place with and without a nodule. The anatomy is
real, the nodules are simulated, and count two patients, both of whom the network has seen below.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from demo.bone import MEMBER, scan_of
from demo.foreign import reader_of
from demo.packages import PYRADIOMICS, Say, fetch
from ml.stats.proportion import wilson
from ml.zoo import lesions

SEED = 20261128
_NOTES = (
    "For demonstration: pieces of two real chest CT of one patient each, each piece once as it is "
    "and once with a simulated nodule (a ball of soft tissue, 8 to 12 mm in radius) put into the "
    "lung. No patient's nodule is labelled. Count patients, not pieces.\n"
    "Source: pyradiomics 3.0.1, source archive; licence of the package: BSD-3-Clause."
)


def build(cache: Path, out: Path, *, n: int = 40, say: Say = print) -> dict[str, float]:
    """Write the model as pt2 and as ONNX, and the cohort, under ``out``.

    Args:
        n: places of each scan's upper half, at most.

    Returns:
        right of n: the cohort's pieces that the network tells right; both of places: the places of
        which it tells both pieces right, whose share lies from low to high (Wilson, 95 %, as though
        the places were not of two patients).
    """
    read = reader_of(fetch(PYRADIOMICS, cache, say))
    scans = {
        name: lesions.thinned(scan_of(read(MEMBER.format(name)))) for name in ("lung1", "lung2")
    }
    began = time.monotonic()
    network = lesions.trained(scans, SEED)
    say(f"Trained in {time.monotonic() - began:.0f} s.")
    for onnx, folder in ((False, "model-pt2"), (True, "model-onnx")):
        lesions.model_folder(out / folder, network, onnx=onnx)
    lesions.cohort_folder(out / "cohort", scans, SEED, n=n, notes=_NOTES)
    right: list[bool] = []
    for at, scan in enumerate(scans.values()):
        held = lesions.pieces(scan, n, SEED + at, lesions.SECOND, apart=True)
        right += (lesions.logits_of(network, held.voxels).argmax(1) == held.labels).tolist()
    both = [first and second for first, second in zip(right[::2], right[1::2], strict=True)]
    low, high = wilson(float(np.mean(both)), len(both), 0.95)
    return {
        "right": sum(right), "n": len(right), "both": sum(both), "places": len(both),
        "low": low, "high": high,
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m demo.lesions", description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="where packages are kept")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    options = parser.parse_args(arguments)
    print(json.dumps(build(options.cache, options.out)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
