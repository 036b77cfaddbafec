from django.urls import path

from portal.intake import endpoint_views, views

app_name = "intake"

# /t/<team>/hand-in/
urlpatterns = [
    path("", views.hand_in, name="hand-in"),
    path("endpoint/", endpoint_views.endpoint, name="endpoint"),
    path("examples/<str:name>", views.example, name="example"),
    path("<uuid:upload_id>/", views.upload, name="upload"),
    path("<uuid:upload_id>/progress/", views.progress, name="progress"),
    path("<uuid:upload_id>/retry/", views.retry, name="retry"),
]
