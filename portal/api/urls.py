from django.urls import path

from portal.api.root import api

# /api/v1/
urlpatterns = [path("", api.urls)]
