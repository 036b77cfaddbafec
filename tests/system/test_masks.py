"""Masks handed in with a browser and with `plumb`, answered as the command line answers."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from ml.zoo.blobs import cohort_folder, predictions_folder
from tests.browser.steps import choose, hand_in, open_new_audit, sign_in, start_audit
from tests.live import PATIENCE_MS
from tests.system.test_three_ways import run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = tmp_path_factory.mktemp("masks")
    return cohort_folder(made / "cohort", n=8), predictions_folder(made / "predictions", n=8)


@pytest.fixture(scope="module")
def by_command_line(folders, tmp_path_factory):
    from tests.conftest import ROOT

    out = tmp_path_factory.mktemp("command-line") / "out"
    cohort, predictions = folders
    run("ml", "audit", "--cohort", cohort, "--predictions", predictions, "--out", out, cwd=ROOT)
    return json.loads((out / "audit.json").read_text())


def answers(document):
    kept = ("id", "state", "reason", "measures", "findings")
    return {
        "verdict": document["verdict"],
        "cohort": document["cohort"]["sha256"],
        "predictions": document["model"]["sha256"],
        "checks": [{key: check[key] for key in kept} for check in document["checks"]],
    }


@pytest.mark.browser
def test_with_a_browser(live_portal, chromium, folders, by_command_line):
    person = live_portal.person("Masks by browser")
    context = chromium.new_context(accept_downloads=True)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    cohort, predictions = folders

    sign_in(page, live_portal.url, person)
    hand_in(page, live_portal.url, person, "cohort", cohort)
    expect(page.get_by_text("8 reference masks, 24 masks of readers")).to_be_visible()
    hand_in(page, live_portal.url, person, "predictions", predictions)
    expect(page.get_by_text("masks, one file a case")).to_be_visible()
    open_new_audit(page, live_portal.url, person)
    choose(page, "Subject", "Ball finder")
    start_audit(page)
    expect(page.get_by_role("heading", name="Wrong cases")).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("link", name="audit.json", exact=True).first.click()
    document = json.loads(Path(download.value.path()).read_text())
    context.close()

    assert answers(document) == answers(by_command_line)


def test_with_the_client(live_portal, folders, by_command_line, repo_root, tmp_path):
    person = live_portal.person("Masks by client")
    kept = {"XDG_CONFIG_HOME": str(tmp_path), "PYTHONPATH": str(repo_root / "client")}
    kept |= {"PLUMB_URL": "", "PLUMB_TOKEN": ""}

    def plumb(*words):
        return run("plumb", *words, cwd=tmp_path, **kept)

    plumb("login", "--url", live_portal.url, "--token", person.token)
    cohort = json.loads(plumb("cohorts", "push", folders[0], "--json"))["cohort"]
    predictions = json.loads(plumb("predictions", "push", folders[1], "--json"))["predictions"]
    chosen = ("--cohort", cohort, "--predictions", predictions)
    audit = json.loads(plumb("audits", "start", *chosen, "--watch", "--json"))
    plumb("reports", "get", audit["report"], "--out", tmp_path / "audit.json")

    document = json.loads((tmp_path / "audit.json").read_text())
    assert answers(document) == answers(by_command_line)
