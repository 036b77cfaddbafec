"""The API: one object that collects the endpoints of every noun."""

from ninja import NinjaAPI

api = NinjaAPI(title="Plumbline", version="1", urls_namespace="api", docs_url=None)
