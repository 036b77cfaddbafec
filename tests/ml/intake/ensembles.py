"""Folders with an ensemble of brightness networks, of ONNX files and archives."""

from pathlib import Path

import yaml

from tests.ml.intake.build import MANIFEST, brightness, merged
from tests.ml.intake.exported import archive

STEEPER = ((-12.0, 12.0),)
FLATTER = ((-6.0, 6.0),)


def ensemble_folder(folder: Path, **changes: object) -> Path:
    """Two ONNX networks and one archive, each with another slope."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.onnx").write_bytes(brightness(weights=STEEPER).SerializeToString())
    (folder / "b.onnx").write_bytes(brightness(weights=FLATTER).SerializeToString())
    (folder / "c.pt2").write_bytes(archive().read_bytes())
    manifest = merged(
        MANIFEST, {"format": "ensemble", "file": None, "members": ["a.onnx", "b.onnx", "c.pt2"]}
    )
    (folder / "model.yaml").write_text(yaml.safe_dump(merged(manifest, changes)))
    return folder
