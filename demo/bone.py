"""`python -m demo.bone --cache DIR --out DIR`: pieces of real chest CT, and a network.

Two scans of one patient each, fetched at run time with their SHA-256 checked and never kept in this
repository. The network learns from pieces of one which hold bone, and the cohort is of the other.
Labels are a rule, voxels above 300 HU; nobody read them.
"""

import argparse
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from demo.foreign import read_nrrd, reader_of
from demo.packages import PYRADIOMICS, Say, fetch
from ml.zoo import bone

SEED = 20261128
MEMBER = "pyradiomics-3.0.1/data/{}_image.nrrd"
_NOTES = (
    "For demonstration: pieces of a real chest CT of one patient. A label says whether 3 % of a "
    "piece are denser than 300 HU: a rule, read by nobody. Pieces overlap; count the patient.\n"
    "Source: pyradiomics 3.0.1, source archive; licence of the package: BSD-3-Clause."
)


def scan_of(data: bytes) -> bone.Scan:
    """A scan out of an NRRD file whose axes run to left, back and top.

    Raises:
        ValueError: where they run otherwise.
    """
    head = data.partition(b"\n\n")[0].decode("ascii")
    found = re.search(r"space directions: \(([\d.]+),0,0\) \(0,([\d.]+),0\) \(0,0,([\d.]+)\)", head)
    if found is None or "space: left-posterior-superior" not in head:
        raise ValueError("the axes of the scan do not run to left, back and top")
    x, y, z = (float(mm) for mm in found.groups())
    voxels = read_nrrd(data).transpose(2, 1, 0)[::-1, ::-1]
    return bone.Scan(np.ascontiguousarray(voxels, dtype=np.int16), (x, y, z))


def build(cache: Path, out: Path, *, n: int = 40, say: Say = print) -> dict[str, float]:
    """Write the model as pt2 and as ONNX, and the cohort, under ``out``.

    Returns:
        How many of the cohort's pieces the network tells right, and n.
    """
    read = reader_of(fetch(PYRADIOMICS, cache, say))
    learned, other = (scan_of(read(MEMBER.format(name))) for name in ("lung1", "lung2"))
    began = time.monotonic()
    network = bone.trained(learned, SEED)
    say(f"Trained in {time.monotonic() - began:.0f} s.")
    for onnx, folder in ((False, "model-pt2"), (True, "model-onnx")):
        bone.model_folder(out / folder, network, onnx=onnx)
    bone.cohort_folder(
        out / "cohort", other, SEED, n=n, patient="lung2", notes=_NOTES, simulated=False
    )
    voxels, known = bone.pieces(other, n, SEED)
    right = bone.logits_of(network, voxels).argmax(1) == known
    return {"right": float(right.sum()), "n": float(len(right))}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m demo.bone", description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="where packages are kept")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    options = parser.parse_args(arguments)
    print(json.dumps(build(options.cache, options.out)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
