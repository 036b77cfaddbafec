"""An ensemble handed in, audited and shown; its members are stored once each."""

import hashlib

import numpy as np
import onnx
import pytest
import yaml
from django.test import Client

from ml.engine.cases import Case
from ml.engine.plan import PREDICT, images_by_case
from ml.engine.predict import predict
from ml.engine.session import open_session
from ml.evidence import store as tables
from ml.evidence.intake_record import sealed
from ml.intake.ensemble import Member, index_of
from ml.intake.model import read_model
from ml.intake.model_manifest import ModelManifest
from ml.sandbox.results import ResultError
from ml.zoo.shades import model_folder
from portal.audits.models import Shard
from portal.audits.planning import start_audit
from portal.blobs import store
from portal.blobs.models import Blob
from portal.cohorts import catalogue
from portal.intake import actions
from portal.intake.models import Upload, UploadKind
from tests.ml.intake.build import QUIET
from tests.workers.test_run import cohort, read_in, team  # noqa: F401
from workers import inference
from workers.inference import evidence_of

WIDTHS = (2, 3, 4)


def network(folder, n):
    """A network of ``ml.zoo.shades``, the steeper the larger n is."""
    model_folder(folder, channels=n, name=f"Net {n}")
    graph = onnx.load(folder / "model.onnx")
    for one in graph.graph.initializer:
        if one.name in ("shade", "bias"):
            array = onnx.numpy_helper.to_array(one) * np.float32(n / 3)
            one.CopyFrom(onnx.numpy_helper.from_array(array, one.name))
    onnx.save(graph, folder / "model.onnx")
    return folder


@pytest.fixture
def folders(tmp_path):
    """Three networks, and the ensemble of them."""
    alone = [network(tmp_path / f"net{n}", n) for n in WIDTHS]
    together = tmp_path / "together"
    together.mkdir()
    for n, folder in zip(WIDTHS, alone, strict=True):
        (together / f"net{n}.onnx").write_bytes((folder / "model.onnx").read_bytes())
    manifest = yaml.safe_load((alone[0] / "model.yaml").read_text())
    del manifest["file"]
    manifest |= {
        "name": "Together", "format": "ensemble", "members": [f"net{n}.onnx" for n in WIDTHS]
    }  # fmt: skip
    (together / "model.yaml").write_text(yaml.safe_dump(manifest))
    return [*alone, together]


def page_of(team, version):  # noqa: F811
    client = Client()
    client.force_login(team.owner)
    return client.get(version.get_absolute_url()).content.decode()


def alone_on(shard, folder):
    """What one network answers to the cases of a shard, in this process."""
    images = images_by_case(catalogue.load(shard.work.audit.cohort_version))
    manifest = ModelManifest.model_validate(yaml.safe_load((folder / "model.yaml").read_text()))
    cases = [
        Case(name, tuple(store.local_path(Blob(sha256=sha), folder) for sha in images[name]))
        for name in shard.case_ids
    ]
    session = open_session(folder / "model.onnx", manifest)
    return list(predict(session, manifest.input, cases, reporter=QUIET).rows.values())


def test_an_ensemble_answers_the_mean_of_its_members(team, read_in, cohort, folders):  # noqa: F811
    alone = read_in(UploadKind.MODEL, folders[0]).model_version
    upload = read_in(UploadKind.MODEL, folders[-1])
    assert upload.model_version is not None, upload.refusals
    together = upload.model_version
    audit = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=together
    )  # fmt: skip
    shard = Shard.objects.filter(work__audit=audit, work__name=PREDICT).latest("position")

    inference.run_shard(str(shard.pk))

    (made,) = evidence_of(audit)
    mean = [outputs for _, outputs, _ in tables.rows(store.read_bytes(made.blob))]
    each = [alone_on(shard, folder) for folder in folders[:-1]]
    assert np.ptp(each, axis=0).max() > 1e-3
    assert np.array(mean) == pytest.approx(np.mean(each, axis=0), abs=1e-9)
    # A member that was there already is not stored again, and the index is small.
    assert alone.weights.sha256 in [member["sha256"] for member in together.card["members"]]
    assert together.weights.size_bytes < 400
    html = page_of(team, together)
    assert "ENSEMBLE of 3" in html
    assert "Ensemble of 3: tensors and known operations" in html


def test_a_member_that_is_refused_refuses_the_whole_and_is_named(team, read_in, folders):  # noqa: F811
    (folders[-1] / "net3.onnx").write_bytes(b"\x80\x04K\x01.")

    upload = read_in(UploadKind.MODEL, folders[-1])

    assert [(one["code"], one["file"]) for one in upload.refusals] == [
        ("pickle_refused", "net3.onnx")
    ]
    assert upload.model_version.weights is None


def test_an_index_may_name_no_file_but_those_that_came_with_it(team, folders, tmp_path):  # noqa: F811
    """A child that was taken over could name the weights of another team."""
    out = tmp_path / "left"
    out.mkdir()
    result = read_model(folders[-1], out, QUIET)
    other = store.put_bytes(b"the weights of another team")
    own = [Member("onnx", member["sha256"]) for member in result["card"]["members"]]
    index = index_of([*own[:2], Member("onnx", other.sha256)])
    sha256 = hashlib.sha256(index).hexdigest()
    (out / "files" / sha256).write_bytes(index)
    result["sha256"] = result["card"]["sha256"] = sha256
    result["files"][0] |= {"sha256": sha256, "path": f"files/{sha256}"}
    result["card"] = sealed(result["card"])
    upload = Upload(team=team, kind=UploadKind.MODEL, created_by=team.owner)

    with pytest.raises(ResultError, match="other files"):
        actions.accept_model(upload, 1, result, out, [])
