"""A network of volumes that has learned something, from two scans to maps in an audit."""

import numpy as np
import pytest
import yaml

from demo.bone import scan_of
from ml.engine.explain_form import kept_params
from ml.intake.cohort import read_cohort
from ml.zoo import bone
from tests.demo.test_foreign import nrrd
from tests.ml.engine.test_kept_maps import job_of
from tests.ml.intake.build import QUIET


def made_up(seed):
    """Noise, and plates of bone through a part of it; no scan of anybody."""
    rng = np.random.default_rng(seed)
    voxels = rng.normal(0, 60, (96, 64, 34)).astype(np.int16)
    voxels[8:40, 8:56:12] += 600
    return bone.Scan(voxels, (0.6, 0.6, 5.0))


@pytest.fixture(scope="module")
def scans():
    return [made_up(1), made_up(2)]


def test_a_piece_is_labelled_by_its_dense_voxels_and_those_between_are_left_out(scans):
    voxels, known = bone.pieces(scans[0], 6, 1)
    shares = (voxels > 300).mean((1, 2, 3))

    assert known.tolist() == [0] * 6 + [1] * 6
    assert shares[:6].max() <= 0.0005
    assert shares[6:].min() >= 0.03
    assert np.array_equal(bone.dense(voxels), voxels > 300)
    again, _ = bone.pieces(scans[0], 6, 1)
    assert np.array_equal(voxels, again)
    with pytest.raises(ValueError, match="at least"):
        bone.pieces(bone.Scan(scans[0].voxels[:20], (1.0, 1.0, 1.0)), 1, 1)
    with pytest.raises(ValueError, match="the scan gave"):
        bone.pieces(bone.Scan(np.zeros((40, 40, 20), np.int16), (1.0, 1.0, 1.0)), 1, 1)
    air = np.full((40, 40, 20), -1000, np.int16)
    with pytest.raises(ValueError, match="the scan gave"):
        bone.pieces(bone.Scan(air, (1.0, 1.0, 1.0)), 1, 1)


@pytest.mark.parametrize("onnx", [False, True])
def test_what_was_learned_is_handed_in_and_has_maps(onnx, scans, tmp_path):
    from ml.engine.explain import attribute_job
    from ml.evidence.passes import maps_of
    from ml.evidence.store import table

    network = bone.trained(scans[0], 3, n=24, steps=60, batch=8)
    voxels, known = bone.pieces(scans[1], 8, 9)
    assert np.mean(bone.logits_of(network, voxels).argmax(1) == known) == 1.0
    folder = bone.model_folder(tmp_path / "m", network, onnx=onnx)
    how = {"patient": "p", "notes": "Made up.", "simulated": True}
    cohort = bone.cohort_folder(tmp_path / "c", scans[1], 9, n=2, **how)
    (tmp_path / "left" / "files").mkdir(parents=True)
    read_cohort(cohort, tmp_path / "left", QUIET)  # or it raises what is wrong
    manifest = yaml.safe_load((folder / "model.yaml").read_text())
    ids = [f"piece-{at:03d}" for at in range(4)]
    cases = [{"case_id": one, "images": [str(cohort / "images" / f"{one}.nii.gz")]} for one in ids]
    result = attribute_job(
        job_of(folder, manifest, cases, **kept_params(pictures=False)), tmp_path, QUIET
    )
    found = maps_of(table((tmp_path / result["table"]).read_bytes()), ids)

    assert found.maps.shape == (4, 1, 16, 16, 8)
    volumes, _ = bone.pieces(scans[1], 2, 9)
    logits = bone.logits_of(network, volumes)
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
