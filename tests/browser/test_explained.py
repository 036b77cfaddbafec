"""A map on the page of a case, and a region taken out of it: with keys alone, on any screen."""

import re

import pytest
from playwright.sync_api import expect
from plumb.client import Client

from ml.zoo import weave
from ml.zoo.shades import cohort_folder
from tests.browser.keyboard import unreached
from tests.browser.steps import sign_in
from tests.browser.watch import CHECK

pytestmark = pytest.mark.browser
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1440, "height": 900}
PROTOCOL = """\
title: Maps
checks: [discrimination, explanation-faithfulness]
explanation_cases: 10
draws: 200
"""


@pytest.fixture(scope="module")
def person(live_portal):
    """With a team of its own: what is handed in here is no choice of another test."""
    return live_portal.person("Ella Explained")


@pytest.fixture(scope="module")
def explained(live_portal, person, tmp_path_factory):
    """The address of a report whose protocol asks for maps to be tried."""
    client = Client(live_portal.url, person.token)
    made = tmp_path_factory.mktemp("explained")
    model = client.push_model(weave.model_folder(made / "model", skips=False))["id"]
    cohort = client.push_cohort(cohort_folder(made / "cohort", n=12))["id"]
    protocol = client.push_protocol(PROTOCOL, lock=True)["id"]
    audit = client.start_audit(
        model=client.wait_for_upload(model, every=0.2)["model"],
        cohort=client.wait_for_upload(cohort, every=0.2)["cohort"],
        protocol=protocol,
    )
    *_, audit = client.watch(audit["id"], every=0.3)
    assert audit["state"] == "sealed", live_portal.logs()
    return f"{live_portal.url}/t/{person.team}/reports/{audit['report']}/"


def looks_right(page):
    """Nothing is cut off, at both widths, in light and in dark."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for size in (PHONE, DESKTOP):
            page.set_viewport_size(size)
            assert page.evaluate(CHECK) == []


def test_the_report_shows_curves_and_maps_that_a_rule_chose(page, live_portal, person, explained):
    sign_in(page, live_portal.url, person)
    page.goto(f"{explained}#check-explanation-faithfulness")
    section = page.locator("#check-explanation-faithfulness")
    expect(section.locator(".ch-removal-curves .drawn").first).to_be_visible()
    expect(section.locator(".tile.mapped img.over").first).to_be_visible()
    for title in ("Most faithful maps", "Least faithful maps", "Maps drawn at random"):
        expect(section.get_by_role("heading", name=re.compile(title))).to_be_visible()
    looks_right(page)
    assert unreached(page) == []


def test_a_map_and_a_region_by_keys_alone(page, live_portal, person, explained):
    sign_in(page, live_portal.url, person)
    page.goto(f"{explained}#check-explanation-faithfulness")
    page.locator("#check-explanation-faithfulness .tile.mapped").first.click()

    slider = page.get_by_label("Opacity of the map")
    layer = page.locator("[data-layer]")
    assert layer.evaluate("it => getComputedStyle(it).opacity") == "0.6"
    slider.focus()
    page.keyboard.press("Home")
    assert layer.evaluate("it => getComputedStyle(it).opacity") == "0"
    expect(page.locator("output[for=map-opacity]")).to_have_text("0 %")
    page.keyboard.press("ArrowRight")
    assert layer.evaluate("it => getComputedStyle(it).opacity") == "0.05"
    assert slider.get_attribute("aria-valuetext") == "5 %"

    pad = page.get_by_role("group", name=re.compile("Region; arrows move it"))
    pad.focus()
    for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    for name, value in (("Top", "39"), ("Left", "39"), ("Height", "21"), ("Width", "21")):
        expect(page.get_by_label(f"{name}, %")).to_have_value(value)
    expect(page.locator("[data-said]")).to_have_text("Top 39 %, left 39 %, 21 % high, 21 % wide.")
    looks_right(page)
    assert unreached(page) == []

    page.get_by_role("button", name="Ask the model").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#tried")).to_contain_text("→")
    expect(page.locator("#tried")).to_contain_text("no part of the report")
    page.locator("#tried summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#tried pre")).to_contain_text("box: [0.39, 0.39, 0.21, 0.21]")
    looks_right(page)


def test_a_region_is_drawn_with_the_pointer_and_refused_beyond_the_picture(
    page, live_portal, person, explained
):
    sign_in(page, live_portal.url, person)
    page.goto(explained)
    page.locator("#check-explanation-faithfulness .tile.mapped").last.click()
    canvas = page.locator("[data-canvas]")
    canvas.scroll_into_view_if_needed()
    area = canvas.bounding_box()

    def at(across, down):
        return area["x"] + across * area["width"], area["y"] + down * area["height"]

    page.mouse.move(*at(0.1, 0.2))
    page.mouse.down()
    page.mouse.move(*at(0.4, 0.3), steps=3)
    page.mouse.move(*at(0.6, 0.45), steps=3)
    page.mouse.up()
    for name, value in (("Top", 20), ("Left", 10), ("Height", 25), ("Width", 50)):
        found = float(page.get_by_label(f"{name}, %").input_value())
        assert found == pytest.approx(value, abs=0.6), name

    page.get_by_label("Height, %").fill("90")
    page.get_by_role("button", name="Ask the model").click()
    expect(page.get_by_role("alert")).to_contain_text("reaches beyond the picture")
    expect(page.get_by_label("Height, %")).to_have_value("90")
    looks_right(page)
