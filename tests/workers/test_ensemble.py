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
from ml.evidence.store import sha256_of
from ml.intake.ensemble import Member, index_of
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
from tests.ml.intake.build import MANIFEST, QUIET
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


def told(folder, *contents, **changes):
    """What a child says of an ensemble whose files have these contents, the index first."""
    (folder / "files").mkdir(parents=True)
    files = []
    for content in contents:
        sha256 = hashlib.sha256(content).hexdigest()
        (folder / "files" / sha256).write_bytes(content)
        files.append({"name": sha256, "sha256": sha256, "path": f"files/{sha256}"})
    plain = {name: value for name, value in MANIFEST.items() if name != "file"}
    manifest = ModelManifest.model_validate(
        plain | {"format": "ensemble", "members": ["a.onnx", "b.onnx"]}
    ).model_dump(mode="json")
    return {
        "manifest": manifest,
        "manifest_sha256": sha256_of(manifest),
        "card": sealed({"format": "ensemble"}),
        "sha256": files[0]["sha256"],
        "files": files,
    } | changes


def refused_by_us(whose, folder, result, words):
    upload = Upload(team=whose, kind=UploadKind.MODEL, created_by=whose.owner)
    with pytest.raises(ResultError, match=words):
        actions.accept_model(upload, 1, result, folder, [])


def test_an_index_may_name_no_file_but_those_that_came_with_it(team, tmp_path):  # noqa: F811
    """A child that was taken over could name the weights of another team."""
    other = store.put_bytes(b"the weights of another team")
    index = index_of([Member("onnx", other.sha256)])

    refused_by_us(
        team, tmp_path / "left", told(tmp_path / "left", index, b"one's own"), "other files"
    )


def test_an_index_that_is_none_or_too_large_is_not_taken(team, tmp_path):  # noqa: F811
    for name, index in (("none", b"[1]"), ("large", b" " * (actions.MOST_INDEX + 1))):
        words = "cannot be used" if name == "none" else "larger"
        refused_by_us(team, tmp_path / name, told(tmp_path / name, index), words)
    result = told(tmp_path / "gone", b"x", sha256="0" * 64)
    refused_by_us(team, tmp_path / "gone", result, "no weights")
