"""The API: one object that collects the endpoints of every noun."""

from ninja import NinjaAPI

from portal.api import problems
from portal.api.auth import TokenAuth
from portal.api.docs import ApiDocs
from portal.api.endpoints import audits, cohorts, me, protocols, registry, reports, uploads

DESCRIPTION = """\
What the pages do, for programs. Send `Authorization: Bearer <token>`; a token acts for one person
in one team and is made on that person's account page. Ids of other teams do not exist here.

Lists take `limit` (at most 200) and `offset` and answer `{"items", "total", "limit", "offset"}`.
Everything that goes wrong is answered as `{"code", "message", "details"}`; the codes never change.
"""

api = NinjaAPI(
    title="Plumbline API",
    version="1",
    description=DESCRIPTION,
    urls_namespace="api",
    auth=TokenAuth(),
    docs=ApiDocs(),
    docs_url="/docs",
    openapi_url="/openapi.json",
)
problems.install(api)
for module in (me, uploads, registry, cohorts, protocols, audits, reports):
    api.add_router("", module.router)
