"""Volumes and their maps, from hand-in to what the viewer is given, and to whom."""

import json

import numpy as np
import pytest
from django.urls import reverse

from ml.checks import all_checks
from ml.engine.kept_maps import BY_PIECES
from ml.evidence.passes import NOTHING_MARKED
from ml.zoo import nodules
from portal.audits.models import Shard
from portal.audits.planning import lock_protocol, start_audit, write_protocol
from portal.intake.models import UploadKind
from portal.seen import actions, viewer
from portal.seen.models import Seen
from tests.ml.engine.test_segment import model as segmenting
from tests.ml.imaging.test_mask import nifti
from tests.ml.intake.build import merged
from tests.portal.people import signed_in, text
from tests.workers.test_run import read_in, run_all, team  # noqa: F401
from workers import seen as work
from workers.statistics import load_evidence


def asked_for_maps(team, checks):  # noqa: F811
    body = {"checks": checks, "draws": 200, "keep_maps": True}
    rules = write_protocol(actor=team.owner, team=team, name="Maps", body=body)
    lock_protocol(actor=team.owner, protocol=rules)
    rules.refresh_from_db()
    return rules


def prepared(team, version, case):  # noqa: F811
    seen = actions.ask(actor=team.owner, version=version, case=case)
    work.prepare_seen(str(seen.pk))
    seen.refresh_from_db()
    assert seen.state == "done", seen.error
    assert seen.volume, seen.refusal
    return seen


@pytest.fixture
def world(team, read_in, tmp_path):  # noqa: F811
    cohort = read_in(UploadKind.COHORT, nodules.cohort_folder(tmp_path / "c", n=12)).cohort_version
    model = read_in(UploadKind.MODEL, nodules.smooth_model_folder(tmp_path / "m")).model_version
    audit = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=model,
        protocol=asked_for_maps(team, ["discrimination", "explanation-faithfulness"]),
    )  # fmt: skip
    run_all(audit)
    return audit, prepared(team, model, cohort.cases.get(case_id="v0003"))


def addresses(audit, seen, structure=0):
    slug = audit.team.slug
    return (
        reverse("seen:volume", args=[slug, seen.pk]),
        reverse("seen:map", args=[slug, seen.pk, audit.pk, structure]),
    )


