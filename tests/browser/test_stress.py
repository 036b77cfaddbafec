"""Corruptions on the page of a report: folded, asked for, looked at, with the keyboard too."""

import pytest
from playwright.sync_api import expect
from plumb.client import Client

from tests.browser.keyboard import unreached
from tests.browser.steps import sign_in
from tests.browser.watch import CHECK

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}
PROTOCOL = """\
title: Stress
checks: [discrimination, stress]
stress_cases: 40
draws: 200
"""


@pytest.fixture(scope="module")
def stressed(audited, live_portal):
    """The address of a report of the audited team whose protocol asks for all corruptions."""
    client = Client(live_portal.url, audited.person.token)
    protocol = client.push_protocol(PROTOCOL, lock=True)["id"]
    before = client.audit(audited.audit)
    audit = client.start_audit(model=before["model"], cohort=before["cohort"], protocol=protocol)
    *_, audit = client.watch(audit["id"], every=0.3)
    assert audit["state"] == "sealed", live_portal.logs()
    return f"{live_portal.url}/t/{audited.person.team}/reports/{audit['report']}/"


def test_what_the_model_saw_of_every_corruption(page, live_portal, audited, stressed):
    sign_in(page, live_portal.url, audited.person)
    page.goto(f"{stressed}#check-stress")
    section = page.locator("#check-stress")
    expect(section.locator("h2")).to_contain_text("Stress")
    assert "13 corruptions" in section.inner_text()
    assert unreached(page) == []

    page.get_by_role("button", name="Show what the model saw").click()

    strips = page.locator("#worsened details")
    expect(strips).to_have_count(13)
    first = strips.first
    expect(first.locator("img")).to_have_count(6)
    expect(first.locator("img").last).to_be_visible()
    last = strips.last.locator("summary")
    last.focus()
    page.keyboard.press("Enter")  # opened without a mouse
    picture = strips.last.locator("img").last
    picture.scroll_into_view_if_needed()
    expect(picture).to_be_visible()
    page.wait_for_function(
        "it => it.complete && it.naturalWidth === 96", arg=picture.element_handle()
    )
    for size in (PHONE, {"width": 1440, "height": 900}):
        page.set_viewport_size(size)
        for fold in page.locator("#check-stress details").all():
            fold.evaluate("it => { it.open = true }")
        assert page.evaluate(CHECK) == []
    assert unreached(page) == []
