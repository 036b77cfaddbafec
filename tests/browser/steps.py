"""What a person does in the portal, click by click."""

import re
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.live import Person

WHAT = {"model": "Model", "cohort": "Cohort", "predictions": "Predictions"}


def sign_in(page: Page, url: str, person: Person) -> None:
    page.goto(url)
    page.get_by_label("E-mail").fill(person.email)
    page.get_by_label("Password").fill(person.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(rf"{url}/(t/{person.team}/)?$"))


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def send_files(
    page: Page, url: str, person: Person, kind: str, given: Path | Sequence[Path]
) -> None:
    """A zip, a folder or several files; ends on the page that watches it being read."""
    page.goto(f"{url}/t/{person.team}/hand-in/")
    page.get_by_role("radio", name=re.compile(f"^{WHAT[kind]}")).check()
    is_folder = isinstance(given, Path) and given.is_dir()
    page.locator("#folder" if is_folder else "#files").set_input_files(given)
    page.get_by_role("button", name="Hand in").click()
    page.wait_for_url(re.compile(r"/hand-in/[0-9a-f-]{36}/$"))


def hand_in(page: Page, url: str, person: Person, kind: str, given: Path | Sequence[Path]) -> None:
    """Ends on the page of what it became."""
    send_files(page, url, person, kind, given)
    expect(page.get_by_role("heading", name="Accepted")).to_be_visible()
    page.get_by_role("link", name="Look at it").click()


def open_new_audit(page: Page, url: str, person: Person) -> None:
    page.goto(f"{url}/t/{person.team}/audits/new/")


def choose(page: Page, legend: str, option: str) -> None:
    """One of the cards of a choice, or of its list."""
    group = page.get_by_role("group", name=legend)
    if group.get_by_role("radio").count():
        group.get_by_role("radio", name=re.compile(option)).check()
    else:
        found = group.locator("option", has_text=option).first.get_attribute("value")
        group.get_by_role("combobox").select_option(found)


def choose_foreign(page: Page, cohort: str, use: str) -> None:
    """One of the cohorts beside the audited one; the preview follows."""
    if not page.locator("#foreign-images[open]").count():
        page.locator("#foreign-images summary").click()
    with page.expect_response(re.compile("/audits/new/preview/")):
        page.get_by_label(cohort, exact=True).select_option(label=use)


def start_audit(page: Page) -> None:
    """From the preview of a new audit to its report."""
    page.get_by_role("button", name="Start audit").click()
    expect(page.get_by_role("link", name="Open report")).to_be_visible()
    page.get_by_role("link", name="Open report").click()
    page.wait_for_url(re.compile(r"/reports/[0-9a-f-]{36}/$"))
