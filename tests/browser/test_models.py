"""The pages about a model: intake's verdict, its capabilities, what it saw, where it is asked."""

import pickle
import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect
from plumb.client import Client
from plumb.errors import Refused

from ml.zoo.shades import cohort_folder, model_folder
from tests.browser.keyboard import unreached
from tests.browser.steps import sign_in
from tests.browser.test_pages import look_at
from tests.live import LivePortal, Person
from tests.ml.engine.test_segment import VOLUME
from tests.ml.engine.test_segment import model as segmenting
from tests.ml.intake.exported import doubtful_folder
from tests.workers.test_seen import series_folder

# The first test waits for everything that is handed in and audited for all of them.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
DOUBT = "title: Doubt\nchecks: [uncertainty]\nlimits: []\ndropout_samples: 12\n"


@dataclass(frozen=True)
class Models:
    """A team with models of several kinds, and the addresses of their pages."""

    person: Person
    onnx: str
    pt2: str
    volumes: str
    refused: str
    upload: str
    report: str
    endpoint: str
    hand_in: str


@pytest.fixture(scope="module")
def models(live_portal: LivePortal, tmp_path_factory: pytest.TempPathFactory) -> Models:
    person = live_portal.person("Moe Models")
    client = Client(live_portal.url, person.token)
    made = tmp_path_factory.mktemp("models")

    def pushed(folder):
        return client.wait_for_upload(client.push_model(folder)["id"], every=0.3)["model"]

    pickled = model_folder(made / "pickled", channels=4, name="Pickled")
    (pickled / "model.onnx").write_bytes(pickle.dumps({"weights": [1.0]}))
    (pickled / "train.py").write_text("raise SystemExit")
    upload = client.push_model(pickled)["id"]
    with pytest.raises(Refused):
        client.wait_for_upload(upload, every=0.3)
    refused = next(one for one in client.models() if one["state"] == "refused")["id"]
    pt2 = pushed(doubtful_folder(made / "doubtful"))
    cohort = client.push_cohort(cohort_folder(made / "cohort", n=24))["id"]
    cohort = client.wait_for_upload(cohort, every=0.3)["cohort"]
    series = client.push_cohort(series_folder(made / "series"))["id"]
    client.wait_for_upload(series, every=0.3)
    protocol = client.push_protocol(DOUBT, lock=True)["id"]
    audit = client.start_audit(cohort=cohort, model=pt2, protocol=protocol)
    *_, audit = client.watch(audit["id"], every=0.5)
    assert audit["state"] == "sealed", live_portal.logs()
    team = f"{live_portal.url}/t/{person.team}"
    versions = f"{team}/models/versions"
    return Models(
        person=person,
        onnx=f"{versions}/{pushed(model_folder(made / 'shade', channels=4))}/",
        pt2=f"{versions}/{pt2}/",
        volumes=pushed(segmenting(made / "volumes", sides=(8, 8, 8), input=VOLUME)),
        refused=f"{versions}/{refused}/",
        upload=f"{team}/hand-in/{upload}/",
        report=f"{team}/reports/{audit['report']}/",
        endpoint=f"{team}/hand-in/endpoint/",
        hand_in=f"{team}/hand-in/?kind=model",
    )


@pytest.fixture
def inside(page: Page, live_portal: LivePortal, models: Models) -> Page:
    sign_in(page, live_portal.url, models.person)
    return page


def is_well(page: Page, url: str) -> None:
    """Whole, labelled and no wider than the window at 1440 and 390; all of it by keyboard."""
    assert look_at(page, url) == []
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(url)
    assert unreached(page) == []


@pytest.mark.parametrize(
    ("which", "called"), [("onnx", "ONNX: tensors and known"), ("pt2", "PT2: tensors and known")]
)
def test_the_verdict_and_the_capabilities_of_an_accepted_model(inside, models, which, called):
    url = getattr(models, which)
    is_well(inside, url)

    verdict = inside.get_by_role("region", name="Intake verdict")
    expect(verdict).to_contain_text("Accepted. It holds nothing but tensors")
    able = inside.get_by_role("region", name="What can be done with it")
    dropout = able.get_by_role("row", name=re.compile("Several answers to a case"))
    expect(dropout).to_contain_text("Available" if which == "pt2" else "Not available")
    lay_there = inside.get_by_role("region", name="What was in the upload")
    expect(lay_there).to_contain_text("weights, read as data")
    expect(inside.get_by_role("main")).to_contain_text(called)


@pytest.mark.parametrize("which", ["refused", "upload"])
def test_a_refused_pickle_says_why_and_lists_what_came_with_it(inside, models, which):
    is_well(inside, getattr(models, which))

    main = inside.get_by_role("main")
    expect(main).to_contain_text("pickle_refused")
    lay_there = inside.get_by_role("region", name="What was in the upload")
    expect(lay_there).to_contain_text("3 files")
    expect(lay_there.get_by_role("row", name=re.compile("train.py"))).to_contain_text(
        "program text"
    )
    refused = lay_there.get_by_role("row", name=re.compile("model.onnx"))
    expect(refused).to_contain_text("pickle_refused")


