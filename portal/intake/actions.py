"""Everything that changes an upload. A worker reads it; nothing half-imported stays."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from ml.assemble import masks_of_table
from ml.evidence import store as tables
from ml.evidence.store import canonical
from ml.intake.deidentified import deidentified_left
from ml.intake.dicom_rows import rows_left
from ml.intake.ensemble import members_in
from ml.intake.left import catalogue_left, files_of, model_left, predictions_left, scan_left
from ml.intake.model_manifest import ENSEMBLE
from ml.intake.program_file import kept_beside
from ml.sandbox.results import ResultError, left
from portal.accounts.access import check_may
from portal.accounts.models import Team, User
from portal.accounts.roles import Act
from portal.blobs import store
from portal.blobs.models import Blob
from portal.cohorts import actions as cohorts
from portal.dicomweb import actions as dicomweb
from portal.intake import originals
from portal.intake.models import Upload, UploadKind
from portal.jobs import Job, enqueue
from portal.leases import LeaseLost, WorkState, give_up_or_wait, release
from portal.registry import actions as registry
from portal.trail.actions import record

ACT_OF = {
    UploadKind.MODEL: Act.HAND_IN_MODEL,
    UploadKind.PREDICTIONS: Act.HAND_IN_MODEL,
    UploadKind.COHORT: Act.HAND_IN_COHORT,
}

MOST_INDEX = 1024**2  # bytes of the list of an ensemble's members

LONE_FILE = {
    "code": "manifest_missing",
    "message": "The file alone does not say how its input and output are meant. Hand it in "
    "together with a model.yaml; the page where you hand in has one to start from.",
    "file": "model.yaml",
}


@transaction.atomic
def hand_in(
    *, actor: User, team: Team, kind: UploadKind, file_name: str, blob: Blob, seal: bool = True
) -> Upload:
    check_may(actor, team, ACT_OF[kind])
    upload = Upload.objects.create(
        team=team, kind=kind, file_name=file_name[:255], blob=blob, seal=seal, created_by=actor
    )
    record(team=team, actor=actor, action=f"{kind} handed in", obj=upload, sha256=blob.sha256)
    ring_upload(upload)
    return upload


def ring_upload(upload: Upload) -> None:
    Upload.objects.filter(pk=upload.pk).update(rung_at=Now())
    enqueue(Job.READ_UPLOAD, upload_id=str(upload.pk))


@transaction.atomic
def retry_upload(*, actor: User, upload: Upload) -> None:
    """Only an upload that failed on our side; a refused one needs another file."""
    check_may(actor, upload.team, ACT_OF[UploadKind(upload.kind)])
    failed = Upload.objects.filter(pk=upload.pk, state=WorkState.FAILED)
    if failed.update(state=WorkState.WAITING, attempts=0, error="", finished_at=None):
        record(team=upload.team, actor=actor, action="upload retried", obj=upload)
        ring_upload(upload)


def accept(
    upload: Upload, fence: int, result: Mapping[str, Any], folder: Path, log: Sequence[str]
) -> None:
    """Store what the child wrote to `folder` and make the rows, in one transaction at the end."""
    kind = UploadKind(upload.kind)
    if kind == UploadKind.COHORT:
        catalogue = catalogue_left(folder, result)
        files = {
            sha256: _stored(folder, sha256, media_type)
            for sha256, media_type in sorted(files_of(catalogue).items())
        }
        cleaned = deidentified_left(folder, result)
        rows = rows_left(folder, result)
        offered = {
            sha256: files.get(sha256) or _stored(folder, sha256, "application/dicom")
            for sha256 in sorted({str(row["served"]) for row in rows})
        }
        catalogue_blob = store.put_bytes(canonical(catalogue), "application/json")
        with transaction.atomic():
            version = cohorts.add_version(
                team=upload.team,
                actor=upload.created_by,
                catalogue=catalogue,
                blob=catalogue_blob,
                files=files,
            )
            dicomweb.add_instances(version=version, rows=rows, files=offered)
            if cleaned is not None:
                cohorts.keep_deidentification(version=version, report=cleaned)
            if _may_be_sealed(upload, cleaned) and version.state != "sealed":
                cohorts.seal_version(actor=upload.created_by, version=version)
            _done(upload, fence, log, cohort_version=version)
        return
    if kind == UploadKind.MODEL:
        accept_model(upload, fence, result, folder, log)
        return
    meta, data = predictions_left(folder, result)
    # Only masks that came with these predictions can be named by them.
    for sha256 in sorted(set(masks_of_table(tables.table(data)).values())):
        _stored(folder, sha256)
    table = store.put_bytes(data, "application/vnd.apache.parquet")
    if table.sha256 != result["sha256"]:
        raise ResultError("Its table is not the one that its hash says.")
    with transaction.atomic():
        predictions = registry.accept_predictions(
            team=upload.team,
            actor=upload.created_by,
            meta=meta,
            table=table,
            sha256=table.sha256,
            n_cases=result["n"],
        )
        _done(upload, fence, log, predictions=predictions)


def _may_be_sealed(upload: Upload, cleaned: Mapping[str, Any] | None) -> bool:
    """Where names may stand in the pixels a person looks first, and seals by hand."""
    return upload.seal and (cleaned is None or cleaned["burned_in"]["needs_review"] == 0)


def accept_model(
    upload: Upload, fence: int, result: Mapping[str, Any], folder: Path, log: Sequence[str]
) -> None:
    told: Mapping[str, Any] = model_left(result)
    scan = scan_left(told["card"].get("scan") or {})
    if told["manifest"] is None:
        refuse(upload, fence, [LONE_FILE], log, scan)
        return
    names = [str(file["sha256"]) for file in told["files"]]
    stored = {sha256: _stored(folder, sha256) for sha256 in names}
    weights = stored.get(told["sha256"])
    if weights is None:
        raise ResultError("It left no weights under the hash that it names.")
    if told["manifest"]["format"] == ENSEMBLE:
        # An index may name no file but those that came with it: others are not the team's.
        if weights.size_bytes > MOST_INDEX:
            raise ResultError("Its index of members is larger than one can be.")
        try:
            named = {one.sha256 for one in members_in(store.read_bytes(weights))}
        except ValueError as error:
            raise ResultError(f"Its index cannot be used: {error}.") from None
        if named != set(names) - {weights.sha256}:
            raise ResultError("Its index names other files than it left.")
    _keep_beside(folder, weights, told["card"])
    read = registry.ReadModel(
        manifest=told["manifest"],
        card=told["card"],
        sha256=told["sha256"],
        manifest_sha256=told["manifest_sha256"],
        weights=weights,
    )
    try:
        with transaction.atomic():
            version = registry.accept_version(team=upload.team, actor=upload.created_by, read=read)
            _done(upload, fence, log, model_version=version)
    except registry.VersionExists as exists:
        exists_already = {"code": "version_exists", "message": str(exists)}
        refuse(upload, fence, [exists_already], log, scan)


def _stored(folder: Path, sha256: str, media_type: str = "application/octet-stream") -> Blob:
    """A file that the child named by its hash; it must be that file."""
    blob = store.put_path(left(folder, f"files/{sha256}"), media_type)
    if blob.sha256 != sha256:
        raise ResultError("A file that it left is not the one that its name says.")
    return blob


def _keep_beside(folder: Path, weights: Blob, card: Mapping[str, Any]) -> None:
    """What intake made of the network and kept, so that no shard has to make it again."""
    for key, path in kept_beside(Path(weights.sha256)).items():
        if card.get(key) is None:
            continue
        blob = store.put_path(left(folder, f"files/{path.name}"))
        if blob.sha256 != card[key]:
            raise ResultError("What it kept beside the weights is not what its card says.")


@transaction.atomic
def refuse(
    upload: Upload,
    fence: int,
    refusals: Sequence[Mapping[str, Any]],
    log: Sequence[str],
    scan: Mapping[str, Any] | None = None,
) -> None:
    """Done, with reasons. A refused model stays on the list of models.

    Args:
        scan: what lay in it, as `ml.intake.scan.scanned` gives it; nothing where it is unknown.
    """
    refusals = [_by_given_name(upload, refusal) for refusal in refusals]
    extra: dict[str, Any] = {}
    if upload.kind == UploadKind.MODEL:
        extra["model_version"] = registry.refuse_version(
            team=upload.team,
            actor=upload.created_by,
            name=Path(upload.file_name).stem or "unnamed",
            version="unread",
            refusals=refusals,
            scan=_scan_by_given_name(upload, scan or {}),
        )
    _done(upload, fence, log, refusals=refusals, **extra)
    record(
        team=upload.team,
        actor=None,
        action=f"{upload.kind} refused",
        obj=upload,
        codes=sorted({refusal["code"] for refusal in refusals}),
    )


def _scan_by_given_name(upload: Upload, scan: Mapping[str, Any]) -> dict[str, Any]:
    rows = [
        {**row, "name": upload.file_name} if row["name"].startswith(upload.blob_id) else row
        for row in scan.get("files", [])
    ]
    return {**scan, "files": rows} if scan else {}


def _by_given_name(upload: Upload, refusal: Mapping[str, Any]) -> dict[str, Any]:
    """A lone file was read under the name it is stored by; people know it by another."""
    if str(refusal.get("file") or "").startswith(upload.blob_id):
        return {**refusal, "file": upload.file_name}
    return dict(refusal)


def _done(upload: Upload, fence: int, log: Sequence[str], **changes: Any) -> None:
    if not release(Upload, upload.pk, fence, WorkState.DONE, log=list(log)[-100:], **changes):
        raise LeaseLost(str(upload))
    originals.forget(upload)


def fail(upload: Upload, fence: int, sentence: str, log: Sequence[str]) -> None:
    """The attempt failed on our side: again later, until the attempts are used up."""
    upload.refresh_from_db()
    state = give_up_or_wait(upload.attempts)
    release(Upload, upload.pk, fence, state, error=sentence, log=list(log)[-100:])
