"""Foreign images, from the page that starts an audit to the case behind a finding."""

import re

import pytest
from PIL import Image, ImageOps
from playwright.sync_api import expect
from plumb.client import Client

from ml.zoo.shades import cohort_folder
from tests.browser.keyboard import unreached
from tests.browser.steps import choose, choose_foreign, open_new_audit, sign_in, start_audit
from tests.browser.watch import CHECK

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def foreign(audited, live_portal, tmp_path_factory):
    """The audited team has one cohort more, of pictures turned round; nothing is at 0.5."""
    client = Client(live_portal.url, audited.person.token)
    folder = cohort_folder(tmp_path_factory.mktemp("foreign") / "c", n=12, title="Turned round")
    for path in (folder / "images").iterdir():
        ImageOps.invert(Image.open(path)).point(lambda p: min(255, 2 * p)).save(path)
    client.wait_for_upload(client.push_cohort(folder)["id"], every=0.2)
    return audited


def test_from_the_form_to_the_case_behind_a_finding(page, live_portal, foreign):
    person = foreign.person
    sign_in(page, live_portal.url, person)
    open_new_audit(page, live_portal.url, person)
    choose(page, "Subject", "^Shade")  # other tests give this team more to choose from
    choose(page, "Protocol", "^Platform default")
    page.locator("#foreign-images summary").focus()
    page.keyboard.press("Enter")  # opened without a mouse
    expect(page.get_by_label("Turned round, version 1", exact=True)).to_be_visible()
    assert unreached(page) == []
    choose_foreign(page, "Shades, version 1", "foreign, near")
    expect(page.get_by_text("it cannot stand beside itself")).to_be_visible()
    expect(page.get_by_role("button", name="Start audit")).to_be_disabled()
    choose_foreign(page, "Shades, version 1", "not used")
    choose_foreign(page, "Turned round, version 1", "foreign, far")
    expect(page.get_by_text("12 cases of 6 patients in 1 foreign cohort")).to_be_visible()
    page.set_viewport_size(PHONE)
    assert page.evaluate(CHECK) == []
    start_audit(page)

    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(CHECK) == []
    section = page.locator("#check-ood-detection")
    expect(section.locator("h2")).to_contain_text("Foreign images")
    expect(page.get_by_text("foreign, far")).to_be_visible()
    pictures = section.locator(".tiles img")
    assert pictures.count() > 0
    section.locator("a.tile").first.click()
    expect(page.get_by_role("heading", name="Case Turned round/")).to_be_visible()
    expect(page.get_by_text("beside the audited cohort")).to_be_visible()
    assert page.evaluate(CHECK) == []


def test_what_stands_there_cannot_be_started_once_it_answers_other_choices(
    page, live_portal, foreign
):
    sign_in(page, live_portal.url, foreign.person)
    open_new_audit(page, live_portal.url, foreign.person)
    choose(page, "Subject", "^Shade")
    page.locator("#foreign-images summary").click()
    start = page.get_by_role("button", name="Start audit")
    expect(start).to_be_enabled()
    asked = []
    page.route(re.compile("/audits/new/preview/"), lambda route: asked.append(route))  # noqa: PLW0108  a method of C takes no mark

    use = page.get_by_label("Turned round, version 1", exact=True)
    use.select_option(label="foreign, far")
    expect(start).to_be_disabled()
    page.wait_for_timeout(200)
    asked.pop().continue_()
    expect(start).to_be_enabled()
    assert page.locator("#preview input[value=far]").count() == 1

    use.select_option(label="foreign, near")
    page.wait_for_timeout(200)
    asked.pop().abort()
    expect(page.get_by_role("button", name="Show what this answers")).to_be_visible()
    expect(start).to_be_disabled()
    page.watch.complaints.clear()  # of the answer that never came


def test_choices_that_come_back_are_answered_anew(page, live_portal, foreign):
    sign_in(page, live_portal.url, foreign.person)
    open_new_audit(page, live_portal.url, foreign.person)
    choose(page, "Protocol", "^Platform default")
    choose_foreign(page, "Turned round, version 1", "foreign, far")
    expect(page.locator("#preview input[value=far]")).to_have_count(1)

    there_and_back(page)

    use = page.get_by_label("Turned round, version 1", exact=True)
    expect(use).to_have_value("far")
    expect(page.locator("#preview input[value=far]")).to_have_count(1)

    page.goto(f"{page.url.split('?')[0]}?protocol=default&{use.get_attribute('name')}=far")
    expect(page.locator("#preview input[value=far]")).to_have_count(1)  # served with it
    choose_foreign(page, "Turned round, version 1", "not used")
    expect(page.locator("#preview input[value=far]")).to_have_count(0)
    there_and_back(page)

    expect(use).to_have_value("")
    expect(page.locator("#preview input[value=far]")).to_have_count(0)


def there_and_back(page):
    page.get_by_role("link", name="What they are").click()
    page.wait_for_url("**/protocols/**")
    page.go_back()
