"""The corrupt and the move pass on volumes: what the network is given, of NIfTI and of series."""

import os
import tarfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pydicom
import pytest
import yaml

from demo.foreign import read_nrrd
from ml.corruptions import corruption, corruptions_for
from ml.corruptions.registry import SEVERITIES
from ml.corruptions.volumes import corrupted_volume
from ml.engine.cases import Case, prepare_case, prepared
from ml.engine.corrupt import corrupt, corrupt_job, versions
from ml.engine.move import move_job
from ml.engine.move import versions as moves_of
from ml.engine.passes import CORRUPT, MOVE, PASSES, asked_for, check_of, corrupt_params
from ml.engine.predict import Asked, predict
from ml.engine.volume_copies import outputs_on_volumes, unit_volume
from ml.evidence.passes import outputs_of
from ml.evidence.store import table
from ml.imaging.declared import Input
from ml.moves import move, moves_for
from ml.volume_moves import moved_volume
from ml.zoo import nodules
from tests.ml.imaging.test_mask import nifti
from tests.ml.intake.build import QUIET

GIVEN = {"dims": 3, "size": [12, 10, 8], "orientation": "LPS",
         "intensity": {"window": [-1000, 1000], "mean": 0.5, "std": 0.25}}  # fmt: skip
DECLARED = Input.model_validate(GIVEN)
SERIES = Path(pydicom.__file__).parent / "data/test_files/dicomdirtests/98892001/CT5N"
PYRADIOMICS = Path(os.environ.get("PLUMBLINE_DEMO_CACHE") or "/none") / "pyradiomics-3.0.1.tar.gz"


@pytest.fixture
def stored(tmp_path):
    def store(seed, sides=(14, 11, 9)):
        values = np.random.default_rng(seed).normal(0, 400, sides).astype(np.float32)
        path = tmp_path / f"{seed}.nii"
        path.write_bytes(nifti(values, np.diag([1.0, 1.0, 3.0, 1.0]), zipped=False))
        return path

    return store


@pytest.fixture
def folder(tmp_path):
    nodules.cohort_folder(tmp_path / "cohort", n=4)
    return nodules.model_folder(tmp_path / "model")


def job_of(folder, name, **params):
    images = sorted((folder.parent / "cohort" / "images").iterdir())
    cases = [{"case_id": path.name[:5], "images": [str(path)]} for path in images]
    cases.insert(1, {"case_id": "gone", "images": []})
    manifest = yaml.safe_load((folder / "model.yaml").read_text())
    model = {"path": str(folder / "model.onnx"), "manifest": manifest}
    return {"model": model, "cases": cases, **PASSES[name].params, **params}


class Keeps:
    """A session that keeps the batches it is given."""

    def __init__(self):
        self.given = []

    def run(self, batch):
        self.given.append(batch.copy())  # the pass writes to it again
        return np.zeros((len(batch), 2))


def given(cases, wanted, declared=DECLARED, **more):
    """What the network is given, (cases, versions, 1, a, b, c)."""
    session = Keeps()
    outputs_on_volumes(session, declared, cases, wanted, seed=5, reporter=QUIET, **more)
    runs = len(wanted)
    batches = [session.given[at : at + runs] for at in range(0, len(session.given), runs)]
    return np.concatenate([np.stack(batch, axis=1) for batch in batches])


def test_a_copy_is_the_volume_corrupted_in_its_slices_and_normalised_again(stored):
    case = Case("a", (stored(1),))
    wanted = versions({"corruptions": ["gaussian-noise", "ct-metal", "bias-field"]})
    found = given([case], wanted)[0]

    clean = prepare_case(case, DECLARED)
    # The patient's left first, then back, then top: slices are those of the last axis, their
    # rows run from the front to the back, as the second does, their columns to the left.
    volume = (clean[0] * 0.25 + 0.5).transpose(2, 1, 0)
    mm = (27.0 / 8, 11.0 / 10, 14.0 / 12)
    for (one, severity), copy in zip(wanted, found, strict=True):
        expected = corrupted_volume(one, volume, mm, severity, "a", 5)
        assert copy[0].transpose(2, 1, 0) == pytest.approx((expected - 0.5) / 0.25, abs=1e-5)
    assert np.abs(found[4] - clean).max() > 0.5


