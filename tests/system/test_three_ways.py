"""The same audit through browser, plain forms, client and command line: the same answer."""

import http.cookiejar
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path
from urllib.parse import urlencode

import pytest
from PIL import Image, ImageOps

from demo.run import zipped
from ml.zoo.shades import cohort_folder, model_folder
from tests.browser.steps import choose_foreign, hand_in, open_new_audit, sign_in, start_audit
from tests.live import PATIENCE_MS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A model, the cohort it is audited on, and one that it was not made for."""
    made = tmp_path_factory.mktemp("three-ways")
    foreign = cohort_folder(made / "foreign", n=14, title="Turned round")
    for path in (foreign / "images").iterdir():
        ImageOps.invert(Image.open(path)).save(path)
    return (
        model_folder(made / "model", channels=8),
        cohort_folder(made / "cohort", n=120),
        foreign,
    )


def run(*words, cwd, **environment):
    """One command; a failed limit is an answer too."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def by_command_line(folders, tmp_path_factory):
    from tests.conftest import ROOT

    out = tmp_path_factory.mktemp("command-line") / "out"
    model, cohort, foreign = folders
    given = ("--model", model, "--cohort", cohort, "--ood", f"far={foreign}")
    run("ml", "audit", *given, "--out", out, cwd=ROOT)
    return json.loads((out / "audit.json").read_text())


def by_browser(request, portal, person, model, cohort, foreign, scratch):
    context = request.getfixturevalue("chromium").new_context(accept_downloads=True)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    sign_in(page, portal.url, person)
    hand_in(page, portal.url, person, "model", sorted(model.iterdir()))
    hand_in(page, portal.url, person, "cohort", cohort)
    hand_in(page, portal.url, person, "cohort", foreign)
    open_new_audit(page, portal.url, person)
    choose_foreign(page, "Turned round, version 1", "foreign, far")
    start_audit(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="audit.json", exact=True).first.click()
    answer = json.loads(Path(download.value.path()).read_text())
    context.close()
    return answer


def by_client(request, portal, person, model, cohort, foreign, scratch):
    root = request.getfixturevalue("repo_root")
    kept = {"XDG_CONFIG_HOME": str(scratch), "PYTHONPATH": str(root / "client")}
    for name in ("PLUMB_URL", "PLUMB_TOKEN"):
        kept[name] = ""

    def plumb(*words):
        return run("plumb", *words, cwd=scratch, **kept)

    plumb("login", "--url", portal.url, "--token", person.token)
    versions = {
        path: json.loads(plumb(noun, "push", path, "--json"))
        for noun, path in (("models", model), ("cohorts", cohort), ("cohorts", foreign))
    }
    chosen = ("--model", versions[model]["model"], "--cohort", versions[cohort]["cohort"])
    chosen += ("--foreign", f"far={versions[foreign]['cohort']}")
    audit = json.loads(plumb("audits", "start", *chosen, "--watch", "--json"))
    plumb("reports", "get", audit["report"], "--out", scratch / "audit.json")
    return json.loads((scratch / "audit.json").read_text())


def by_forms(request, portal, person, model, cohort, foreign, scratch):
    """What a browser without script would send."""
    visit = Visit(portal.url)
    visit.post("/sign-in/", visit.fields("/sign-in/") | {
        "email": person.email, "password": person.password,
    })  # fmt: skip
    for kind, folder in (("model", model), ("cohort", cohort), ("cohort", foreign)):
        page = f"/t/{person.team}/hand-in/"
        fields = visit.fields(page) | {"kind": kind, "seal": "on"}
        visit.post_file(page, fields, zipped(folder, scratch / f"{folder.name}.zip"))
        visit.wait_for("Accepted")
    page = f"/t/{person.team}/audits/new/"
    (field,) = re.findall(r'for="(beside-[0-9a-f-]{36})">Turned round', visit.get(page))
    visit.post(page, visit.fields(f"{page}?{field}=far", last=True))
    visit.wait_for("Open report")
    (report,) = set(re.findall(r'href="(/t/[^"]+/reports/[0-9a-f-]{36}/)"', visit.text))
    return json.loads(visit.get(f"{report}audit.json"))


class Visit:
    """A session with cookies: `text` and `address` are of the page it stands on."""

    def __init__(self, url):
        self.url = url
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        )

    def get(self, page):
        return self._open(urllib.request.Request(f"{self.url}{page}"))

    def fields(self, page, last=False):
        """What the page's first or last form holds ready to be sent."""
        forms = re.findall(r"<form .*?</form>", self.get(page), re.DOTALL)
        form = [form for form in forms if 'action="/sign-out/"' not in form][-1 if last else 0]
        hidden = re.findall(r"<input [^>]*type=\"hidden\"[^>]*>", form)
        pairs = [re.findall(r'(?:name|value)="([^"]*)"', tag) for tag in hidden]
        return dict(pair for pair in pairs if len(pair) == 2)

    def post(self, page, fields):
        self._send(page, urlencode(fields).encode(), "application/x-www-form-urlencoded")

    def post_file(self, page, fields, path):
        boundary = uuid.uuid4().hex
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        ]
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="files"; '
            f'filename="{path.name}"\r\nContent-Type: application/zip\r\n\r\n'
        )
        body = "".join(parts).encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        self._send(page, body, f"multipart/form-data; boundary={boundary}")

    def wait_for(self, words):
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while words not in self.text:
            assert time.monotonic() < deadline, self.text[-3000:]
            time.sleep(0.3)
            self.get(self.address.removeprefix(self.url))

    def _send(self, page, body, media_type):
        headers = {"Content-Type": media_type, "Referer": f"{self.url}{page}"}
        self._open(urllib.request.Request(f"{self.url}{page}", body, headers))

    def _open(self, request):
        with self.opener.open(request, timeout=60) as answer:
            self.address, self.text = answer.url, answer.read().decode()
        return self.text


def answers(document):
    """What an audit says, without when and where it was said."""
    return {
        "schema": document["schema"],
        "verdict": document["verdict"],
        "model": document["model"]["sha256"],
        "cohort": document["cohort"]["sha256"],
        "beside": document["cohort"]["beside"],
        "protocol": document["protocol"]["sha256"],
        "checks": [
            {key: check[key] for key in ("id", "state", "reason", "measures", "findings")}
            for check in document["checks"]
        ],
    }


@pytest.mark.parametrize("way", [
    pytest.param(by_browser, marks=pytest.mark.browser), by_forms, by_client,
])  # fmt: skip
def test_every_way_gives_the_same_answer(
    way, request, live_portal, folders, by_command_line, tmp_path
):
    person = live_portal.person(f"Three {way.__name__}")  # a team of its own: nothing is reused

    document = way(request, live_portal, person, *folders, tmp_path)

    measures = [measure for check in document["checks"] for measure in check["measures"]]
    assert sum(measure["value"] is not None for measure in measures) > 10
    assert any(finding["cases"] for check in document["checks"] for finding in check["findings"])
    assert answers(document) == answers(by_command_line)
