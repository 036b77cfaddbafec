"""HTML to PDF through WeasyPrint. Nothing is fetched but fonts of the build and given images."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from django.conf import settings
from weasyprint import CSS, HTML
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import URLFetcher, URLFetcherResponse

from portal.blobs import store
from portal.blobs.models import Blob
from portal.reports.doors import BLOB_SCHEME

FONT_SCHEME = "font:"
_STYLE = Path(__file__).with_name("paper.css")
# The faces of the page, as the frontend's build names their files.
_FACES = {
    "Inter Variable": "inter-latin-wght-normal",
    "Source Serif 4 Variable": "source-serif-4-latin-opsz-normal",
    "IBM Plex Mono": "ibm-plex-mono-latin-400-normal",
}


class Refused(ValueError):
    """A document asked for an address that is not one of its own images or fonts."""


class OwnFilesOnly(URLFetcher):  # type: ignore[misc]
    """Gives a document its own images and fonts; refuses every other address, files included."""

    def __init__(self, pictures: Mapping[str, str]) -> None:
        super().__init__(fail_on_errors=False)
        self._pictures = pictures

    def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> URLFetcherResponse:
        scheme, _, name = url.partition(":")
        if f"{scheme}:" == BLOB_SCHEME and name in self._pictures:
            data = store.read_bytes(Blob.objects.get(pk=name))
            return URLFetcherResponse(url, data, {"Content-Type": self._pictures[name]})
        if f"{scheme}:" == FONT_SCHEME and (path := _font(name)) is not None:
            return URLFetcherResponse(url, path.read_bytes(), {"Content-Type": "font/woff2"})
        raise Refused(f"a report may not load {url}")


def typeset(html: str, pictures: Mapping[str, str]) -> bytes:
    """`pictures`: hash -> media type of the images the document may show."""
    fetcher, fonts = OwnFilesOnly(pictures), FontConfiguration()
    sheets = [
        CSS(string=text, url_fetcher=fetcher, font_config=fonts)
        for text in ("\n".join(_faces()), _STYLE.read_text())
    ]
    made = HTML(string=html, url_fetcher=fetcher)
    data: bytes = made.write_pdf(stylesheets=sheets, font_config=fonts, pdf_tags=True)
    return data


def _faces() -> Iterator[str]:
    for family, name in _FACES.items():
        if _font(name) is not None:
            source = f'url("{FONT_SCHEME}{name}") format("woff2")'
            yield f'@font-face {{ font-family: "{family}"; src: {source}; }}'


def _font(name: str) -> Path | None:
    if name not in _FACES.values():
        return None
    return next(iter(sorted((settings.FRONTEND_DIST / "assets").glob(f"{name}*.woff2"))), None)
