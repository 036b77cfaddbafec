"""What a cohort is fit for, asked and answered in a browser, and its duplicates made groups."""

import re

from playwright.sync_api import Page, expect
from plumb.client import Client

from ml.zoo.shades import cohort_folder
from tests.browser.steps import sign_in
from tests.live import LivePortal


def test_one_click_measures_and_another_makes_groups(page: Page, live_portal: LivePortal, tmp_path):
    person = live_portal.person("Flora Fitness")
    client = Client(live_portal.url, person.token)
    folder = cohort_folder(tmp_path / "cohort", n=24)
    images = sorted((folder / "images").iterdir())
    images[20].write_bytes(images[0].read_bytes())
    upload = client.push_cohort(folder)["id"]
    version = client.wait_for_upload(upload, every=0.2)["cohort"]

    sign_in(page, live_portal.url, person)
    page.get_by_role("link", name="Cohorts").first.click()
    page.locator(f"a[href*='{version}']").first.click()
    start = page.url
    page.get_by_role("button", name="Measure its fitness").click()
    *_, audit = client.watch(page.url.rstrip("/").rpartition("/")[2], every=0.5)
    assert audit["state"] == "sealed", live_portal.logs()

    page.goto(start)
    fitness = page.locator("section", has=page.locator("#fitness"))
    expect(fitness).to_contain_text("are like another")
    fitness.get_by_role("link").first.click()
    expect(page.locator("#check-duplicates")).to_contain_text("The largest group")
    expect(page.locator("#check-cohort-fitness")).to_contain_text("How the images were made")

    page.goto(start)
    page.get_by_role("button", name="Make groups of its duplicates").click()
    expect(page).not_to_have_url(re.compile(re.escape(start)))
    expect(page.locator("main")).to_contain_text("takes each group of duplicates as one unit")