def test_the_page_gives_the_viewer_voxels_and_maps_that_are_the_audits(world, make_member):
    audit, seen = world
    assert list(audit.passes.values_list("name", flat=True)) == ["predict", "attribute"]
    evidence = load_evidence(audit)
    maps = evidence.attributions
    faithful = next(one for one in all_checks() if one.id == "explanation-faithfulness")
    assert "They take pictures, not volumes" in faithful.missing(evidence)
    assert maps.maps.shape == (12, 1, 32, 32, 32)
    client = signed_in(make_member(audit.team, "viewer"))
    given = viewer.as_context(seen)["viewer"]
    page = text(client.get(seen.get_absolute_url()))

    assert "data-viewer" in page
    assert "The score is the log-odds of the finding; where" in page
    assert (given["modality"], given["axes"], given["shape"]) == ("CT", "RAS", [32, 32, 32])
    assert given["spacing_mm"] == list(nodules.SPACING_MM)
    assert given["overlays"][0]["title"] == f"Grad-CAM of nodule, {audit.reference}"
    (shard,) = audit.passes.get(name="attribute").shards.all()
    layer = shard.evidence.runtime["runtime"]["map_layer"]
    assert layer
    assert given["overlays"][0]["layer"] == layer
    volume, of_case = addresses(audit, seen)
    assert (given["url"], given["overlays"][0]["url"]) == (volume, of_case)
    answer = client.get(volume)
    voxels = np.frombuffer(answer.getvalue(), "<f4")
    answer.close()
    assert voxels.size * 4 == given["bytes"]
    assert voxels.max() > 0.5, "the ball is there"
    answer = client.get(of_case)
    at = [case.case_id for case in audit.cohort_version.cases.order_by("position")].index("v0003")
    found = np.frombuffer(answer.content, "<f4").reshape(32, 32, 32)
    np.testing.assert_array_equal(found, maps.maps[at, 0])
    assert answer["X-Map-Sides"] == "32,32,32"
    assert float(answer["X-Map-Score"]) == maps.score[at, 0]
    # It shows the ball: warm where the volume is bright.
    assert found[voxels.reshape(32, 32, 32) > 0.5].mean() > 100 * abs(np.median(found))
    for address in (volume, of_case):
        first = client.get(address)
        first.close()
        assert first["Content-Type"] == "application/octet-stream"
        assert first["Content-Security-Policy"] == "sandbox; default-src 'none'"
        again = client.get(address, headers={"If-None-Match": first["ETag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_nobody_else_gets_them(world, team, make_team, client):  # noqa: F811
    audit, seen = world
    stranger = signed_in(make_team("Elsewhere").owner)
    for address in addresses(audit, seen):
        assert stranger.get(address).status_code == 404
        own = address.replace(f"/t/{audit.team.slug}/", "/t/elsewhere/")
        assert stranger.get(own).status_code == 404, "under their own team it is not there"
        assert client.get(address).status_code == 302
    member = signed_in(team.owner)
    assert member.get(addresses(audit, seen, 1)[1]).status_code == 404
    Shard.objects.filter(work__audit=audit, work__name="attribute").delete()
    assert member.get(addresses(audit, seen)[1]).status_code == 404
    assert viewer.as_context(seen)["viewer"]["overlays"] == []
    assert "No audit of this version on this cohort kept maps" in text(
        member.get(seen.get_absolute_url())
    )


def test_what_was_prepared_before_or_is_too_large_says_so(world, team):  # noqa: F811
    audit, seen = world
    member = signed_in(team.owner)
    Seen.objects.filter(pk=seen.pk).update(volume={**seen.volume, "blob": ""})
    page = text(member.get(seen.get_absolute_url()))
    assert "too large for the viewer" in page
    assert "data-viewer" not in page
    assert member.get(addresses(audit, seen)[0]).status_code == 404

    Seen.objects.filter(pk=seen.pk).update(volume={})
    page = text(member.get(seen.get_absolute_url()))
    assert "prepared before there was a viewer" in page
    make = reverse("seen:make", args=[audit.team.slug, seen.version_id, seen.case_id])
    member.post(make)
    seen.refresh_from_db()
    assert seen.state == "waiting"
    work.prepare_seen(str(seen.pk))
    assert "data-viewer" in text(member.get(seen.get_absolute_url()))
    member.post(make)
    seen.refresh_from_db()
    assert seen.state == "done", "nothing is made twice"


def volumes_with_masks(folder):
    """Two cases: one with a bright block, and one without."""
    folder.mkdir()
    rows = ["case_id,image,mask"]
    for name, bright in (("block", 255.0), ("empty", 0.0)):
        voxels = np.zeros((8, 8, 8), np.float32)
        voxels[2:5, 2:6, 3:7] = bright
        (folder / f"{name}.nii.gz").write_bytes(nifti(voxels))
        (folder / f"{name}-mask.nii.gz").write_bytes(nifti((voxels > 0).astype(np.uint8)))
        rows.append(f"{name},{name}.nii.gz,{name}-mask.nii.gz")
    (folder / "cases.csv").write_text("\n".join(rows))
    body = {"title": "Blocks", "task": "segmentation", "classes": ["spot"]}
    (folder / "cohort.yaml").write_text(json.dumps(body))
    return folder


@pytest.mark.parametrize("pieces", [False, True])
def test_what_is_marked_nowhere_and_what_is_seen_by_the_piece_say_so(
    pieces, team, read_in, tmp_path  # noqa: F811
):  # fmt: skip
    given = {"dims": 3, "size": [8, 8, 8], "resize": {"mode": "nearest"}}
    if pieces:
        given = merged(given, {"patch": {"size": [8, 8, 8]}})
    model = read_in(
        UploadKind.MODEL, segmenting(tmp_path / "m", sides=(8, 8, 8), input=given)
    ).model_version
    upload = read_in(UploadKind.COHORT, volumes_with_masks(tmp_path / "c"))
    assert upload.accepted, upload.refusals
    cohort = upload.cohort_version
    audit = start_audit(
        actor=team.owner, team=team, cohort_version=cohort, model_version=model,
        protocol=asked_for_maps(team, ["segmentation"]),
    )  # fmt: skip
    run_all(audit)
    assert audit.state == "sealed"
    client = signed_in(team.owner)
    block, empty = (
        prepared(team, model, cohort.cases.get(case_id=one)) for one in ("block", "empty")
    )
    of_block, of_empty = (client.get(addresses(audit, one)[1]) for one in (block, empty))

    assert "over the voxels that the model marks" in text(client.get(block.get_absolute_url()))
    assert of_empty.status_code == 204
    if pieces:
        assert "by the piece" in of_block["X-Map-Reason"]
        assert BY_PIECES in viewer._REASONS
    else:
        assert "marks nothing" in of_empty["X-Map-Reason"]
        assert NOTHING_MARKED in viewer._REASONS
        assert of_block.status_code == 200, of_block.headers
        assert of_block["X-Map-Sides"] == "8,8,8"
        # Its one layer is the input; the logits of the block are its voxels less a half.
        assert float(of_block["X-Map-Score"]) == pytest.approx(3 * 4 * 4 * 0.5)
