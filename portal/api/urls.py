from django.urls import URLPattern, include, path

from portal.api.root import api
from portal.api.shape import in_shape, nothing_here

_routes, _app, _namespace = api.urls
for _route in _routes:
    if isinstance(_route, URLPattern):
        _route.callback = in_shape(_route.callback)

# /api/v1/
urlpatterns = [
    path("", include((_routes, _app), namespace=_namespace)),
    path("<path:rest>", nothing_here),
]
