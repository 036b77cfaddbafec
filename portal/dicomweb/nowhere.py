"""What is not there, in the shape of every other error."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from portal.api.problems import answer
from portal.dicomweb.door import sealed


@csrf_exempt
def nothing_here(request: HttpRequest, rest: str = "") -> HttpResponseBase:
    return sealed(answer("not_found", "DICOMweb has no such address; docs/dicomweb.md lists them."))