def test_moves_are_those_of_the_volumes_slices(stored):
    case = Case("a", (stored(1),))
    wanted = moves_of({"moves": [one.id for one in moves_for(["left-right", "up-down"])]})
    found = given([case], wanted)[0]

    one = prepared(case, DECLARED)
    volume, stack = unit_volume(one, DECLARED)
    for (change, step), copy in zip(wanted, found, strict=True):
        expected = moved_volume(change, volume, stack, step, "a", 5)
        assert stack.slices(copy[0]) == pytest.approx((expected - 0.5) / 0.25, abs=1e-5)
    assert found[-2] == pytest.approx(one.array[:, ::-1], abs=1e-5), "left to right"
    assert found[-1] == pytest.approx(one.array[:, :, :, ::-1], abs=1e-5), "top to bottom"


def test_copies_are_the_same_whatever_the_batch_and_the_cases_beside(stored):
    cases = [Case(f"c{n}", (stored(n),)) for n in range(3)]
    cases.insert(1, Case("gone", ()))
    wanted = [*versions({"corruptions": ["rician-noise", "mr-motion", "gaussian-blur"]}),
              *moves_of({"moves": ["translation", "rotation"]})]  # fmt: skip
    whole = given(cases, wanted)

    assert np.array_equal(given(cases, wanted, batch=1), whole)
    assert np.array_equal(given(cases, wanted, batch=3), whole)
    assert np.array_equal(given(cases[2:3], wanted)[0], whole[2])
    assert not whole[1].any(), "a volume that cannot be read is no volume"
    assert not np.array_equal(whole[0], whole[2])


def test_the_jobs_leave_rows_of_the_usual_form_whatever_the_shard(folder, tmp_path):
    ids = ["v0000", "gone", "v0001", "v0002", "v0003"]
    chosen = corrupt_params("CT", only=["gamma", "slice-thickness"], pictures=False)
    for name, run, params in ((CORRUPT, corrupt_job, chosen), (MOVE, move_job, {"maps": False})):
        job = job_of(folder, name, **params)
        result = run(job, tmp_path, QUIET)
        data = (tmp_path / result["table"]).read_bytes()
        check_of(name, job, 2)(data, ids)
        found = outputs_of(table(data), ids)

        assert found.failures == {"gone": "no_image"}
        assert np.isfinite(found.outputs[[0, 2, 3, 4]]).all()
        alone = run({**job, "cases": job["cases"][3:4], "batch": 1}, tmp_path, QUIET)
        other = outputs_of(table((tmp_path / alone["table"]).read_bytes()), ["v0002"])
        assert other.outputs[0] == pytest.approx(found.outputs[3], abs=1e-6)
    assert result["failed"] == 1


def test_the_answers_are_those_of_the_network_to_each_copy(folder, tmp_path):
    """A ball of 7 mm is seen in slices of 3 mm and of 5, and is lost in those of 15 mm."""
    job = job_of(folder, CORRUPT, corruptions=["slice-thickness"], batch=8)
    result = corrupt_job(job, tmp_path, QUIET)
    ids = ["v0000", "gone", "v0001", "v0002", "v0003"]
    found = outputs_of(table((tmp_path / result["table"]).read_bytes()), ids)

    answers = found.outputs[[2, 4], :, 0]
    assert (answers[:, :2] > 0.5).all()
    assert (answers[:, 4] < 0.5).all()
    assert (found.outputs[[0, 3], :, 0] < 0.5).all()


def test_volumes_are_planned_as_pictures_are_and_without_maps():
    found = dict(asked_for(["corruptions", "moves"], walks=True, pictures=False, modality="CT"))

    assert found[CORRUPT]["corruptions"] == [one.id for one in corruptions_for("CT", volumes=True)]
    assert "slice-thickness" in found[CORRUPT]["corruptions"]
    assert found[MOVE]["maps"] is False
    generic = dict(asked_for(["corruptions"], walks=True, pictures=False))[CORRUPT]
    assert generic == PASSES[CORRUPT].params
    none = asked_for(
        ["corruptions"], walks=False, pictures=False, modality="DX", only=["xray-dose"]
    )
    assert none == []


