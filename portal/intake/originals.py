"""What was handed in as a cohort is read once and then deleted: it may name patients."""

from typing import Any

from django.db import transaction

from portal.blobs import store
from portal.blobs.models import Blob
from portal.intake.models import Upload, UploadKind
from portal.leases import WorkState


def forget(upload: Upload) -> None:
    """Delete the bytes of a cohort that was read, once the outcome is sure to be kept.

    The hash and the size stay. A file that somebody else needs is left: the same bytes may be
    the weights of a model, or wait to be read for another team.
    """
    if upload.kind == UploadKind.COHORT:
        transaction.on_commit(lambda: _forget(upload.blob))


def _forget(blob: Blob) -> None:
    if not _needed(blob):
        store.forget(blob)


def _needed(blob: Blob) -> bool:
    """Does any row need the bytes? Uploads that are done with them do not."""
    waiting = Upload.objects.filter(blob=blob).exclude(kind=UploadKind.COHORT, state=WorkState.DONE)
    relations: list[Any] = [
        one for one in Blob._meta.get_fields(include_hidden=True) if one.auto_created
    ]
    return waiting.exists() or any(
        one.related_model.objects.filter(**{one.field.name: blob}).exists()
        for one in relations
        if one.related_model is not Upload
    )
