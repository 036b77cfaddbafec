from django.urls import path

from portal.audits import protocol_views, views

app_name = "audits"

# /t/<team>/audits/
urlpatterns = [
    path("", views.audits, name="audits"),
    path("new/", views.new, name="new"),
    path("new/preview/", views.preview, name="preview"),
    path("<uuid:audit_id>/", views.audit, name="audit"),
    path("<uuid:audit_id>/progress/", views.progress, name="progress"),
    path("<uuid:audit_id>/status/", views.status, name="status"),
    path("<uuid:audit_id>/stop/", views.stop, name="stop"),
    path("<uuid:audit_id>/resume/", views.resume, name="resume"),
    path("protocols/", protocol_views.protocols, name="protocols"),
    path("protocols/new/", protocol_views.protocol_new, name="protocol-new"),
    path("protocols/default/", protocol_views.protocol_default, name="protocol-default"),
    path("protocols/default/protocol.yaml", protocol_views.default_yaml, name="default-yaml"),
    path("protocols/<uuid:protocol_id>/", protocol_views.protocol, name="protocol"),
    path("protocols/<uuid:protocol_id>/lock/", protocol_views.protocol_lock, name="protocol-lock"),
    path(
        "protocols/<uuid:protocol_id>/protocol.yaml",
        protocol_views.protocol_yaml,
        name="protocol-yaml",
    ),
]
