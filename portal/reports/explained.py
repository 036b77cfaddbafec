"""How the answer to one case came about: its maps, its curves, and what the checks say of them."""

from dataclasses import dataclass, field
from typing import Any

from ml.checks.faithfulness_measures import ID as FAITHFULNESS
from ml.checks.sanity_measures import ID as SANITY
from ml.checks.shortcut_places import ID as SHORTCUT
from ml.engine.explain_form import METHODS
from ml.evidence.orders import (
    BLUR,
    CENTRE,
    EDGES,
    LERF,
    LINEAR,
    MAP,
    MEAN,
    MORF,
    RANDOM,
    order_named,
    ranking_of,
)
from portal.reports.doors import Door
from portal.reports.explained_gallery import PLAUSIBILITY, gains_of, state_of
from portal.reports.frozen import Case, Frozen, Json, display_sha256
from portal.ui import numbers

_CHECKS = (FAITHFULNESS, PLAUSIBILITY, SANITY, SHORTCUT)
_SAID = {RANDOM: "a random map", EDGES: "edges", CENTRE: "the centre"}
_REPLACED = {
    MEAN: "the picture’s mean",
    BLUR: "a blur of the picture",
    LINEAR: "what lies around it, with a little noise",
}
_LAYER, _POSITIVE = "layer", "positive"
_STATES = ("fail", "caution", "pass", "info")


@dataclass(frozen=True)
class ShownMap:
    """One map, beside the picture and over it.

    Attributes:
        own_url: of the picture of its positions; "" where pixels are not shown.
        image_url: of the image under the overlay; "" where a browser cannot show it.
        most: its largest value of either sign, where the scale ends.
        raw: its lowest and highest value.
        made_of: what it is a map of, in words.
        state: in words; "" where it is a usual one.
    """

    title: str
    own_url: str
    overlay_url: str
    image_url: str
    width: int  # of what is drawn, in the proportions of the image
    height: int
    rows: int
    columns: int
    most: str
    raw: str
    made_of: str
    score: str
    state: str


@dataclass(frozen=True)
class Choice:
    title: str
    url: str
    is_shown: bool


@dataclass(frozen=True)
class Word:
    """What a check says, of all cases and of this one."""

    title: str
    url: str
    state: str
    claim: str
    here: str  # of this case; "" where it says nothing of single cases
    names_case: bool


@dataclass(frozen=True)
class Explained:
    map: ShownMap | None
    choices: list[Choice] = field(default_factory=list)
    no_map: str = ""  # why this case has none
    curves: list[Json] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)


def of(
    frozen: Frozen, door: Door, case: Case, parameters: dict[str, str], wanted: str = ""
) -> Explained | None:
    """None in reports that explain nothing.

    Args:
        parameters: of the list that the case stands in.
        wanted: name of the method whose map is to be shown.
    """
    words = list(_words(frozen, door, case))
    if case.cohort or not (frozen.explained or words):
        return None
    made = frozen.maps_of(case.case_id)
    methods = [one for one in frozen.explained.get("methods") or [] if one["name"] in made]
    shown = next((one for one in methods if one["name"] == wanted), next(iter(methods), None))
    choices = [
        Choice(one["title"], door.case(case.case_id, parameters | {"map": one["name"]}),
               one is shown)
        for one in methods
    ]  # fmt: skip
    return Explained(
        map=_map(frozen, door, case, shown, made[shown["name"]]) if shown else None,
        choices=choices if len(choices) > 1 else [],
        no_map=_no_map(frozen) if frozen.explained else "",
        curves=_curves(frozen, case),
        words=words,
    )


def _map(frozen: Frozen, door: Door, case: Case, method: Json, made: Json) -> ShownMap:
    image = case.images[0] if case.images else {}
    picture = display_sha256(image) if image else ""
    rows, columns = (*frozen.explained["sides"], 1)[:2]
    return ShownMap(
        title=method["title"],
        own_url=door.image(made["own"]),
        overlay_url=door.image(made["overlay"]),
        image_url=door.image(picture) if picture else "",
        width=image.get("width") or columns,
        height=image.get("height") or rows,
        rows=rows,
        columns=columns,
        most=_amount(max(abs(made["low"]), abs(made["high"]))),
        raw=f"{_amount(made['low'])} to {_amount(made['high'])}",
        made_of=_made_of(frozen, method),
        score="" if made["score"] is None else numbers.decimal(made["score"], 2),
        state=state_of(made),
    )


