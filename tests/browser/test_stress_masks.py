"""Corruptions and moves of a model that marks, on the page of a report: wide and on a phone."""

import json

import pytest
from playwright.sync_api import expect
from plumb.client import Client

from ml.zoo import marks
from tests.browser.steps import sign_in
from tests.browser.watch import CHECK

pytestmark = pytest.mark.browser
SIZES = ({"width": 1440, "height": 900}, {"width": 390, "height": 844})
PROTOCOL = """\
title: Copies
checks: [segmentation, stress, shift-consistency]
stress_cases: 30
shift_cases: 30
draws: 200
"""


@pytest.fixture(scope="module")
def marked(live_portal, tmp_path_factory):
    """A person, and the address of a report on a network whose masks are torn by noise."""
    person = live_portal.person("Mara Marked")
    client = Client(live_portal.url, person.token)
    made = tmp_path_factory.mktemp("marked")
    pushed = [
        client.push_model(marks.model_folder(made / "model", flaw="pixels"))["id"],
        client.push_cohort(marks.cohort_folder(made / "cohort", n=32))["id"],
    ]
    model, cohort = (client.wait_for_upload(one, every=0.3) for one in pushed)
    protocol = client.push_protocol(PROTOCOL, lock=True)["id"]
    audit = client.start_audit(model=model["model"], cohort=cohort["cohort"], protocol=protocol)
    *_, audit = client.watch(audit["id"], every=0.5)
    assert audit["state"] == "sealed", json.dumps(audit) + live_portal.logs()
    return person, f"{live_portal.url}/t/{person.team}/reports/{audit['report']}/"


def test_the_report_says_what_copies_do_to_masks(page, live_portal, marked):
    person, report = marked
    sign_in(page, live_portal.url, person)
    page.goto(report)
    stress, shift = page.locator("#check-stress"), page.locator("#check-shift-consistency")
    expect(stress).to_contain_text("the Dice of disc loses")
    expect(shift).to_contain_text("Its own mask, moved there and back")

    page.get_by_role("button", name="Show what the model saw").click()
    shots = page.locator("#worsened details").first
    expect(shots.locator("img")).to_have_count(6)
    expect(shots).to_contain_text("Dice 0.")
    expect(shots).not_to_contain_text("wrong")

    for size in SIZES:
        page.set_viewport_size(size)
        for fold in page.locator("#check-stress details, #check-shift-consistency details").all():
            fold.evaluate("it => { it.open = true }")
        assert page.evaluate(CHECK) == []
