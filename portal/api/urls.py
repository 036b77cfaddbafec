from django.urls import URLPattern, include, path

from portal.api.root import api
from portal.api.shape import in_shape, nothing_here

routes, app_name, namespace = api.urls
for route in routes:
    if isinstance(route, URLPattern):
        route.callback = in_shape(route.callback)

# /api/v1/
urlpatterns = [
    path("", include((routes, app_name), namespace=namespace)),
    path("<path:rest>", nothing_here),
]
