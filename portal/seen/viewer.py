"""What the viewer of a volume is given: its voxels, how they lie, and the maps of audits."""

import json
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_GET

from ml.engine.explain_form import ATTRIBUTE, METHODS, VOLUMES
from ml.evidence.one_map import map_of
from portal.accounts.access import get_team_or_404, signed_in
from portal.audits.models import Pass, Shard
from portal.blobs import store
from portal.blobs.models import Blob
from portal.cohorts.masks import SEGMENTATION
from portal.cohorts.pictures import KEPT, PICTURE_POLICY
from portal.seen import access
from portal.seen.models import Seen
from portal.ui import numbers

MOST_OVERLAYS = 20  # that one page offers, of the audits that were sealed last
# The letters at the left, right, top and bottom edge: as radiologists look at each.
PLANES = (
    {"name": "axial", "title": "Axial", "edges": "RLAP"},
    {"name": "coronal", "title": "Coronal", "edges": "RLSI"},
    {"name": "sagittal", "title": "Sagittal", "edges": "APSI"},
)
_VOXELS = "application/octet-stream"
_REASONS = {
    "nothing_marked": "The model marks nothing as this structure, so there is no score to explain.",
    "map_by_pieces": "The model takes this volume by the piece, so there is no map of the whole.",
    "non_finite_output": "The map holds values that are no numbers.",
}


def as_context(seen: Seen) -> dict[str, Any]:
    """For the page of a case; ``viewer`` is handed to the script. {} without a volume to show."""
    if not seen.volume.get("blob"):
        return {}
    team = seen.version.model.team.slug
    about = {key: value for key, value in seen.volume.items() if key != "blob"}
    cohort = seen.case.version
    given = {
        **about,
        "url": reverse("seen:volume", args=[team, seen.pk]),
        "bytes": 4 * about["shape"][0] * about["shape"][1] * about["shape"][2],
        "case": seen.case.case_id,
        "modality": cohort.modality or "",
        "overlays": _overlays(seen),
    }
    return {
        "viewer": given,
        "viewer_json": json.dumps(given),
        "planes": PLANES,
        "marks": _marks(seen),
        "cut": _cut(seen),
    }


def _cut(seen: Seen) -> str:
    """ "-1000 to 400", where the manifest says so: what lies beyond is not seen."""
    intensity = seen.version.manifest["input"].get("intensity", {})
    ends = intensity.get("window") or intensity.get("clip")
    return f"to {_plain(ends[0])} to {_plain(ends[1])}" if ends else ""


def _plain(value: float) -> str:
    return f"{value:g}".replace("-", numbers.MINUS)


def _overlays(seen: Seen) -> list[dict[str, str]]:
    """The maps of this case: of each audit one, or one for each structure that the model marks."""
    team = seen.version.model.team.slug
    found = []
    for run in _passes(seen)[:MOST_OVERLAYS]:
        title = METHODS[str(run.params["method"])].title
        layer = next(
            (
                str((shard.evidence.runtime.get("runtime") or {}).get("map_layer", ""))
                for shard in run.shards.select_related("evidence")
                if shard.evidence is not None
            ),
            "",
        )
        for structure, of in _structures(seen):
            address = reverse("seen:map", args=[team, seen.pk, run.audit_id, structure])
            found.append(
                {
                    "id": f"{run.audit.reference}-{structure}",
                    "url": address,
                    "title": f"{title} of {of}, {run.audit.reference}",
                    "layer": layer,
                }
            )
    return found


def _marks(seen: Seen) -> bool:
    return bool(seen.case.version.task == SEGMENTATION)


def _structures(seen: Seen) -> list[tuple[int, str]]:
    """The number of each structure and what it is called; of a model with scores 0 and these."""
    positive = list(seen.version.manifest["output"]["positive"])
    return list(enumerate(positive)) if _marks(seen) else [(0, " + ".join(positive))]


def _passes(seen: Seen) -> Any:
    """Passes that made maps of the case's cohort by the version that it was prepared for."""
    return (
        Pass.objects.filter(
            name=ATTRIBUTE,
            further=None,
            audit__team=seen.version.model.team,
            audit__model_version=seen.version,
            audit__cohort_version=seen.case.version,
            params__has_key=VOLUMES,
            shards__evidence__isnull=False,
        )
        .select_related("audit__team")
        .distinct()
        .order_by("-audit__created_at")
    )


@require_GET
@login_required
def volume(request: HttpRequest, team: str, seen_id: UUID) -> HttpResponseBase:
    """The voxels that a worker's child prepared: float32, little-endian, the last axis fastest."""
    seen = access.get_seen_or_404(get_team_or_404(signed_in(request), team), seen_id)
    if not seen.volume.get("blob"):
        raise Http404("no such volume")
    blob = get_object_or_404(Blob, pk=seen.volume["blob"])
    return _unchanging(request, blob.pk) or _answered(
        FileResponse(store.open_blob(blob), content_type=_VOXELS), blob.pk
    )


@require_GET
@login_required
def case_map(
    request: HttpRequest, team: str, seen_id: UUID, audit_id: UUID, structure: int
) -> HttpResponseBase:
    """One map as the volume; its sides and score are headers. Without one the reason is."""
    seen = access.get_seen_or_404(get_team_or_404(signed_in(request), team), seen_id)
    run = get_object_or_404(_passes(seen), audit_id=audit_id)
    case_id = seen.case.case_id
    shards = Shard.objects.filter(work=run, evidence__isnull=False)
    shard = next((one for one in shards if case_id in one.case_ids), None)
    if shard is None or shard.evidence is None:
        raise Http404("no map of this case")
    tag = f"{shard.evidence.key}-{seen.case_id}-{structure}"
    kept = _unchanging(request, tag)
    if kept is not None:
        return kept
    found = map_of(
        store.read_bytes(shard.evidence.blob), case_id, structure if _marks(seen) else None
    )
    if found is None or (structure and not _marks(seen)):
        raise Http404("no such map")
    if found.error:
        response = HttpResponse(status=204)
        response["X-Map-Reason"] = _REASONS.get(found.error, f"The pass says: {found.error}.")
        return _answered(response, tag)
    response = HttpResponse(found.values, content_type=_VOXELS)
    response["X-Map-Sides"] = ",".join(map(str, found.sides))
    response["X-Map-Score"] = repr(found.score)
    return _answered(response, tag)


def _unchanging(request: HttpRequest, tag: str) -> HttpResponseBase | None:
    """304 for who has it already."""
    found: HttpResponseBase | None = get_conditional_response(request, etag=f'"{tag}"')
    return None if found is None else _answered(found, tag)


def _answered(response: HttpResponseBase, tag: str) -> HttpResponseBase:
    response["ETag"] = f'"{tag}"'
    response["Cache-Control"] = KEPT
    response["Content-Security-Policy"] = PICTURE_POLICY
    response["X-Content-Type-Options"] = "nosniff"
    return response
