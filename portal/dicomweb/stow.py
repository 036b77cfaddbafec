"""STOW-RS: what is sent goes through the same door as every cohort, and waits as a draft."""

import re
import tempfile
import time
import zipfile
from collections.abc import Iterable
from typing import IO, Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from portal.accounts.access import check_may
from portal.api.problems import Problem
from portal.blobs import store
from portal.dicomweb.access import Scope, token_of
from portal.dicomweb.door import door
from portal.dicomweb.models import Instance
from portal.dicomweb.parts import Parts
from portal.dicomweb.qido import DICOM_JSON
from portal.dicomweb.wado import DICOM, address_of
from portal.intake.actions import ACT_OF, hand_in
from portal.intake.models import Upload, UploadKind
from portal.leases import WorkState

TITLE = "Received by DICOMweb"
MOST_PARTS = 5000
WAIT_SECONDS = 60.0
LOOK_SECONDS = 0.1
COERCED = 0xB000  # PS3.18 table I.2-2: names, dates and UIDs are not those that were sent
_PARAM = re.compile(r';\s*([a-zA-Z-]+)\s*=\s*("[^"]*"|[^;"\s]+)')


@door("POST")
def store_instances(request: HttpRequest, scope: Scope) -> HttpResponseBase:
    """A draft version of the cohort “Received by DICOMweb”, one case to an instance.

    The answer waits for the reading: 200 with every instance, 409 with the reasons and nothing
    kept, 202 where it takes longer.
    """
    if token_of(request) is None:
        raise Problem("forbidden", "Storing takes a token; a browser's session is not enough.")
    if scope.version is not None:
        raise Problem("conflict", "A cohort version is not added to; store at the team's root.")
    check_may(scope.user, scope.team, ACT_OF[UploadKind.COHORT])  # before any byte is put away
    with tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR) as file:
        _pack(_parts_of(request), file)
        file.seek(0)
        blob = store.put(file, "application/zip")
    upload = hand_in(
        actor=scope.user, team=scope.team, kind=UploadKind.COHORT, file_name="dicomweb.zip",
        blob=blob, seal=False,
    )  # fmt: skip
    return _answer(scope, wait_for(upload))


def _parts_of(request: HttpRequest) -> Parts:
    given = request.headers.get("Content-Type", "")
    params = {name.lower(): value.strip('"') for name, value in _PARAM.findall(given)}
    if not given.lower().startswith("multipart/related") or params.get("type", DICOM) != DICOM:
        raise Problem("unsupported_media_type",
                      f'Send multipart/related; type="{DICOM}" with a boundary.')  # fmt: skip
    if int(request.headers.get("Content-Length") or 0) > settings.UPLOAD_MAX_BYTES:
        most = settings.UPLOAD_MAX_BYTES
        raise Problem("too_large", f"This portal takes at most {most:,} bytes.", most_bytes=most)
    return Parts(request, params.get("boundary", ""), settings.UPLOAD_MAX_BYTES)


def _pack(parts: Parts, file: IO[bytes]) -> None:
    """A cohort folder of the parts, as one would hand it in; nobody looks into them here."""
    cases = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for number, media_type in enumerate(parts.heads(), 1):
            if media_type != DICOM:
                raise Problem("unsupported_media_type", f"Part {number} is no {DICOM}.")
            if number > MOST_PARTS:
                raise Problem("too_large", f"At most {MOST_PARTS} instances are one request.")
            name = f"images/{number:05}.dcm"
            with archive.open(name, "w", force_zip64=True) as out:
                parts.write_to(out)
            cases.append(f"instance-{number:05},{name}\n")
        if not cases:
            raise Problem("bad_request", "The body has no part.")
        archive.writestr("cohort.yaml", f"title: {TITLE}\n")
        archive.writestr("cases.csv", "case_id,image\n" + "".join(cases))


def wait_for(upload: Upload) -> Upload:
    end = time.monotonic() + WAIT_SECONDS
    while upload.state not in (WorkState.DONE, WorkState.FAILED) and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
        upload.refresh_from_db()
    return upload


def _answer(scope: Scope, upload: Upload) -> HttpResponseBase:
    if upload.state == WorkState.FAILED:
        raise Problem("conflict", upload.error, upload=str(upload.pk))
    if upload.state != WorkState.DONE:
        response = JsonResponse({}, status=202, content_type=DICOM_JSON)
        response["Warning"] = '299 plumbline "What was sent is still being read."'
        response["Location"] = f"/api/v1/uploads/{upload.pk}"
        return response
    if upload.cohort_version is None:
        codes = [dict(refusal) for refusal in upload.refusals]
        first = str(codes[0].get("message", "")) if codes else ""
        raise Problem("conflict", f"Nothing was kept. {first}", refusals=codes,
                      upload=str(upload.pk))  # fmt: skip
    rows = upload.cohort_version.instances.order_by("pk")
    return JsonResponse(_stored(scope, rows), content_type=DICOM_JSON)


def _stored(scope: Scope, rows: Iterable[Instance]) -> dict[str, Any]:
    """The dataset of PS3.18 10.5.3: what is kept, and under which names."""
    rows = list(rows)
    said: dict[str, Any] = {"00081199": {"vr": "SQ", "Value": [_reference(scope, r) for r in rows]}}
    if len({row.study_uid for row in rows}) == 1:
        at = f"{scope.root}/studies/{rows[0].study_uid}"
        said["00081190"] = {"vr": "UR", "Value": [at]}
    return said


def _reference(scope: Scope, row: Instance) -> dict[str, Any]:
    return {
        "00081150": {"vr": "UI", "Value": [row.sop_class]},
        "00081155": {"vr": "UI", "Value": [row.sop_uid]},
        "00081190": {"vr": "UR", "Value": [address_of(scope, row)]},
        "00081196": {"vr": "US", "Value": [COERCED]},
    }
