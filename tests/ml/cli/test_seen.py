"""What a model would be given for a case, at the command line; the image is read in a child."""

import json

import numpy as np
import yaml
from PIL import Image

from ml.cli.main import main
from tests.ml.engine.test_segment import MANIFEST, VOLUME
from tests.ml.imaging.test_mask import nifti


def test_a_volume_is_shown_as_it_is_prepared(tmp_path, capsys):
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(MANIFEST | {"input": VOLUME}))
    values = np.zeros((8, 8, 8), np.float32)
    values[4, 0, 7] = 50
    (tmp_path / "head.nii.gz").write_bytes(nifti(values))
    words = ["seen", tmp_path / "model.yaml", tmp_path / "head.nii.gz", "--out", tmp_path / "s.png"]

    assert main([str(word) for word in words]) == 0

    assert "1 x 8 x 8 x 8 numbers from 0 to 50" in capsys.readouterr().out
    shown = np.asarray(Image.open(tmp_path / "s.png"))
    assert np.argwhere(shown == 255).tolist() == [[0, 7]]


def test_what_cannot_be_shown_is_refused_with_its_code(tmp_path, capsys):
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(MANIFEST | {"input": VOLUME}))
    (tmp_path / "head.nii.gz").write_bytes(b"\x1f\x8b nothing")

    for name, code in (("head.nii.gz", "image_unreadable"), ("nowhere", "not_found")):
        words = ["seen", tmp_path / "model.yaml", tmp_path / name, "--out", tmp_path / "s.png"]
        assert main([str(word) for word in words]) == 2
        assert json.loads(capsys.readouterr().out)["refused"][0]["code"] == code
    assert not (tmp_path / "s.png").exists()
