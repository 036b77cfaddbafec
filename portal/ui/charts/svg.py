"""A small drawing: shapes with classes for the page, with literal colours for paper."""

import hashlib

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from portal.ui.charts import palette as looks

_TEXT_ONLY = {"text-anchor", "font-size", "font-weight", "font-family"}


class Drawing:
    """Collects shapes in drawing order. Coordinates are user units, y down."""

    def __init__(self, width: float, height: float, *, palette: str = "page") -> None:
        if palette not in ("page", "print"):
            raise ValueError(f"palette is 'page' or 'print', got {palette!r}")
        self.width, self.height = width, height
        self._print = palette == "print"
        self._parts: list[SafeString] = []

    def path(self, d: str, *classes: str) -> None:
        self._add("path", {"d": d}, classes)

    def polyline(self, points: list[tuple[float, float]], *classes: str) -> None:
        if points:
            self.path("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points), *classes)

    def area(
        self,
        lower: list[tuple[float, float]],
        upper: list[tuple[float, float]],
        *classes: str,
    ) -> None:
        outline = [*lower, *reversed(upper)]
        if outline:
            self.path("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in outline) + "Z", *classes)

    def rect(
        self, x: float, y: float, width: float, height: float, *classes: str, hint: str = ""
    ) -> None:
        box = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{width:.1f}", "height": f"{height:.1f}"}
        self._add("rect", box, classes, hint)

    def circle(self, x: float, y: float, radius: float, *classes: str, hint: str = "") -> None:
        at = {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": f"{radius:g}"}
        self._add("circle", at, classes, hint)

    def text(self, x: float, y: float, words: str, *classes: str) -> None:
        """Words with a halo in the ground's colour, so that they may cross lines."""
        at = {"x": f"{x:.1f}", "y": f"{y:.1f}"}
        if not self._print:
            self._add("text", at, classes, words)
            return
        ink = looks.TEXT | looks.attributes(classes)
        white = {"stroke": "#ffffff", "stroke-width": "3", "stroke-linejoin": "round"}
        halo = ink | white | {"fill": "#ffffff"}
        if "in" not in classes:  # words inside a shape need none
            self._append("text", at | halo, words)
        self._append("text", at | ink, words)

    def plumb_line(self, x: float, top: float, bottom: float, *, bob: float = 4) -> None:
        """The mark of a limit, the same everywhere: a thin line with a bob."""
        self.path(f"M{x:.1f} {top:g}V{bottom:g}", "lim")
        half, deep = bob, bob * 2.6
        tip = f"{-half / 2:g} {0.3 * -deep:.1f} {-half:g} {0.6 * -deep:.1f} {-half:g} {-deep:.1f}"
        self.path(
            f"M{x - half:.1f} {bottom - 1:g}h{2 * half:g}"
            f"c0 {0.4 * deep:.1f} {-half / 2:g} {0.7 * deep:.1f} {-half:g} {deep:.1f}c{tip}z",
            "bob",
        )

    def render(self, sentence: str, *, title: str = "") -> SafeString:
        """The SVG, with its sentence for screen readers."""
        head, named = self._named(sentence, title)
        size = ""
        if self._print:
            size = format_html(' width="{}" height="{}"', f"{self.width:g}", f"{self.height:g}")
        return format_html(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}"{} role="img" '
            "{}>{}{}</svg>",
            f"{self.width:g}",
            f"{self.height:g}",
            size,
            named,
            head,
            mark_safe("".join(self._parts)),  # noqa: S308 - every part was escaped when added
        )

    def _named(self, sentence: str, title: str) -> tuple[SafeString, SafeString]:
        """Its title, and the attribute that names it.

        A small figure without a title may stand on a page twice, word for word, so it has no ids.
        """
        if not title:
            named = format_html('aria-label="{}"', sentence)
            return format_html("<title>{}</title>", sentence), named
        mark = hashlib.sha256(
            f"{title}|{sentence}|{self.width:g}|{len(self._parts)}".encode()
        ).hexdigest()[:8]
        head = format_html('<title id="t-{}">{}</title>', mark, title)
        head += format_html('<desc id="d-{}">{}</desc>', mark, sentence)
        return head, format_html('aria-labelledby="t-{0} d-{0}"', mark)

    def _add(
        self, tag: str, place: dict[str, str], classes: tuple[str, ...], words: str = ""
    ) -> None:
        if self._print:
            look = looks.attributes(classes)
            if tag != "text":
                look = {k: v for k, v in look.items() if k not in _TEXT_ONLY}
            self._append(tag, place | look, words if tag == "text" else "")
            return
        named = {"class": " ".join(classes)} if classes else {}
        self._append(tag, named | place, words)

    def _append(self, tag: str, attributes: dict[str, str], words: str) -> None:
        pairs = format_html_join("", ' {}="{}"', attributes.items())
        if tag != "text" and words:  # a hint shown while the pointer rests on a shape
            words = format_html("<title>{}</title>", words)
        opening = format_html("<{}{}>{}", mark_safe(tag), pairs, words)  # noqa: S308 - our own tags
        self._parts.append(opening + format_html("</{}>", mark_safe(tag)))  # noqa: S308
