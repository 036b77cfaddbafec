"""The page that shows the API: the Swagger files of the installed package, none from elsewhere."""

import json
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja.openapi.docs import DocsBase

if TYPE_CHECKING:
    from ninja import NinjaAPI


class ApiDocs(DocsBase):
    def render_page(self, request: HttpRequest, api: "NinjaAPI", **kwargs: Any) -> HttpResponse:
        settings = {
            "url": self.get_openapi_url(api, kwargs),
            "layout": "BaseLayout",
            "deepLinking": True,
            "defaultModelsExpandDepth": 0,
            "validatorUrl": None,  # otherwise it sends the document to a server of its makers
        }
        context = {"settings": json.dumps(settings), "openapi_url": settings["url"]}
        return render(request, "api/docs.html", context)
