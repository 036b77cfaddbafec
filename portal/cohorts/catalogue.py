"""The catalogue of a cohort version: what intake wrote, read back for audits and pages."""

import json
from functools import lru_cache
from typing import Any

from portal.blobs import store
from portal.blobs.models import Blob
from portal.cohorts.models import CohortVersion


@lru_cache(maxsize=4)
def _parsed(sha256: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(store.read_bytes(Blob.objects.get(pk=sha256)))
    return parsed


def load(version: CohortVersion) -> dict[str, Any]:
    """Shared between calls: treat it as read-only."""
    return _parsed(version.catalogue_id)
