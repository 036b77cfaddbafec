"""How a number, a date or a hash is written: one rule for each, and nowhere else."""

from datetime import UTC, date, datetime

MINUS = "\u2212"
ELLIPSIS = "…"
NOT_KNOWN = "not known"

_SECONDS_PER_MINUTE = 60
_SECONDS_PER_HOUR = 3600
_SECONDS_PER_DAY = 86400


def _typographic(text: str) -> str:
    return text.replace("-", MINUS)


def count(n: int) -> str:
    """
    >>> count(3000)
    '3,000'
    """
    return _typographic(f"{n:,}")


def counted(n: int, one: str, many: str = "") -> str:
    """
    >>> counted(3000, "case"), counted(1, "case")
    ('3,000 cases', '1 case')
    """
    return _typographic(f"{n:,} {one if n == 1 else many or f'{one}s'}")


def decimal(value: float, places: int = 3) -> str:
    """
    >>> decimal(0.8211), decimal(-0.0291), decimal(-0.0001), decimal(1234.5, 1)
    ('0.821', '−0.029', '0.000', '1,234.5')
    """
    rounded = round(value, places) + 0.0  # -0.0 becomes 0.0
    return _typographic(f"{rounded:,.{places}f}")


def signed(value: float, places: int = 3) -> str:
    """
    >>> signed(0.0791), signed(-0.0291), signed(0.0)
    ('+0.079', '−0.029', '0.000')
    """
    text = decimal(value, places)
    return f"+{text}" if round(value, places) > 0 else text


def plain(value: float) -> str:
    """A limit or a threshold as a person typed it: at most four significant digits.

    >>> plain(0.5), plain(0.0001), plain(0.85), plain(90), plain(-2.5)
    ('0.5', '0.0001', '0.85', '90', '−2.5')
    """
    digits = f"{value:.4g}"
    return _typographic(f"{value:.10f}".rstrip("0").rstrip(".") if "e-" in digits else digits)


def percent_number(fraction: float) -> str:
    """One decimal, two above 99 %; only what is exactly none or all is written as 0 or 100.

    >>> [percent_number(x) for x in (0.3373, 0.99933, 0.99999, 1.0, -0.5633, 0.0)]
    ['33.7', '99.93', '99.99', '100', '−56.3', '0']
    """
    value = 100 * fraction
    if abs(value - 100) < 1e-9 or abs(value) < 1e-9:
        return f"{round(value)}"
    if 99 < value < 100:
        return decimal(min(value, 99.99), 2)
    return decimal(value, 1)


def percent(fraction: float) -> str:
    """
    >>> percent(0.3373)
    '33.7 %'
    """
    return f"{percent_number(fraction)} %"


def points(difference: float) -> str:
    """A difference of two rates.

    >>> points(0.0808), points(-0.5627), points(0.0)
    ('+8.1 points', '−56.3 points', '0.0 points')
    """
    return f"{signed(100 * difference, 1)} points"


def duration(seconds: float) -> str:
    """
    >>> [duration(s) for s in (0.134, 8.41, 41.2, 418, 4320, 97200)]
    ['0.13 s', '8.4 s', '41 s', '6 min 58 s', '1 h 12 min', '1 d 3 h']
    """
    if seconds < 1:
        return f"{decimal(seconds, 2)} s"
    if round(seconds, 1) < 10:
        return f"{decimal(seconds, 1)} s"
    whole = round(seconds)
    if whole < _SECONDS_PER_MINUTE:
        return f"{whole} s"
    for unit, big, smaller, small in (
        ("min", _SECONDS_PER_MINUTE, "s", 1),
        ("h", _SECONDS_PER_HOUR, "min", _SECONDS_PER_MINUTE),
        ("d", _SECONDS_PER_DAY, "h", _SECONDS_PER_HOUR),
    ):
        if unit == "d" or whole < big * (24 if unit == "h" else 60):
            rest = whole % big // small
            return f"{whole // big} {unit}" + (f" {rest} {smaller}" if rest else "")
    raise AssertionError("the last unit takes every duration")


def day(moment: date | datetime) -> str:
    """
    >>> day(date(2026, 11, 3))
    '3 Nov 2026'
    """
    local = moment.astimezone(UTC) if isinstance(moment, datetime) else moment
    return f"{local.day} {local:%b %Y}"


def when(moment: datetime) -> str:
    """
    >>> when(datetime(2026, 11, 23, 14, 7, tzinfo=UTC))
    '23 Nov 2026, 14:07 UTC'
    """
    utc = moment.astimezone(UTC)
    return f"{day(utc)}, {utc:%H:%M} UTC"


def size(n_bytes: int) -> str:
    """
    >>> size(840), size(64_990_000), size(2_000_000_000)
    ('840 bytes', '65.0 MB', '2.0 GB')
    """
    for unit, bytes_per_unit in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n_bytes >= bytes_per_unit:
            return f"{decimal(n_bytes / bytes_per_unit, 1)} {unit}"
    return f"{count(n_bytes)} bytes"


def short_hash(digest: str) -> str:
    """
    >>> short_hash("64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35")
    '64b551aa…5b35'
    """
    return digest if len(digest) <= 16 else f"{digest[:8]}{ELLIPSIS}{digest[-4:]}"
