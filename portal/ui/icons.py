"""The icons, drawn on a 16 grid; the five states differ in shape and not only in colour."""

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

_LINE = (
    '<path d="{}" fill="none" stroke="currentColor" stroke-width="1.35" '
    'stroke-linejoin="round" stroke-linecap="round"/>'
)
_RING = '<circle cx="8" cy="8" r="6.6" fill="none" stroke="currentColor" stroke-width="1.6"/>'

_STATES = {
    "pass": _RING + '<path d="M5.2 8.2l2 2 3.7-4.2" fill="none" stroke="currentColor" '
    'stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round"/>',
    "caution": '<path d="M8 1.8l6.6 11.9H1.4z" fill="none" stroke="currentColor" '
    'stroke-width="1.6" stroke-linejoin="round"/><path d="M8 6.2v3.6" stroke="currentColor" '
    'stroke-width="1.7" stroke-linecap="round"/><circle cx="8" cy="11.7" r=".95" '
    'fill="currentColor"/>',
    "fail": '<path d="M5.2 1.2h5.6l4 4v5.6l-4 4H5.2l-4-4V5.2z" fill="currentColor"/>'
    '<path class="cut" d="M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8" stroke="#fff" stroke-width="1.7" '
    'stroke-linecap="round"/>',
    "not-assessed": '<circle cx="8" cy="8" r="6.5" fill="none" stroke="currentColor" '
    'stroke-width="1.6" stroke-dasharray="2.6 2.5"/><path d="M5.4 8h5.2" stroke="currentColor" '
    'stroke-width="1.7" stroke-linecap="round"/>',
    "info": '<rect x="1.8" y="1.8" width="12.4" height="12.4" rx="3" fill="none" '
    'stroke="currentColor" stroke-width="1.6"/><path d="M8 7.2v4" stroke="currentColor" '
    'stroke-width="1.7" stroke-linecap="round"/><circle cx="8" cy="4.9" r="1" '
    'fill="currentColor"/>',
    "running": '<circle cx="8" cy="8" r="6.4" fill="none" stroke="currentColor" '
    'stroke-width="1.6" opacity=".3"/><path d="M8 1.6a6.4 6.4 0 0 1 6.4 6.4" fill="none" '
    'stroke="currentColor" stroke-width="1.8" stroke-linecap="round"/>',
    "waiting": '<circle cx="8" cy="8" r="6.4" fill="none" stroke="currentColor" '
    'stroke-width="1.4"/>',
    "stopped": '<circle cx="8" cy="8" r="6.5" fill="none" stroke="currentColor" '
    'stroke-width="1.6"/><path d="M5.8 5.8h4.4v4.4H5.8z" fill="currentColor"/>',
}

