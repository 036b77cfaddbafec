"""Every page, wide and on a phone, light and dark: whole, labelled and quiet."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.urls import URLPattern, URLResolver, get_resolver, resolve
from playwright.sync_api import Browser, Page, expect
from plumb.client import Client
from plumb.errors import Refused

from ml.zoo.shades import cohort_folder
from tests.browser.steps import sign_in
from tests.browser.watch import CHECK

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}
WIDE = {"width": 1440, "height": 900}
INK_AT_MOST, PAPER_AT_LEAST = 60, 200  # of 255: what counts as a dark or a light ground

# Routes behind which there is no page: what answers a form, a part of a page, or a file.
FORMS = {
    "accounts:sign-out", "accounts:password", "accounts:token-new", "accounts:token-end",
    "accounts:person-add", "accounts:person-role", "accounts:person-remove", "accounts:team-allow",
    "registry:withdraw", "intake:retry", "cohorts:seal", "cohorts:discard",
    "cohorts:measure", "cohorts:group", "audits:stop",
    "audits:resume", "audits:protocol-lock", "reports:end-link", "seen:make",
    "reports:worsened-make",
}  # fmt: skip
PARTS = {
    "accounts:running",
    "intake:progress",
    "seen:progress",
    "reports:worsened-progress",
    "audits:progress",
    "audits:status",
    "audits:preview",
    "reports:regions",
}
FILES = {
    "intake:example", "cohorts:image", "cohorts:original", "audits:protocol-yaml",
    "audits:default-yaml", "reports:image", "reports:csv", "reports:pdf", "reports:audit-json",
    "reports:explore-data", "shared:image", "shared:csv", "shared:pdf", "shared:audit-json",
    "healthz", "readyz", "seen:picture", "seen:map", "seen:volume",
    "reports:worsened-picture", "shared:worsened-picture",
}  # fmt: skip
SIGNED_IN = (
    "home", "home-team", "accounts:account", "accounts:team-settings", "registry:models",
    "registry:model", "registry:version", "registry:predictions", "intake:hand-in", "intake:upload",
    "cohorts:cohorts", "cohorts:cohort", "cohorts:version", "cohorts:cases", "cohorts:case",
    "audits:audits", "audits:new", "audits:audit", "audits:protocols", "audits:protocol-new",
    "audits:protocol-default", "audits:protocol", "reports:reports", "reports:report",
    "reports:cases", "reports:case", "reports:explore", "reports:share", "trail:trail",
    "seen:cases", "seen:case", "intake:endpoint",
)  # fmt: skip
API_DOCS = "api:openapi-view"
SHARED = ("shared:report", "shared:cases", "shared:case")


def named_routes(within: URLResolver, prefix: str = "") -> Iterator[str]:
    for route in within.url_patterns:
        if isinstance(route, URLResolver):
            space = f"{prefix}{route.namespace}:" if route.namespace else prefix
            yield from named_routes(route, space)
        elif isinstance(route, URLPattern) and route.name:
            yield f"{prefix}{route.name}"


def test_no_page_is_left_out():
    routes = set(named_routes(get_resolver())) - FORMS - PARTS - FILES

    of_programs = ("api:", "dicomweb")
    pages = {name for name in routes if not name.startswith(of_programs)} | {API_DOCS}
    assert pages == {*SIGNED_IN, *SHARED, API_DOCS, "accounts:sign-in"}


@pytest.fixture(scope="session")
def filled(audited, live_portal, tmp_path_factory):
    """The audited team with one of everything else: predictions, a protocol, something refused."""
    client = Client(live_portal.url, audited.person.token)
    made = tmp_path_factory.mktemp("filled")
    predictions = made / "predictions"
    predictions.mkdir()
    rows = "\n".join(
        f"c{number:04d},{number % 10 / 10},{1 - number % 10 / 10}" for number in range(60)
    )
    (predictions / "predictions.csv").write_text(f"case_id,bright,dark\n{rows}\n")
    (predictions / "predictions.yaml").write_text(
        "kind: probabilities\nclasses: [bright, dark]\npositive: [bright]\n"
        "model: {name: Other, version: '2'}\n"
    )
    client.wait_for_upload(client.push_predictions(predictions)["id"], every=0.2)
    client.push_protocol("checks: [discrimination]\ntitle: Only how well it ranks\n", lock=True)
    broken = cohort_folder(made / "broken", n=4)
    (broken / "images" / "c0001.png").unlink()
    with pytest.raises(Refused):
        client.wait_for_upload(client.push_cohort(broken)["id"], every=0.2)
    return audited


def addresses_from(page: Page, start: str) -> dict[str, str]:
    """Every page that can be reached by links, one address for each route."""
    found = {resolve(urlsplit(start).path).view_name: start}
    waiting = [start]
    while waiting:
        page.goto(waiting.pop())
        links = page.eval_on_selector_all("a[href]:not([download])", "all => all.map(a => a.href)")
        for link in links:
            assert urlsplit(link).netloc == urlsplit(start).netloc, link
            name = resolve(urlsplit(link).path).view_name
            if name not in {*found, *FILES}:
                found[name] = link.partition("#")[0]
                waiting.append(found[name])
    return found


@pytest.fixture(scope="session")
def signed_in(chromium: Browser, live_portal, filled):
    """The cookies of the audited team's owner."""
    context = chromium.new_context()
    sign_in(context.new_page(), live_portal.url, filled.person)
    cookies = context.cookies()
    context.close()
    return cookies


