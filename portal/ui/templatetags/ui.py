"""The components of a page (`{% load ui %}`), each with an example in docs/ui-components.md."""

import html
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django import template
from django.template.context import Context
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString

from portal.ui import icons, numbers
from portal.ui.charts import Table, is_drawn, render, render_narrow, table
from portal.ui.estimates import as_json, because, limit_text, margin, show
from portal.ui.measures import measure
from portal.ui.names import readable
from portal.ui.navigation import place, section_of
from portal.ui.plumb import CARD, ROW, plumb
from portal.ui.states import look

register = template.Library()

_CHIPS = {
    "pre-registered": ("lock", "pre-registered", ""),
    "regulator": ("", "regulator", ""),
    "literature": ("", "literature", ""),
    "platform-default": ("", "platform default", "dash"),
    "changed-after-unblinding": ("caution", "changed after unblinding", "late"),
}
_NOTE_ICONS = {
    "": "info",
    "na": "not-assessed",
    "info": "info",
    "caution": "caution",
    "fail": "fail",
    "pass": "pass",
}


register.filter("readable", readable)


@register.simple_tag
def icon(name: str, px: int = 16) -> SafeString:
    return icons.icon(name, px)


@register.simple_tag
def logo(px: int = 20) -> SafeString:
    return icons.logo(px)


@register.simple_tag
def state(value: str, word: str = "", *, tag: bool = False, px: int = 16) -> SafeString:
    """Word, icon and colour. The word may be more exact ("Missed"), the icon may not."""
    seen = look(value)
    return format_html(
        '<span class="st {}{}">{}{}</span>',
        seen.tone,
        " tag" if tag else "",
        icons.icon(seen.icon, px),
        word or seen.word,
    )


@register.simple_tag
def state_icon(value: str, px: int = 16) -> SafeString:
    """The icon alone where there is no room; its word stays for screen readers."""
    seen = look(value)
    return format_html(
        '<span class="st {}" title="{}">{}<span class="vh">{}</span></span>',
        seen.tone,
        seen.word,
        icons.icon(seen.icon, px),
        seen.word,
    )


@register.simple_tag
def chip(origin: str) -> SafeString:
    """Where a limit comes from; a text without a fixed meaning becomes a plain chip."""
    drawn, words, extra = _CHIPS.get(str(origin), ("", str(origin), ""))
    picture = icons.icon(drawn, 12) if drawn else ""
    return format_html(
        '<span class="chip{}">{}{}</span>', f" {extra}" if extra else "", picture, words
    )


@register.inclusion_tag("ui/_estimate.html", takes_context=True)
def estimate(context: Context, value: Any, *, n: bool = True) -> dict[str, Any]:
    """The estimate cell: value, interval, n beneath; or why there is none."""
    return {"shown": show(value, _cluster_kind(context)) if value else None, "with_n": n}


def _cluster_kind(context: Context) -> str:
    """What the cohort of the page's document is made of, where there is one."""
    cohort = context.get("cohort")
    return str(cohort.get("cluster_kind") or "") if isinstance(cohort, Mapping) else ""


@register.simple_tag(name="plumb")
def plumb_tag(value: Any, limit: Any = None, state: str = "info", size: str = "row") -> SafeString:
    """The plumb figure; the reason in words where the estimate has no value."""
    if not value:
        return format_html('<span class="mut xs">{}</span>', "not estimated")
    data = as_json(value)
    if data["value"] is None:
        return format_html('<span class="mut xs">not estimated: {}</span>', because(data["reason"]))
    return plumb(data, limit, state, shape=CARD if size == "card" else ROW)


@register.simple_tag
def limit(value: Any, estimate: Any = None) -> str:
    """In the unit of the estimate held against it, where that has one."""
    return limit_text(value, estimate) if value else "no limit"


@register.simple_tag(name="margin")
def margin_tag(value: Any, limit: Any) -> str:
    return margin(value, limit) if value and limit else ""


@register.simple_tag
def measure_name(measure_id: str) -> str:
    return measure(measure_id).name


@register.inclusion_tag("ui/_finding.html", takes_context=True)
def finding_card(
    context: Context,
    finding: Any,
    estimate: Any = None,
    *,
    check: str = "",
    check_url: str = "",
    cases_url: str = "",
    palette: str = "page",
) -> dict[str, Any]:
    """One finding: claim, why, statistic, plumb figure, limit and origin, cases, action."""
    data = as_json(finding)
    seen = look(data["state"])
    shown = show(estimate, _cluster_kind(context)) if estimate else None
    figure: SafeString | str = ""
    if estimate and as_json(estimate)["value"] is not None:
        rule = data.get("limit")
        figure = plumb(estimate, rule, data["state"], shape=CARD, palette=palette)
    return {
        "finding": data,
        "estimate": estimate,
        "look": seen,
        "shown": shown,
        "figure": figure,
        "n_cases": len(data.get("cases") or ()),
        "check": check,
        "check_url": check_url,
        "cases_url": cases_url,
    }


@register.simple_block_tag
def note(content: str, tone: str = "", icon: str = "") -> SafeString:
    """One icon, one bold sentence, what to do: `{% note "caution" %}...{% endnote %}`."""
    return format_html(
        '<div class="note{}">{}<div>{}</div></div>',
        f" {tone}" if tone else "",
        icons.icon(icon or _NOTE_ICONS[tone]),
        content,
    )


@register.simple_block_tag
def empty_state(content: str, title: str, *, action: str = "", url: str = "") -> SafeString:
    """What belongs here, why it is useful, one button: `{% empty_state "Title" %}...`."""
    button = (
        format_html('<p class="mt4"><a class="btn p" href="{}">{}</a></p>', url, action)
        if url
        else ""
    )
    return format_html('<div class="empty"><h2>{}</h2><p>{}</p>{}</div>', title, content, button)


