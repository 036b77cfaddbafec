"""`python manage.py write_docs`: the pages of docs/ that are made from code."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from portal.operations.docs import PAGES, PICTURES


class Command(BaseCommand):
    help = "Write the pages of docs/ that are made from code."

    def handle(self, **_: Any) -> None:
        for name, make in PAGES.items():
            (settings.BASE_DIR / "docs" / name).write_text(make())
            self.stdout.write(f"docs/{name}")
        for name, content in PICTURES().items():
            path = settings.BASE_DIR / "docs" / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            self.stdout.write(f"docs/{name}")
