"""A network of volumes that has learned something, from scans to maps in an audit."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from demo import lesions as built
from demo.packages import PYRADIOMICS
from ml.engine.explain_form import kept_params
from ml.zoo import lesions
from tests.demo.test_real_packages import VARIABLE
from tests.ml.engine.test_kept_maps import job_of
from tests.ml.intake.build import QUIET


def made_up(seed):
    """Two lungs in a body in air, with noise; no scan of anybody."""
    rng = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in (150, 104, 40)), indexing="ij")
    voxels = np.where(np.hypot(x / 0.97, y / 0.96) < 1, 30.0, -1000.0)
    for side in (-0.45, 0.45):
        inside = ((x - side) / 0.36) ** 2 + (y / 0.72) ** 2 + (z / 1.6) ** 2 < 1
        voxels[inside] = -850
    voxels += rng.normal(0, 25, voxels.shape)
    return lesions.Scan(voxels.astype(np.int16), (1.2, 1.2, 5.0))


@pytest.fixture(scope="module")
def scans():
    return {"one": made_up(1), "two": made_up(2)}


@pytest.fixture(scope="module")
def network(scans):
    return lesions.trained(scans, 3, n=12, steps=60)


def right_of(network, scans):
    """Of pieces of the second halves, that no training saw."""
    found = []
    for at, scan in enumerate(scans.values()):
        held = lesions.pieces(scan, 12, 9 + at, lesions.SECOND)
        found += (lesions.logits_of(network, held.voxels).argmax(1) == held.labels).tolist()
    return found


def test_it_tells_nodules_in_pieces_that_it_never_saw(network, scans):
    right = right_of(network, scans)
    assert len(right) == 48
    assert sum(right) >= 40, "chance reaches 33 once in 200"


def test_the_halves_share_no_voxel(scans):
    scan = scans["one"]
    numbered = np.broadcast_to(np.arange(scan.voxels.shape[2]), scan.voxels.shape)
    for half, wanted in ((lesions.FIRST, range(20)), (lesions.SECOND, range(20, 40))):
        cut = lesions.pieces(scan, 6, 1, half)
        starts = [found_at(scan.voxels, one) for one in cut.voxels[::2]]
        for start in starts:
            assert set(numbered[0, 0, start : start + 12]) <= set(wanted)


def found_at(voxels, piece):
    """The height at which a piece was cut."""
    windows = np.lib.stride_tricks.sliding_window_view
    row = windows(voxels, 12, axis=2)[..., :]
    places = np.argwhere((row == piece[0, 0]).all(axis=-1))
    assert len(places) == 1
    return places[0][2]


def test_places_apart_share_no_voxel_and_pairs_differ_by_the_nodule_alone(scans):
    scan = lesions.Scan(np.array(scans["one"].voxels), scans["one"].spacing_mm)
    cut = lesions.pieces(scan, 40, 1, lesions.SECOND, apart=True)
    plain, nodule = cut.voxels[::2], cut.voxels[1::2]
    values = [set(map(bytes, one.reshape(-1, 12))) for one in plain]

    assert 2 <= len(plain) < 40
    assert cut.labels.tolist() == [0, 1] * len(plain)
    assert all(not a & b for at, a in enumerate(values) for b in values[:at])
    assert not cut.nodules[::2].any()
    inside = cut.nodules[1::2]
    assert (inside.sum(axis=(1, 2, 3)) > 150).all()
    assert nodule[inside].mean() > -200, "its soft edge holds air"
    assert plain[inside].mean() < -700
    far = np.abs(nodule - plain) > 60
    assert far[~inside].mean() < 0.03
    with pytest.raises(ValueError, match="places"):
        lesions.pieces(lesions.Scan(scan.voxels * 0, scan.spacing_mm), 1, 1, lesions.FIRST)


def test_air_about_the_body_is_no_lung(scans):
    found = lesions.lung(scans["one"].voxels)
    assert not found[0].any()
    assert not found[:, 0].any()
    assert 0.15 < found.mean() < 0.4


def test_thinning_halves_the_slices():
    voxels = np.arange(5 * 4 * 3, dtype=np.int16).reshape(5, 4, 3)
    found = lesions.thinned(lesions.Scan(voxels, (0.5, 0.6, 5.0)))
    assert found.voxels.shape == (2, 2, 3)
    assert found.spacing_mm == (1.0, 1.2, 5.0)
    assert found.voxels[0, 0, 0] == round(np.mean([voxels[0, 0, 0], voxels[0, 1, 0],
                                                   voxels[1, 0, 0], voxels[1, 1, 0]]))  # fmt: skip


@pytest.mark.parametrize("onnx", [False, True])
def test_what_was_learned_is_handed_in_and_its_map_lies_on_the_nodule(
    onnx, network, scans, tmp_path
):
    from ml.engine.explain import attribute_job
    from ml.evidence.passes import maps_of
    from ml.evidence.store import table

    folder = lesions.model_folder(tmp_path / "m", network, onnx=onnx)
    cohort = tmp_path / "c"
    n = lesions.cohort_folder(cohort, scans, 9, n=2, notes="Made up.")
    with (cohort / "cases.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert n == len(rows) == 8
    assert {row["patient_id"] for row in rows} == {"one", "two"}
    manifest = yaml.safe_load((folder / "model.yaml").read_text())
    ids = [row["case_id"] for row in rows]
    cases = [{"case_id": row["case_id"], "images": [str(cohort / row["image"])]} for row in rows]
    result = attribute_job(
        job_of(folder, manifest, cases, **kept_params(pictures=False)), tmp_path, QUIET
    )
    found = maps_of(table((tmp_path / result["table"]).read_bytes()), ids)

    assert found.maps.shape == (8, 1, *lesions.PLACES)
    held = [lesions.pieces(scan, 2, 9 + at, lesions.SECOND, apart=True)
            for at, scan in enumerate(scans.values())]  # fmt: skip
    logits = lesions.logits_of(network, np.concatenate([one.voxels for one in held]))
    assert found.score[:, 0] == pytest.approx(logits[:, 1] - logits[:, 0], abs=1e-3)
    nodules = np.concatenate([one.nodules for one in held])
    for one, nodule, row in zip(found.maps[:, 0], nodules, rows, strict=True):
        if row["label"] == "nodule":
            places = nodule.reshape(12, 4, 12, 4, 12).mean(axis=(1, 3))
            assert places[np.unravel_index(one.argmax(), one.shape)] > 0


@pytest.mark.slow
def test_on_the_real_scans_it_is_far_from_chance(tmp_path):
    cache = os.environ.get(VARIABLE)
    if not cache or not (Path(cache) / PYRADIOMICS.wheel).is_file():
        pytest.skip(f"{VARIABLE} names no folder that holds {PYRADIOMICS.wheel}")
    found = built.build(Path(cache), tmp_path / "out", say=lambda _: None)

    assert found["n"] == 2 * found["places"]
    assert found["right"] / found["n"] >= 0.85
    assert found["low"] > 0.6, "both pieces of a place are told right by chance once in four"
