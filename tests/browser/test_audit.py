"""The main job in a browser: hand in, audit, read the report, look at cases, share, leave."""

import csv
import hashlib
import io
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from demo.run import zipped
from ml.checks.registry import all_checks
from ml.zoo.shades import cohort_folder, model_folder
from tests.browser.steps import (
    choose,
    hand_in,
    open_new_audit,
    send_files,
    sign_in,
    sign_out,
    start_audit,
)
from tests.browser.watch import Watch

# What the protocol asks, and what another one could ask here.
OFFERED = sum(
    check.task in ("", "classification") and not {"foreign", "reference"} & set(check.needs)
    for check in all_checks()
)

pytestmark = pytest.mark.browser


def shown_width(page: Page, selector: str) -> int:
    """Of the image's own pixels: 0 when it did not load."""
    image = page.locator(selector).first
    expect(image).to_be_visible()
    image.evaluate("image => image.decode()")
    width: int = image.evaluate("image => image.naturalWidth")
    return width


def downloaded(page: Page, link: str) -> bytes:
    with page.expect_download() as started:
        page.get_by_role("link", name=link, exact=True).first.click()
    return Path(started.value.path()).read_bytes()


def test_from_sign_in_to_sign_out(page, live_portal, tmp_path):
    person = live_portal.person("Bea Browser")
    url = live_portal.url
    model = model_folder(tmp_path / "model", channels=24)
    cohort = cohort_folder(tmp_path / "cohort", n=120)

    sign_in(page, url, person)
    hand_in(page, url, person, "model", zipped(model, tmp_path / "model.zip"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Shade")
    hand_in(page, url, person, "cohort", zipped(cohort, tmp_path / "cohort.zip"))
    expect(page.locator("main")).to_contain_text("120 cases")

    open_new_audit(page, url, person)
    choose(page, "Subject", "Shade")
    choose(page, "Cohort version", "Shades")
    assessed = page.get_by_role("region", name="What will be assessed")
    expect(assessed.get_by_role("row")).to_have_count(OFFERED)
    expect(assessed).to_contain_text("will run")
    start_audit(page)

    expect(page.get_by_role("heading", level=1)).to_be_visible()
    follow_a_finding_to_its_image(page)
    page.get_by_role("link", name="Plumbline").click()
    sign_out(page)
    page.goto(f"{url}/t/{person.team}/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def follow_a_finding_to_its_image(page: Page) -> None:
    counted = page.locator(".find .ev a", has_text=re.compile(r"^[\d,]+ cases?$")).first
    said = int(counted.inner_text().split()[0].replace(",", ""))
    counted.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{said} case{'s'[: said != 1]}")
    assert shown_width(page, "a.tile img") == 64
    page.locator("a.tile").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Case c0")
    assert shown_width(page, "[data-pane] img") == 64
    expect(page.locator("main")).to_contain_text("P(bright)")
    page.go_back()
    page.go_back()


def test_a_folder_and_loose_files_arrive_as_the_zip_does(page, live_portal, tmp_path):
    person = live_portal.person("Fay Folder")
    cohort = cohort_folder(tmp_path / "shades", n=12)
    weights = model_folder(tmp_path / "model", channels=4)

    sign_in(page, live_portal.url, person)
    hand_in(page, live_portal.url, person, "cohort", cohort)
    expect(page.locator("main")).to_contain_text("12 cases")
    page.get_by_role("link", name="c0001").first.click()
    assert shown_width(page, "main img") == 64
    hand_in(page, live_portal.url, person, "model", sorted(weights.iterdir()))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Shade")


def test_bad_rows_are_refused_each_with_its_reason(page, live_portal, tmp_path):
    person = live_portal.person("Rolf Refused")
    cohort = cohort_folder(tmp_path / "shades", n=8)
    table = cohort / "cases.csv"
    rows = table.read_text().splitlines()
    rows[2] = rows[2].replace(",bright,", ",grey,")  # a label that is no class
    rows[3] = rows[3].replace("images/c0002.png", "images/gone.png")
    rows[5] = rows[4]  # a case twice
    table.write_text("\n".join(rows) + "\n")

    sign_in(page, live_portal.url, person)
    send_files(page, live_portal.url, person, "cohort", zipped(cohort, tmp_path / "cohort.zip"))

    expect(page.get_by_role("heading", name=re.compile("reasons"))).to_be_visible()
    expect(page.locator("main")).to_contain_text("Nothing of it was kept")
    refused = page.get_by_role("table").inner_text()
    assert {"row 3", "row 4", "row 6"} <= set(re.findall(r"row \d+", refused))
    assert "grey" in refused
    assert "gone.png" in refused
    page.goto(f"{live_portal.url}/t/{person.team}/cohorts/")
    expect(page.locator("main")).not_to_contain_text("Shades")


def test_files_of_a_report_are_what_was_sealed(page, live_portal, audited):
    sign_in(page, live_portal.url, audited.person)
    report = f"{live_portal.url}/t/{audited.person.team}/reports/{audited.report}/"
    page.goto(report)

    sealed = downloaded(page, "audit.json")
    assert hashlib.sha256(sealed).hexdigest() in page.locator("main").inner_text()
    assert json.loads(sealed)["schema"] == 1
    page.goto(f"{report}cases/")
    rows = list(csv.DictReader(io.StringIO(downloaded(page, "CSV").decode())))
    assert len(rows) == 60
    assert {row["case_id"] for row in rows} >= {"c0000", "c0059"}


def test_explore_leads_to_the_selected_cases(page, live_portal, audited):
    sign_in(page, live_portal.url, audited.person)
    page.goto(f"{live_portal.url}/t/{audited.person.team}/reports/{audited.report}/explore/")

    expect(page.locator(".explore .scatterlayer .trace").first).to_be_attached()
    drawn = page.locator(".explore .scatterlayer .point").count()
    assert drawn == 60
    ground = page.locator(".explore .nsewdrag").first.bounding_box()
    page.mouse.move(ground["x"] + 2, ground["y"] + 2)
    page.mouse.down()
    for x, y in ((0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.01, 0.02)):
        page.mouse.move(
            ground["x"] + x * ground["width"], ground["y"] + y * ground["height"], steps=8
        )
    page.mouse.up()
    expect(page.locator("[data-picked]")).to_contain_text("selected")
    picked = int(page.locator("[data-picked]").inner_text().split()[0])
    assert 1 < picked <= 60
    page.get_by_role("button", name=f"Open these {picked} cases").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{picked} cases")


def test_explore_needs_no_pointer(page, live_portal, audited):
    sign_in(page, live_portal.url, audited.person)
    page.goto(f"{live_portal.url}/t/{audited.person.team}/reports/{audited.report}/explore/")
    expect(page.locator(".explore .scatterlayer .point").first).to_be_attached()

    tab_to(page, "Open all 60 cases")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # opens the list
    expect(page.locator("[data-list] tbody tr")).to_have_count(60)
    for _ in range(7):  # four numbers, their button, the list, its first box
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("[data-picked]")).to_have_text("1 case selected")
    page.get_by_role("button", name="Open this case").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("1 case")


@pytest.mark.parametrize("with_images", [True, False])
def test_a_shared_link_shows_one_report_until_it_is_ended(
    page, chromium: Browser, live_portal, audited, with_images
):
    share = f"{live_portal.url}/t/{audited.person.team}/reports/{audited.report}/share/"
    sign_in(page, live_portal.url, audited.person)
    page.goto(share)
    for_whom = f"Review board {int(with_images)}"
    page.get_by_label("For whom").fill(for_whom)
    page.get_by_label("With images").set_checked(with_images)
    page.get_by_role("button", name="Make the link").click()
    address = page.get_by_label("Address").input_value()

    stranger = chromium.new_context()
    watch = Watch(stranger, live_portal.url)
    outside = stranger.new_page()
    outside.goto(address)
    expect(outside.get_by_role("heading", level=1)).to_be_visible()
    assert not outside.locator(f"a[href^='/t/{audited.person.team}']").count()
    outside.get_by_role("link", name="Cases, 60").click()
    if with_images:
        assert shown_width(outside, "a.tile img") == 64
    else:
        expect(outside.locator("main")).to_contain_text("not shared")
        assert not outside.locator("main img").count()
    assert not stranger.cookies()

    outside.goto("about:blank")  # pictures still on their way would be asked for in vain
    page.goto(share)
    row = page.get_by_role("row", name=for_whom)
    expect(row).to_contain_text("1 opening")
    row.get_by_role("button", name="End now").click()
    page.get_by_role("button", name="End the link").click()
    expect(page.get_by_role("row", name=for_whom)).to_contain_text("Ended")
    watch.answers_with(410)
    outside.goto(address)
    expect(outside.get_by_role("heading", name="This link has ended")).to_be_visible()
    stranger.close()
    assert watch.complaints == []


def test_an_audit_without_a_mouse(page, live_portal, audited):
    """The skip link, the one filled button, and a question asked before the link is ended."""
    sign_in(page, live_portal.url, audited.person)
    page.goto(f"{live_portal.url}/t/{audited.person.team}/audits/new/")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to content")
    page.keyboard.press("Enter")
    expect(page.locator(":focus")).to_have_id("main")
    tab_to(page, "Start audit")

    page.goto(f"{live_portal.url}/t/{audited.person.team}/reports/{audited.report}/share/")
    page.get_by_label("For whom").fill("Keys only")
    page.keyboard.press("Enter")
    tab_to(page, "End now")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    ours = page.get_by_role("row", name="Keys only")  # other tests share the report too
    expect(ours.get_by_role("button", name="End now")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row", name="Keys only")).to_contain_text("Ended")


def tab_to(page: Page, words: str) -> None:
    """Press Tab until the button that says these words is reached, and shows it."""
    wanted = page.get_by_role("button", name=words).first
    expect(wanted).to_be_visible()
    for _ in range(80):
        if wanted.evaluate("it => it === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(wanted).to_be_focused()
    assert wanted.evaluate("it => getComputedStyle(it).outlineStyle") == "solid"