def test_the_uncertainty_of_a_dropout_model(inside, models):
    is_well(inside, models.report)

    main = inside.get_by_role("main")
    expect(main.get_by_role("heading", name=re.compile("Uncertainty")).first).to_be_visible()
    expect(main).to_contain_text("12 samples")
    charts = main.get_by_role("img")
    assert charts.count() > 0


def test_what_the_model_saw_of_a_picture(inside, models):
    inside.goto(models.report + "case/c0003/")
    inside.get_by_role("button", name="What the model saw").click()
    given = inside.get_by_role("heading", name="What the network is given")
    expect(given).to_be_visible()
    is_well(inside, inside.url)

    steps = inside.get_by_role("listitem").filter(has=inside.get_by_role("heading", level=2))
    expect(steps.first).to_contain_text("Decoded")
    expect(steps.last).to_contain_text("Lowest")
    for image in inside.locator(".seen-img img").all():
        image.evaluate("image => image.decode()")
        assert image.evaluate("image => image.naturalWidth") > 0


def open_volume(page: Page, live_portal: LivePortal, models: Models) -> None:
    page.goto(f"{live_portal.url}/t/{models.person.team}/seen/{models.volumes}/")
    page.get_by_label("Cohort version").select_option(label="Series, version 1")
    page.get_by_role("button", name="Show").click()
    page.locator("a.tile", has_text="whole").click()
    made = page.get_by_role("button", name="Show what the model saw")
    if made.count():
        made.click()
    expect(page.get_by_role("heading", name="What the network is given")).to_be_visible()


def test_the_slices_of_a_volume_follow_the_slider(inside, live_portal, models):
    open_volume(inside, live_portal, models)
    is_well(inside, inside.url)
    picture = inside.locator("img[data-pattern]").last
    before = picture.get_attribute("src")
    slider = inside.get_by_label("Slices at")

    slider.focus()
    inside.keyboard.press("ArrowRight")

    expect(inside.locator("output")).to_have_text("6 of 9")
    expect(picture).not_to_have_attribute("src", before)
    inside.reload()
    expect(slider).to_have_value("6")


def test_the_slices_of_a_volume_without_script(chromium, live_portal, models):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, live_portal.url, models.person)
    page.goto(f"{live_portal.url}/t/{models.person.team}/seen/{models.volumes}/")
    page.get_by_label("Cohort version").select_option(label="Series, version 1")
    page.get_by_role("button", name="Show").click()
    page.locator("a.tile", has_text="whole").click()
    if page.get_by_role("button", name="Show what the model saw").count():
        page.get_by_role("button", name="Show what the model saw").click()
    for _ in range(60):
        if page.get_by_role("heading", name="What the network is given").count():
            break
        page.get_by_role("link", name="Look again").click()
        page.wait_for_timeout(500)

    page.get_by_label("Slices at").fill("9")
    page.get_by_role("button", name="Show").click()

    expect(page).to_have_url(re.compile(r"\?at=9$"))
    assert page.locator(".seen-steps img").last.get_attribute("src").endswith("/8/")
    context.close()


def test_the_form_of_an_endpoint(inside, live_portal, models):
    inside.goto(models.hand_in)
    inside.get_by_role("link", name="How to allow it").click()
    expect(inside.get_by_role("main")).to_contain_text("does not take models behind an address")
    is_well(inside, models.endpoint)
    inside.get_by_role("link", name="allow them in the team settings").click()
    inside.get_by_label("Models behind an address").check()
    inside.get_by_role("button", name="Keep").click()
    inside.goto(models.hand_in)
    inside.get_by_role("link", name="Fill in a form").click()
    is_well(inside, models.endpoint)

    for label, typed in {
        "Name": "Chest", "Version": "1", "Address": "https://10.0.0.1/serving",
        "Model on the server": "cxr", "Height, width": "224, 224",
        "Classes": "normal, finding", "Counts as finding": "finding",
    }.items():  # fmt: skip
        inside.get_by_label(label, exact=True).fill(typed)
    inside.watch.answers_with(422)
    inside.get_by_role("button", name="Hand in").click()

    expect(inside.get_by_role("alert")).to_contain_text("Nothing was handed in.")
    address = inside.get_by_label("Address", exact=True)
    expect(address).to_have_attribute("aria-invalid", "true")
    wrong = address.locator("xpath=ancestor::div[@class='field']")
    expect(wrong).to_contain_text("leads into a private or reserved network")
    expect(address).to_have_value("https://10.0.0.1/serving")
