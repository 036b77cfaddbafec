"""Regions of pictures that a protocol draws, as shares of a picture's height and width."""

from collections.abc import Mapping

from ml.limits import finite_number

Region = tuple[str, tuple[float, float, float, float]]  # name; top, left, height, width
MOST_REGIONS = 6
_LONGEST = 60  # characters of a name


def read_regions(value: object) -> tuple[tuple[Region, ...], list[str]]:
    """Regions as a protocol writes them, and a sentence for each problem.

    Args:
        value: a list of mappings of ``name`` and ``box``: top, left, height and width, 0 to 1.

    Example:
        >>> read_regions([{"name": "name tag", "box": [0, 0.75, 0.1, 0.25]}])
        ((('name tag', (0.0, 0.75, 0.1, 0.25)),), [])
        >>> read_regions([{"name": "all", "box": [0, 0, 1, 1]}])[1]
        ["Region 1 of 'shortcut_regions' is the whole picture: nothing is left beside it."]
    """
    if value is None:
        return (), []
    if not isinstance(value, list | tuple) or len(value) > MOST_REGIONS:
        return (), [
            f"'shortcut_regions' must be a list of at most {MOST_REGIONS} regions, got {value!r}."
        ]
    found: list[Region] = []
    problems = []
    for at, entry in enumerate(value, 1):
        region, problem = _region(entry, f"Region {at} of 'shortcut_regions'")
        if region is not None:
            found.append(region)
        else:
            problems.append(problem)
    names = [name for name, _ in found]
    problems += [
        f"Two regions of 'shortcut_regions' are called {name!r}."
        for name in sorted({one for one in names if names.count(one) > 1})
    ]
    return tuple(found), problems


def _region(entry: object, which: str) -> tuple[Region | None, str]:
    name = entry.get("name") if isinstance(entry, Mapping) else None
    given = entry.get("box") if isinstance(entry, Mapping) else None
    sides = [finite_number(one) for one in given] if isinstance(given, list | tuple) else []
    known = [one for one in sides if one is not None]
    named = isinstance(name, str) and 0 < len(name.strip()) <= _LONGEST
    if not named or len(sides) != 4 or len(known) != 4:
        return None, (
            f"{which} must have a name of up to {_LONGEST} characters and a box of four numbers: "
            f"top, left, height and width, as shares of the picture; got {entry!r}."
        )
    top, left, height, width = known
    inside = min(top, left) >= 0 and min(height, width) > 0
    if not inside or max(top + height, left + width) > 1:
        return None, f"{which} does not lie inside the picture: {list(known)}."
    if height * width == 1:
        return None, f"{which} is the whole picture: nothing is left beside it."
    return (str(name).strip(), (top, left, height, width)), ""