_LINES = {
    "home": "M2.5 7.5L8 2.8l5.5 4.7M4 6.5v7h8v-7",
    "model": "M8 1.8l5.6 3.1v6.2L8 14.2l-5.6-3.1V4.9zM2.6 5L8 8l5.4-3M8 8v6",
    "cohort": "M2 4h12v9H2zM2 7h12M6 7v6",
    "audit": "M4 2.5h8v11H4zM6 5.5h4M6 8h4M6 10.5h2.5",
    "reader": "M2 8c2-3.4 4-4.6 6-4.6S12 4.6 14 8c-2 3.4-4 4.6-6 4.6S4 11.4 2 8z"
    "M8 6.2a1.8 1.8 0 1 0 .01 0",
    "report": "M4 1.8h5.2L12.5 5v9.2H4zM9 1.8V5.2h3.5",
    "protocol": "M2.5 4.5h11M2.5 8h11M2.5 11.5h7",
    "trail": "M8 4.5V8l2.5 1.5M8 1.8a6.2 6.2 0 1 0 .01 0",
    "settings": "M3 4.5h6M12 4.5h1M3 11.5h1M7 11.5h6M10.5 3v3M5.5 10v3",
    "upload": "M8 11V3M4.8 6L8 2.8 11.2 6M2.5 11v2.5h11V11",
    "download": "M8 2.5v8M4.8 7.5L8 10.7l3.2-3.2M2.5 13.5h11",
    "plus": "M8 3v10M3 8h10",
    "lock": "M4 7.5h8v6H4zM5.8 7.5V5.2a2.2 2.2 0 0 1 4.4 0v2.3",
    "compare": "M4 2.5v8a2 2 0 0 0 2 2h4M12 13.5v-8a2 2 0 0 0-2-2H6",
    "shield": "M8 1.8l5 1.8v4c0 3.2-2 5.4-5 6.6-3-1.2-5-3.4-5-6.6v-4zM5.8 8l1.7 1.7L10.4 6.5",
    "print": "M4.5 6V2.5h7V6M4.5 11.5h-2V6h11v5.5h-2M4.5 9.5h7v4h-7z",
    "link": "M6 9.5l4-4M7 4.5L8.5 3a2.8 2.8 0 0 1 4 4L11 8.5M9 11.5L7.5 13a2.8 2.8 0 0 1-4-4L5 7.5",
    "previous": "M10 3.5L5.5 8l4.5 4.5",
    "next": "M6 3.5L10.5 8 6 12.5",
    "down": "M5 6.5L8 9.5l3-3",
    "menu": "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
    "close": "M4 4l8 8M12 4l-8 8",
    "stop": "M4 4h8v8H4z",
    "retried": "M13 8a5 5 0 1 1-1.6-3.7M13.2 2.2v3.1h-3.1",
    "reused": "M3 6.2h9.2M9.6 3.6l2.6 2.6M13 9.8H3.8M6.4 12.4L3.8 9.8",
    "draft": "M3 13l.7-3L10.9 2.9l2.2 2.2L6 12.3z",
    "copy": "M5.5 5.5h8v8h-8zM5.5 10.5h-3v-8h8v3",
    "search": "M7 2.5a4.5 4.5 0 1 0 .01 0M10.3 10.3l3.4 3.4",
    "person": "M8 2.2a2.9 2.9 0 1 0 .01 0M2.8 14c.4-3 2.4-4.6 5.2-4.6s4.8 1.6 5.2 4.6",
    "sign-out": "M6.5 2.5h-4v11h4M6.5 8h7M10.8 5.2L13.5 8l-2.7 2.8",
    "key": "M5.5 7.2a2.9 2.9 0 1 0 .01 0M7.6 8l5.9-5.5M11.5 4.4l1.8 1.8",
    "explore": "M2.5 2.5v11h11M5.5 10.5l.01 0M7.5 7l.01 0M10 8.5l.01 0M12 4.5l.01 0",
    "people": "M6 3.2a2.4 2.4 0 1 0 .01 0M1.8 13c.3-2.6 1.9-4 4.2-4s3.9 1.4 4.2 4"
    "M10.5 3.6a2.1 2.1 0 0 1 .4 4.1M11.6 9.3c1.5.4 2.5 1.7 2.7 3.7",
    "trash": "M3 4.5h10M6 4.5v-2h4v2M4.2 4.5l.6 9h6.4l.6-9",
}

NAMES = frozenset(_STATES) | frozenset(_LINES)


def icon(name: str, px: int = 16) -> SafeString:
    """An icon without a meaning of its own: the word beside it carries it."""
    body = _STATES.get(name) or _LINE.format(_LINES[name])
    return format_html(
        '<svg class="i i-{}" width="{}" height="{}" viewBox="0 0 16 16" aria-hidden="true" '
        'focusable="false">{}</svg>',
        name,
        px,
        px,
        mark_safe(body),  # noqa: S308 - the drawings above are constants of this module
    )


def logo(px: int = 20) -> SafeString:
    """The plumb line: a limit, its string and its bob."""
    return format_html(
        '<svg class="logo" width="{}" height="{}" viewBox="0 0 20 22" aria-hidden="true" '
        'focusable="false"><path d="M4 1.5h12" stroke="currentColor" stroke-width="2" '
        'stroke-linecap="round"/><path d="M10 1.5v9" stroke="currentColor" stroke-width="1.5"/>'
        '<path d="M6.8 10.5h6.4c0 4-1.6 7-3.2 10.5-1.6-3.5-3.2-6.5-3.2-10.5z" '
        'fill="currentColor"/></svg>',
        px,
        round(px * 1.1),
    )
