"""A page of its own for each test, watched all the time, and a team with a finished audit."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page
from plumb.client import Client

from ml.zoo.shades import cohort_folder, model_folder
from tests.browser.watch import Watch
from tests.live import PATIENCE_MS, LivePortal, Person

DESKTOP = {"width": 1440, "height": 900}


@pytest.fixture
def page(chromium: Browser, live_portal: LivePortal) -> Iterator[Page]:
    """Fails the test when the page complained, asked another host or came without its policy."""
    context = chromium.new_context(viewport=DESKTOP, locale="en-GB", accept_downloads=True)
    context.set_default_timeout(PATIENCE_MS)
    watch = Watch(context, live_portal.url)
    page = context.new_page()
    page.watch = watch
    yield page
    context.close()
    assert watch.complaints == []
    assert watch.pages_seen > 0


@dataclass(frozen=True)
class Audited:
    """A team with a model, a cohort and a sealed audit; everything came in through the API."""

    person: Person
    report: str
    audit: str


@pytest.fixture(scope="session")
def audited(live_portal: LivePortal, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    person = live_portal.person("Ada Audited")
    client = Client(live_portal.url, person.token)
    made = tmp_path_factory.mktemp("audited")
    model = client.push_model(model_folder(made / "model", channels=4))["id"]
    cohort = client.push_cohort(cohort_folder(made / "cohort", n=60))["id"]
    audit = client.start_audit(
        model=client.wait_for_upload(model, every=0.2)["model"],
        cohort=client.wait_for_upload(cohort, every=0.2)["cohort"],
    )
    *_, audit = client.watch(audit["id"], every=0.5)
    assert audit["state"] == "sealed", live_portal.logs()
    return Audited(person=person, report=audit["report"], audit=audit["id"])