@register.simple_tag(name="hash")
def hash_tag(digest: str | None, label: str = "", *, copy: bool = True) -> SafeString:
    """A shortened SHA-256; the whole one on copy and for screen readers."""
    if not digest:
        return format_html('<span class="mut">{}</span>', numbers.NOT_KNOWN)
    words = f"{label} {numbers.short_hash(digest)}".strip()
    button = (
        format_html(
            '<button class="copy" type="button" data-copy="{}" title="Copy" hidden>{}'
            '<span class="vh">Copy {}</span></button>',
            digest,
            icons.icon("copy", 12),
            label or "hash",
        )
        if copy
        else ""
    )
    return format_html('<span class="hash mono" title="{}">{}</span>{}', digest, words, button)


@register.simple_tag
def when(moment: datetime | None) -> SafeString:
    if moment is None:
        return format_html('<span class="mut">{}</span>', numbers.NOT_KNOWN)
    return format_html(
        '<time class="nw" datetime="{}">{}</time>', moment.isoformat(), numbers.when(moment)
    )


@register.simple_tag
def day(moment: datetime | None) -> SafeString:
    if moment is None:
        return format_html('<span class="mut">{}</span>', numbers.NOT_KNOWN)
    return format_html(
        '<time class="nw" datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        numbers.when(moment),
        numbers.day(moment),
    )


@register.simple_tag
def duration(seconds: float | None) -> str:
    return numbers.NOT_KNOWN if seconds is None else numbers.duration(float(seconds))


@register.simple_tag(name="count")
def count_tag(n: int | None, one: str = "", many: str = "") -> str:
    """`{% count 3000 "case" %}` is "3,000 cases"."""
    if n is None:
        return numbers.NOT_KNOWN
    noun = one if n == 1 else (many or (f"{one}s" if one else ""))
    return f"{numbers.count(n)} {noun}".strip()


@register.inclusion_tag("ui/_meter.html")
def meter(done: int, total: int, label: str = "") -> dict[str, Any]:
    """How far, as a bar: never more than the truth, rounded down."""
    share = 100 * done // total if total else 0
    return {"share": share, "label": label or f"{share} %"}


@register.inclusion_tag("ui/_shards.html")
def shards(states: Sequence[str]) -> dict[str, Any]:
    """The shards of a pass; the row beside them says the same in words."""
    return {"states": [str(value) for value in states]}


@register.inclusion_tag("ui/_chart.html")
def chart(
    series: dict[str, Any], *, csv_url: str = "", explore_url: str = "", palette: str = "page"
) -> dict[str, Any]:
    """A figure: its finding as title, what is drawn, the drawing, the table of its numbers."""
    return {
        "series": series,
        "drawing": render(series, palette=palette),
        "narrow": render_narrow(series) if palette == "page" else "",
        "table": table(series),
        "csv_url": csv_url,
        "explore_url": explore_url,
        "print": palette == "print",
    }


@register.inclusion_tag("ui/_twin.html")
def chart_table(series: dict[str, Any]) -> dict[str, Table]:
    return {"table": table(series)}


@register.inclusion_tag("ui/_nav_item.html", takes_context=True)
def nav_item(
    context: Context, key: str, label: str, icon: str, aside: str | int | None = None
) -> dict[str, Any]:
    """A place in the side navigation; left out for those who are in no team."""
    match = getattr(context.get("request"), "resolver_match", None)
    section = context.get("section") or section_of(match)
    return {
        "url": place(key, _team_slug(context)),
        "label": label,
        "icon": icon,
        "aside": aside,
        "current": section == key,
    }


@register.simple_tag(takes_context=True)
def place_url(context: Context, key: str) -> str:
    """The address of a place of the navigation, in the team of the page."""
    return place(key, _team_slug(context))


def _team_slug(context: Context) -> str:
    team = getattr(context.get("nav"), "team", None)
    return str(getattr(team, "slug", ""))


@register.filter(name="count")
def count_filter(n: int | None) -> str:
    return numbers.NOT_KNOWN if n is None else numbers.count(int(n))


@register.filter
def decimal(value: float | None, places: int = 3) -> str:
    return numbers.NOT_KNOWN if value is None else numbers.decimal(float(value), places)


@register.filter
def percent(fraction: float | None) -> str:
    return numbers.NOT_KNOWN if fraction is None else numbers.percent(float(fraction))


@register.filter
def plain(value: float | None) -> str:
    return numbers.NOT_KNOWN if value is None else numbers.plain(float(value))


@register.filter
def size(n_bytes: int | None) -> str:
    return numbers.NOT_KNOWN if n_bytes is None else numbers.size(int(n_bytes))


@register.filter
def short_hash(digest: str | None) -> str:
    return numbers.short_hash(digest) if digest else numbers.NOT_KNOWN


@register.filter
def css_string(text: object) -> SafeString:
    """A quoted string of a style sheet inside an attribute, from rendered (so escaped) text."""
    plain_text = html.unescape(str(text)).strip()
    quoted = "".join(f"\\{ord(c):x} " if c in '"\\\n<>' else c for c in plain_text)
    return escape(f'"{quoted}"')


@register.filter
def is_drawable(series: dict[str, Any]) -> bool:
    return is_drawn(series)


@register.filter
def message_tone(level_tag: str) -> str:
    """The tone of a note for a message of the framework."""
    return {"error": "fail", "warning": "caution", "success": "pass"}.get(level_tag, "info")


@register.filter
def tone(value: str) -> str:
    """The CSS class of a state: `<article class="find {{ finding.state|tone }}">`."""
    return look(value).tone
