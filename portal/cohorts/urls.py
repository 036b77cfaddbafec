from django.urls import path

from portal.cohorts import fitness, pictures, views

app_name = "cohorts"

# /t/<team>/cohorts/
urlpatterns = [
    path("", views.cohorts, name="cohorts"),
    path("<uuid:cohort_id>/", views.cohort, name="cohort"),
    path("versions/<uuid:version_id>/", views.version, name="version"),
    path("versions/<uuid:version_id>/seal/", views.seal, name="seal"),
    path("versions/<uuid:version_id>/discard/", views.discard, name="discard"),
    path("versions/<uuid:version_id>/measure/", fitness.measure, name="measure"),
    path("versions/<uuid:version_id>/group/", fitness.group, name="group"),
    path("versions/<uuid:version_id>/cases/", views.cases, name="cases"),
    path("cases/<uuid:case_id>/", views.case, name="case"),
    path("images/<uuid:image_id>/", pictures.image, name="image"),
    path("images/<uuid:image_id>/original/", pictures.original, name="original"),
]