def reversed_of(volume, spacing_mm, modality):
    """Corruptions of which a severity changes a volume less than the one before."""
    wrong = []
    for one in corruptions_for(modality, volumes=True):
        n = {"share of the cases": 20, "largest gain over the smallest": 12}.get(one.parameter, 3)
        away = [
            np.mean([np.sqrt(np.mean(np.square(
                corrupted_volume(one, volume, spacing_mm, severity, f"c{case}", 7) - volume
            ))) for case in range(n)])
            for severity in range(SEVERITIES + 1)
        ]  # fmt: skip
        if any(b < a * (1 - 1e-9) for a, b in pairwise(away)):
            wrong.append(one.id)
    return wrong


def test_a_real_series_is_corrupted_and_moved_as_the_slices_it_came_in(tmp_path):
    """Five slices of CT of 16 x 16 pixels, 2.5 mm apart, that come with pydicom."""
    case = Case("ct", tuple(sorted(SERIES.iterdir())))
    given_ = GIVEN | {"size": [16, 16, 5], "orientation": "RAS"}
    declared = Input.model_validate(given_)
    one = prepared(case, declared)
    volume, stack = unit_volume(one, declared)

    assert one.stacked == 2
    assert stack.runs == "SPL"
    assert stack.spacing_mm[0] == pytest.approx(2.5)
    assert volume.std() > 0.02
    assert reversed_of(volume, stack.spacing_mm, "CT") == []
    # A slice of the series, as its file has it: rows from the front, columns from the right.
    first = min((pydicom.dcmread(path) for path in case.images),
                key=lambda file: file.ImagePositionPatient[2])  # fmt: skip
    stored_ = first.pixel_array * float(first.RescaleSlope) + float(first.RescaleIntercept)
    assert volume[0] == pytest.approx((stored_.clip(-1000, 1000) + 1000) / 2000, abs=1e-5)
    wanted = [(corruption("slice-thickness"), 5), (move("translation"), 2)]
    thick, shifted = given([case], wanted, declared)[0]
    assert np.ptp(stack.slices(thick[0]), axis=0).max() == pytest.approx(0, abs=1e-5)
    assert np.abs(shifted - one.array).max() > 0.01


@pytest.mark.skipif(not PYRADIOMICS.is_file(), reason="PLUMBLINE_DEMO_CACHE has no pyradiomics")
def test_no_severity_runs_backwards_on_a_real_chest(tmp_path):
    """61 slices of 5 mm, of the source archive of pyradiomics 3.0.1, whose code is not run."""
    with tarfile.open(PYRADIOMICS) as packed:
        data = packed.extractfile("pyradiomics-3.0.1/data/lung2_image.nrrd").read()
    values = read_nrrd(data).transpose(2, 1, 0)[::4, ::4].astype(np.float32)
    affine = np.diag([-0.6269531 * 4, -0.6269531 * 4, 5.0, 1.0])
    (tmp_path / "lung.nii").write_bytes(nifti(values, affine, zipped=False))
    declared = Input.model_validate(GIVEN | {"size": [64, 64, 48], "orientation": "RAS"})
    case = Case("lung", (tmp_path / "lung.nii",))
    volume, stack = unit_volume(prepared(case, declared), declared)

    assert stack.runs == "SPL"
    assert stack.spacing_mm == pytest.approx((5.0 * 61 / 48, 5.0156, 5.0156), rel=1e-3)
    assert volume[24, 2, 32] < 0.05 < 0.4 < volume[24].max(), "air in front, and a patient"
    assert reversed_of(volume, stack.spacing_mm, "CT") == []


def test_as_it_is_the_network_answers_as_predict_does(folder):
    """Gamma of 1 would be nothing; a flat volume is the same wherever it lies."""
    job = job_of(folder, MOVE)
    asked = Asked.of(job)
    session, declared = asked.of_file(), asked.manifest.input
    flat = folder.parent / "flat.nii"
    flat.write_bytes(nifti(np.full(nodules.SIDES, -200, np.int16), zipped=False))
    case = Case("flat", (flat,))
    found = outputs_on_volumes(
        session, declared, [case], moves_of(job), seed=1, reporter=QUIET
    ).rows["flat"]
    clean = predict(session, declared, [case], reporter=QUIET).rows["flat"]

    for row in found:
        assert row == pytest.approx(clean, abs=1e-5)
    corrupted = corrupt(session, declared, [case], versions({"corruptions": ["gaussian-blur"]}),
                        seed=1, reporter=QUIET)  # fmt: skip
    assert corrupted.rows["flat"][4] == pytest.approx(clean, abs=1e-5)
