from django.apps import AppConfig


class AuditsConfig(AppConfig):
    name = "portal.audits"