def _amount(value: float) -> str:
    """Maps have no usual size: three significant digits."""
    return f"{value:.3g}".replace("-", numbers.MINUS)


def _made_of(frozen: Frozen, method: Json) -> str:
    of_what = f"of layer {method['layer']}" if method["of"] == _LAYER else "of the input"
    if method["of"] == _LAYER and not method["layer"]:
        of_what = "of its last layer with positions"
    if method["target"] != _POSITIVE:
        return f"{of_what}, for the class with the largest logit"
    manifest = (frozen.model or {}).get("manifest") or {}
    positive = (manifest.get("output") or {}).get("positive") or []
    return f"{of_what}, for {' + '.join(positive) or frozen.finding_name}"


def _no_map(frozen: Frozen) -> str:
    if not frozen.explained.get("methods"):
        return "No maps were made in this audit."
    return "No map of this case was kept: it was not among those drawn, or its map was not finite."


def _curves(frozen: Frozen, case: Case) -> list[Json]:
    """For each replacement a chart: this case's score while its picture goes away."""
    kept = (frozen.explained.get("cases") or {}).get(case.case_id) or {}
    found = []
    curves = kept.get("curves") or {}
    known = [one for one in _REPLACED if one in curves]
    for baseline in [*known, *(one for one in curves if one not in known)]:
        orders = curves[baseline]
        names = dict.fromkeys(map(ranking_of, orders))
        ranked = [one for one in (MAP, RANDOM, EDGES, CENTRE) if one in names]
        ranked += [one for one in names if one not in ranked]
        panels = [
            {
                "title": f"In the order of {_title(frozen, ranking)}",
                "lines": {
                    order: _points(orders[name])
                    for order in (MORF, LERF)
                    if (name := order_named(ranking, order)) in orders
                },
            }
            for ranking in ranked
        ]
        found.append(
            {
                "kind": "removal-curves",
                "title": f"Replaced by {_REPLACED.get(baseline, baseline)}",
                "subtitle": "One case: no interval. The wider the gap, the more the order knows.",
                "unit": f"P({frozen.finding_name})",
                "panels": panels,
            }
        )
    return found


def _points(values: list[float | None]) -> list[Json]:
    last = max(len(values) - 1, 1)
    return [{"share": at / last, "value": value} for at, value in enumerate(values)]


def _title(frozen: Frozen, ranking: str) -> str:
    name = frozen.explained.get("ranked_by") if ranking == MAP else ranking
    titles = {one: method.title for one, method in METHODS.items()}
    titles |= {one["name"]: one["title"] for one in frozen.explained.get("methods") or []}
    return _SAID.get(ranking) or titles.get(str(name)) or "the map"


def _words(frozen: Frozen, door: Door, case: Case) -> Any:
    for check in frozen.checks:
        if check["id"] not in _CHECKS or check["state"] not in _STATES:
            continue  # what was not assessed says nothing of a case
        findings = check["findings"]
        speaks = next((one for one in findings if one["state"] == check["state"]), None)
        naming = [one for one in findings if case.case_id in one["cases"]]
        yield Word(
            title=check.get("title") or check["id"],
            url=f"{door.report}#check-{check['id']}" if door.report else "",
            state=check["state"],
            claim=speaks["claim"] if speaks else check["summary"] or check.get("reason", ""),
            here=_here(check, case, naming),
            names_case=bool(naming),
        )


def _here(check: Json, case: Case, naming: list[Json]) -> str:
    """What a check says of one case, in a sentence."""
    if check["id"] == FAITHFULNESS:
        gain = gains_of(check).get(case.case_id)
        if gain is None:
            return "This case was not among those whose pictures were taken apart."
        how = "earlier" if gain > 0 else "later"
        return (
            f"Here the score falls {numbers.decimal(abs(gain), 2)} log-odds {how} in the order of "
            "the map than of a random map; of one case there is no interval."
        )
    places = [
        str(one.get("measure")).partition(":")[2]
        for one in naming
        if str(one.get("measure") or "").startswith("reliance:")
    ]
    if check["id"] == SHORTCUT and places:
        return f"Here the answer turns when this is taken out or put in: {', '.join(places)}."
    if naming:
        return "A finding of it names this case."
    return ""
