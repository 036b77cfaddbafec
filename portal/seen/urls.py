from django.urls import path

from portal.seen import viewer, views

app_name = "seen"

# /t/<team>/seen/
urlpatterns = [
    path("<uuid:version_id>/", views.cases, name="cases"),
    path("<uuid:version_id>/<uuid:case_id>/", views.case, name="case"),
    path("<uuid:version_id>/<uuid:case_id>/make/", views.make, name="make"),
    path("<uuid:version_id>/<uuid:case_id>/progress/", views.progress, name="progress"),
    path("volumes/<uuid:seen_id>/", viewer.volume, name="volume"),
    path(
        "volumes/<uuid:seen_id>/maps/<uuid:audit_id>/<int:structure>/",
        viewer.case_map,
        name="map",
    ),
    path("pictures/<uuid:seen_id>/<int:step>/<int:at>/", views.picture, name="picture"),
]
