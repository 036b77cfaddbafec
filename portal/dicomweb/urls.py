"""Three roots with the same addresses below: the token's team, a team, a cohort version of it."""

from django.urls import URLPattern, URLResolver, include, path, register_converter

from portal.dicomweb import qido, rendering, stow, wado
from portal.dicomweb.door import by_method
from portal.dicomweb.nowhere import nothing_here


class UidConverter:
    regex = r"[0-9]+(?:\.[0-9]+)*"

    def to_python(self, value: str) -> str:
        if len(value) > 64:
            raise ValueError("no UID is so long")
        return value

    def to_url(self, value: object) -> str:
        return str(value)


register_converter(UidConverter, "dicom_uid")

_STUDY = "studies/<dicom_uid:study>"
_SERIES = f"{_STUDY}/series/<dicom_uid:series>"
_INSTANCE = f"{_SERIES}/instances/<dicom_uid:instance>"

services: list[URLPattern | URLResolver] = [
    path("studies", by_method(GET=qido.studies, POST=stow.store_instances), name="studies"),
    path("wado", rendering.by_uri, name="wado-uri"),
    path("series", qido.series, name="all-series"),
    path("instances", qido.instances, name="all-instances"),
    path(f"{_STUDY}/series", qido.series, name="series-of-study"),
    path(f"{_STUDY}/instances", qido.instances, name="instances-of-study"),
    path(f"{_SERIES}/instances", qido.instances, name="instances-of-series"),
    path(f"{_STUDY}", wado.study, name="study"),
    path(f"{_SERIES}", wado.series, name="series"),
    path(f"{_INSTANCE}", wado.instance, name="instance"),
    path(f"{_STUDY}/metadata", wado.study_metadata, name="study-metadata"),
    path(f"{_SERIES}/metadata", wado.series_metadata, name="series-metadata"),
    path(f"{_INSTANCE}/metadata", wado.instance_metadata, name="instance-metadata"),
    path(f"{_INSTANCE}/rendered", rendering.frame, name="rendered"),
    path(f"{_INSTANCE}/frames/<str:frames>/rendered", rendering.frame, name="frame-rendered"),
    path(f"{_INSTANCE}/frames/<str:frames>", wado.frames, name="frames"),
    path(f"{_INSTANCE}/bulkdata/<str:place>", wado.bulk, name="bulk"),
]

# /dicomweb/
urlpatterns = [
    path("t/<slug:team>/cohorts/<uuid:version_id>/", include((services, "dicomweb-cohort"))),
    path("t/<slug:team>/", include((services, "dicomweb-team"))),
    path("", include((services, "dicomweb"))),
    path("<path:rest>", nothing_here),
]
