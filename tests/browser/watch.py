"""What a browser complains about while it is used, and what the pages may not do."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response

CHECK = (Path(__file__).parent / "check_page.js").read_text()  # to be evaluated in a page
LEFT_BEHIND = "net::ERR_ABORTED"  # the person went elsewhere, or the answer became a download


class Watch:
    """Listens to every page of a context. `answers_with` names the refusals a test is about."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.host = urlsplit(url).netloc
        self.complaints: list[str] = []
        self.pages_seen = 0
        self.allowed: set[int] = set()
        context.on("page", self._listen)
        context.on("response", self._answered)
        context.on("requestfailed", self._failed)
        context.on("request", self._asked)

    def answers_with(self, *statuses: int) -> None:
        self.allowed |= set(statuses)

    def _listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("console", self._said)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if any(f"status of {status}" in message.text for status in self.allowed):
            return
        self.complaints.append(f"console, {message.location.get('url')}: {message.text}")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self.host:
            self.complaints.append(f"asked another host: {request.url}")

    def _failed(self, request: Request) -> None:
        if request.failure != LEFT_BEHIND:
            self.complaints.append(f"failed: {request.url} {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.allowed:
            self.complaints.append(f"{response.status}: {response.url}")
        is_page = response.request.resource_type == "document"
        if is_page and not 300 <= response.status < 400:
            self._check_headers(response)

    def _check_headers(self, response: Response) -> None:
        headers: dict[str, Any] = response.headers
        if "text/html" not in headers.get("content-type", ""):
            return
        self.pages_seen += 1
        policy = headers.get("content-security-policy", "")
        scripts = [part.split() for part in policy.split(";") if part.split()[:1] == ["script-src"]]
        if "default-src 'none'" not in policy or scripts != [["script-src", "'self'"]]:
            self.complaints.append(f"no strict policy: {response.url}: {policy!r}")
