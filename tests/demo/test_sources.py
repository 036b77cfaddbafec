"""A network of volumes that has learned something, from two scans to maps in an audit."""

import numpy as np
import pytest
import yaml

from demo.sources import scan_of
from ml.engine.explain_form import kept_params
from ml.zoo import sources
from tests.demo.test_foreign import nrrd
from tests.ml.engine.test_kept_maps import job_of
from tests.ml.intake.build import QUIET


def made_up(shade, seed):
    """Noise about a shade; no scan of anybody."""
    rng = np.random.default_rng(seed)
    return sources.Scan(rng.normal(shade, 60, (48, 40, 34)).astype(np.int16), (0.6, 0.6, 5.0))


@pytest.fixture(scope="module")
def scans():
    return {"dark": made_up(-700, 1), "bright": made_up(-300, 2)}


def test_the_halves_share_no_voxel(scans):
    voxels = np.zeros((32, 32, 34), np.int16)
    voxels[:, :, 17:] = 1
    scan = sources.Scan(voxels, (1.0, 1.0, 1.0))

    assert sources.pieces(scan, 5, 1, sources.FIRST).max() == 0
    assert sources.pieces(scan, 5, 1, sources.SECOND).min() == 1
    with pytest.raises(ValueError, match="at least"):
        sources.pieces(sources.Scan(voxels[:20], (1.0, 1.0, 1.0)), 1, 1, sources.FIRST)


@pytest.mark.parametrize("onnx", [False, True])
def test_what_was_learned_is_handed_in_and_has_maps(onnx, scans, tmp_path):
    from ml.engine.explain import attribute_job
    from ml.evidence.passes import maps_of
    from ml.evidence.store import table

    network = sources.trained(scans, 3, n=16, steps=40, batch=8)
    right = [
        (sources.logits_of(network, sources.pieces(scan, 8, 9, sources.SECOND)).argmax(1) == at)
        for at, scan in enumerate(scans.values())
    ]
    assert np.mean(right) == 1.0
    folder = sources.model_folder(tmp_path / "m", network, ("dark", "bright"), onnx=onnx)
    cohort = sources.cohort_folder(tmp_path / "c", scans, 9, n=2, notes="Made up.", simulated=True)
    manifest = yaml.safe_load((folder / "model.yaml").read_text())
    ids = ["dark-000", "dark-001", "bright-000", "bright-001"]
    cases = [{"case_id": one, "images": [str(cohort / "images" / f"{one}.nii.gz")]} for one in ids]
    result = attribute_job(
        job_of(folder, manifest, cases, **kept_params(pictures=False)), tmp_path, QUIET
    )
    found = maps_of(table((tmp_path / result["table"]).read_bytes()), ids)

    assert found.maps.shape == (4, 1, 16, 16, 8)
    volumes = np.concatenate([sources.pieces(s, 2, 9 + at, sources.SECOND)
                              for at, s in enumerate(scans.values())])  # fmt: skip
    logits = sources.logits_of(network, volumes)
    wanted = logits[:, 1] - logits[:, 0]
    assert found.score[:, 0] == pytest.approx(wanted, abs=1e-3)
    # The head reads means, so a Grad-CAM adds up to the log-odds without its bias.
    bias = (network.head.bias[1] - network.head.bias[0]).item()
    assert found.maps[:, 0].sum(axis=(1, 2, 3)) == pytest.approx(wanted - bias, abs=1e-3)


def test_a_scan_is_turned_to_right_front_and_top():
    volume = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    data = nrrd(volume).replace(b"\n\n", b"\nspace: left-posterior-superior\n\n", 1)
    scan = scan_of(data)

    assert scan.voxels.shape == (4, 3, 2)
    assert scan.voxels[0, 0, 1] == volume[1, -1, -1], "the first to the right is the last to left"
    with pytest.raises(ValueError, match="do not run"):
        scan_of(nrrd(volume))
