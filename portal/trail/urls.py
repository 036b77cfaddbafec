from django.urls import path

from portal.trail import views

app_name = "trail"

# /t/<team>/trail/
urlpatterns = [
    path("", views.trail, name="trail"),
]
