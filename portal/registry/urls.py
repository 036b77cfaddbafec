from django.urls import path

from portal.registry import views

app_name = "registry"

# /t/<team>/models/
urlpatterns = [
    path("", views.models, name="models"),
    path("<uuid:model_id>/", views.model, name="model"),
    path("versions/<uuid:version_id>/", views.version, name="version"),
    path("versions/<uuid:version_id>/withdraw/", views.withdraw, name="withdraw"),
    path("predictions/<uuid:predictions_id>/", views.predictions, name="predictions"),
]
