"""Addresses of a team's reports."""

from django.urls import path

from portal.reports import views

app_name = "reports"

urlpatterns = [
    path("", views.reports, name="reports"),
    path("<uuid:report_id>/", views.report, name="report"),
    path("<uuid:report_id>/cases/", views.cases, name="cases"),
    path("<uuid:report_id>/case/<path:case_id>/", views.case, name="case"),
    path("<uuid:report_id>/regions/<path:case_id>/", views.regions, name="regions"),
    path("<uuid:report_id>/worsened/make/", views.worsened_make, name="worsened-make"),
    path("<uuid:report_id>/worsened/", views.worsened_progress, name="worsened-progress"),
    path(
        "<uuid:report_id>/worsened/<int:strip>/<int:severity>/",
        views.worsened_picture,
        name="worsened-picture",
    ),
    path("<uuid:report_id>/image/<str:sha256>", views.image, name="image"),
    path("<uuid:report_id>/csv/<str:name>.csv", views.csv, name="csv"),
    path("<uuid:report_id>/report.pdf", views.pdf, name="pdf"),
    path("<uuid:report_id>/audit.json", views.audit_json, name="audit-json"),
    path("<uuid:report_id>/explore/", views.explore_page, name="explore"),
    path("<uuid:report_id>/explore.json", views.explore_data, name="explore-data"),
    path("<uuid:report_id>/share/", views.share, name="share"),
    path("<uuid:report_id>/links/<uuid:link_id>/end/", views.end_link, name="end-link"),
]
