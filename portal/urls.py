from django.urls import include, path

from portal.accounts import home
from portal.operations import views as operations
from portal.reports import shared

handler400 = "portal.ui.errors.bad_request"
handler403 = "portal.ui.errors.denied"
handler404 = "portal.ui.errors.not_found"
handler500 = "portal.ui.errors.server_error"

urlpatterns = [
    path("", home.home, name="home"),
    path("t/<slug:team>/", home.team_home, name="home-team"),
    path("", include("portal.accounts.urls")),
    path("t/<slug:team>/models/", include("portal.registry.urls")),
    path("t/<slug:team>/hand-in/", include("portal.intake.urls")),
    path("t/<slug:team>/cohorts/", include("portal.cohorts.urls")),
    path("t/<slug:team>/seen/", include("portal.seen.urls")),
    path("t/<slug:team>/audits/", include("portal.audits.urls")),
    path("t/<slug:team>/reports/", include("portal.reports.urls")),
    path("t/<slug:team>/trail/", include("portal.trail.urls")),
    path("r/<str:token>/", include((shared.urlpatterns, "shared"))),
    path("api/v1/", include("portal.api.urls")),
    path("dicomweb/", include("portal.dicomweb.urls")),
    path("healthz", operations.healthz, name="healthz"),
    path("readyz", operations.readyz, name="readyz"),
]