@pytest.fixture(scope="session")
def addresses(chromium: Browser, live_portal, signed_in):
    context = chromium.new_context()
    context.add_cookies(signed_in)
    page = context.new_page()
    inside = addresses_from(page, f"{live_portal.url}/")
    page.goto(inside["reports:share"])
    page.get_by_label("For whom").fill("Everybody")
    page.get_by_label("With images").check()
    page.get_by_role("button", name="Make the link").click()
    shared = page.get_by_label("Address").input_value()
    context.clear_cookies()
    outside = addresses_from(page, shared)
    context.close()
    return inside | {name: url for name, url in outside.items() if name.startswith("shared:")}


def look_at(page: Page, url: str) -> list[str]:
    wrong = []
    for size in (WIDE, PHONE):
        page.set_viewport_size(size)
        page.goto(url)
        wrong += [f"{size['width']}: {sentence}" for sentence in page.evaluate(CHECK)]
    return wrong


@pytest.mark.parametrize("name", SIGNED_IN)
def test_a_page_of_the_team(name, page, addresses, signed_in):
    page.context.add_cookies(signed_in)
    assert look_at(page, addresses[name]) == []


@pytest.mark.parametrize("name", SHARED)
def test_a_shared_page(name, page, addresses):
    assert look_at(page, addresses[name]) == []


def test_the_page_of_the_api(page, addresses):
    """Drawn by a library: what is in it is not ours, but it must be whole, quiet and fit."""
    page.set_viewport_size(PHONE)
    page.goto(addresses[API_DOCS])
    expect(page.get_by_role("main")).to_contain_text("/api/v1/audits")
    assert [sentence for sentence in page.evaluate(CHECK) if "wider" in sentence] == []


def test_signing_in(page, live_portal):
    assert look_at(page, f"{live_portal.url}/sign-in/") == []


def test_nothing_here(page, live_portal):
    page.watch.answers_with(404)
    assert look_at(page, f"{live_portal.url}/r/no-such-token/") == []


@pytest.mark.parametrize(("theme", "is_dark"), [("dark", True), ("light", False)])
@pytest.mark.parametrize("chosen_by", ["the system", "the person"])
def test_the_ground_follows_the_theme(chosen_by, theme, is_dark, page, live_portal):
    person = live_portal.person(f"Theo {chosen_by} {theme}")
    sign_in(page, live_portal.url, person)
    if chosen_by == "the system":
        page.emulate_media(color_scheme=theme)
    else:
        page.emulate_media(color_scheme="light" if is_dark else "dark")
        page.goto(f"{live_portal.url}/account/")
        page.get_by_label("Theme").select_option(theme)
        page.get_by_role("button", name="Save").click()
        expect(page.locator("main")).to_contain_text("Your account is saved.")
    page.goto(f"{live_portal.url}/")
    painted = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    shades = [int(value) for value in re.findall(r"\d+", painted)[:3]]
    assert max(shades) < INK_AT_MOST if is_dark else min(shades) > PAPER_AT_LEAST
