from django.apps import AppConfig
from django.db.models.signals import post_migrate

from portal.operations.seals import install_guards


class OperationsConfig(AppConfig):
    """Last in the list of apps, so that every table exists when the guards are installed."""

    name = "portal.operations"

    def ready(self) -> None:
        post_migrate.connect(install_guards, sender=self)
