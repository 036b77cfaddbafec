"""Cases with their maps, chosen by rules that nobody can bend: most, least faithful, and drawn."""

import hashlib
from dataclasses import dataclass, replace

from ml.checks.faithfulness_measures import ID
from portal.reports.cases import Query
from portal.reports.doors import Door
from portal.reports.frozen import Frozen, Json
from portal.reports.gallery import GalleryRow, Tile, tile
from portal.ui import numbers

PLAUSIBILITY = "explanation-plausibility"
_PER_ROW = 6
_CASE, _MAP, _RANDOM = "Case", "Gap of the map", "Of a random map"
_PLAUSIBLE = "Times chance"  # share of a map in the region, over that of the picture


@dataclass(frozen=True)
class MappedTile(Tile):
    """With the map of the answer over the picture.

    Attributes:
        overlay_url: "" where no map is shown.
        gain: of its map over a random map, in words.
        state: of the map, in words; "" where it is a usual one.
    """

    overlay_url: str = ""
    gain: str = ""
    map_state: str = ""


def rows(frozen: Frozen, door: Door, check: Json) -> list[GalleryRow]:
    """Of the check of faithfulness, where maps were kept; each row with its rule."""
    kept = frozen.explained.get("cases") or {}
    if check["id"] != ID or not any("maps" in one for one in kept.values()):
        return []
    gains = gains_of(check)
    ranked = sorted((one for one in gains if one in frozen.by_id), key=lambda one: -gains[one])
    seed = str(frozen.protocol.get("seed", ""))
    mapped = [one for one, own in kept.items() if "maps" in own and one in frozen.by_id]
    half = min(_PER_ROW, -(-len(ranked) // 2))  # of few cases none stands in both rows
    least = [one for one in reversed(ranked) if one not in ranked[:half]][:_PER_ROW]
    gain = "gain over a random map"
    chosen = [
        ("Most faithful maps", ranked[:half], len(ranked), f"largest {gain}"),
        ("Least faithful maps", least, len(ranked), f"smallest {gain}"),
        *_implausible(frozen),
        ("Maps drawn at random", sorted(mapped, key=lambda one: _ticket(seed, one))[:_PER_ROW],
         len(mapped), f"drawn by the seed {seed} and their ids"),
    ]  # fmt: skip
    return [
        GalleryRow(
            title=title,
            total=n,
            url="",
            tiles=[_tile(frozen, door, one, gains.get(one)) for one in ids],
            which=f"{numbers.count(len(ids))} of {numbers.count(n)}: {rule}",
        )
        for title, ids, n, rule in chosen
        if ids
    ]


def gains_of(check: Json) -> dict[str, float]:
    """Case id -> how far the gap of its map lies above that of a random map, in log-odds."""
    found: dict[str, float] = {}
    for series in check.get("series") or []:
        fields = series.get("fields") or []
        if series["kind"] != "points" or not {_CASE, _MAP, _RANDOM} <= set(fields):
            continue
        case, own, random = (fields.index(name) for name in (_CASE, _MAP, _RANDOM))
        for row in series["rows"]:
            if row[own] is not None and row[random] is not None:
                found.setdefault(row[case], row[own] - row[random])
    return found


def _implausible(frozen: Frozen) -> list[tuple[str, list[str], int, str]]:
    """The maps furthest from where experts look, of reports that held them against that."""
    found: dict[str, float] = {}
    for check in frozen.checks:
        for series in check.get("series") or []:
            fields = series.get("fields") or []
            if check["id"] != PLAUSIBILITY or not {_CASE, _PLAUSIBLE} <= set(fields):
                continue
            case, share = fields.index(_CASE), fields.index(_PLAUSIBLE)
            found |= {row[case]: row[share] for row in series["rows"] if row[share] is not None}
    ids = sorted((one for one in found if one in frozen.by_id), key=lambda one: found[one])
    rule = "the least of the map in the marked region, for the size of that"
    return [("Most implausible maps", ids[:_PER_ROW], len(ids), rule)] if ids else []


def _ticket(seed: str, case_id: str) -> str:
    return hashlib.sha256(f"{seed}:{case_id}".encode()).hexdigest()


def _tile(frozen: Frozen, door: Door, case_id: str, gain: float | None) -> MappedTile:
    case = frozen.by_id[case_id]
    made = next(iter(frozen.maps_of(case_id).values()), None)
    plain = replace(tile(frozen, door, case, Query().as_query()))
    return MappedTile(
        **vars(plain),
        overlay_url=door.image(made["overlay"]) if made and case.picture else "",
        gain="" if gain is None else f"gain {numbers.signed(gain, 2)}",
        map_state=state_of(made) if made else "no map",
    )


def state_of(made: Json) -> str:
    """What is special of a map, in words; "" where nothing is.

    >>> state_of({"low": -1.0, "high": 0.0}), state_of({"low": 2.0, "high": 2.0})
    ('no positive evidence', 'the same everywhere')
    """
    if made["low"] == made["high"]:
        return "the same everywhere"
    return "no positive evidence" if made["high"] <= 0 else ""
