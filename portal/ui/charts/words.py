"""How much room words take in a drawing, and where to break them: nothing is cut."""

SIZE = 11.0  # of the text of a drawing, as in charts.css
_SLIM, _WIDE, _UPPER, _OTHER = 0.32, 0.92, 0.70, 0.575  # widths in em, on the generous side
_NARROW_LETTERS = frozenset("iljtfr.,:;'’|!()[] I")
_WIDE_LETTERS = frozenset("mwMW—@%…")
_BREAKS_AFTER = frozenset("_-/.")


def width(text: str, size: float = SIZE) -> float:
    """About how wide a text is, in units of the drawing; the font is not there to ask.

    >>> width("ill") < width("sum") < width("MOM")
    True
    """
    return size * sum(_em(letter) for letter in text)


def _em(letter: str) -> float:
    if letter in _NARROW_LETTERS:
        return _SLIM
    if letter in _WIDE_LETTERS:
        return _WIDE
    return _UPPER if letter.isupper() else _OTHER if ord(letter) < 0x2E80 else 1.0  # CJK: square


def wrap(text: str, room: float, size: float = SIZE) -> list[str]:
    """The text in lines no wider than `room`; one word too wide is broken, and never left out.

    >>> wrap("left lower lobe", 60)
    ['left lower', 'lobe']
    >>> wrap("pleural_thickening", 60)
    ['pleural_', 'thickening']
    """
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if width(longer, size) <= room:
            lines[-1] = longer
            continue
        pieces = [word] if width(word, size) <= room else _pieces(word, room, size)
        lines += pieces
    return [line for line in lines if line] or [""]


def _pieces(word: str, room: float, size: float) -> list[str]:
    """A word in parts that fit, broken after a sign where there is one."""
    pieces, start = [], 0
    while start < len(word):
        end = start + 1
        while end < len(word) and width(word[start : end + 1], size) <= room:
            end += 1
        if end < len(word):
            signs = [k for k in range(start + 1, end) if word[k] in _BREAKS_AFTER]
            end = signs[-1] + 1 if signs else end
        pieces.append(word[start:end])
        start = end
    return pieces


def fits(text: str, room: float, lines: int = 1) -> bool:
    """Whether it takes so many lines at most, without a break inside a word."""
    whole = all(width(word) <= room for word in text.split())
    return whole and len(wrap(text, room)) <= lines
