"""What the check of small moves says."""

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording
from ml.checks.shift_measures import Measured
from ml.checks.shifted import SMALL, Shifted
from ml.estimate import Estimate
from ml.evidence.tables import Evidence, IntArray

NEAR = 0.1  # of the threshold, in probability
SMALL_WORDS = (
    f"Small are shifts by up to {SMALL['translation']:g} pixels of the model's input, turns by up "
    f"to {SMALL['rotation']:g} degrees, crops and borders of up to {SMALL['crop'] * 100:g} %."
)
_CLOSE_CALLS = "Let a reader decide the cases whose score lies this close to the threshold."
REPAIR = (
    "Look at the listed cases. Where the score is far from the threshold, the network itself "
    "depends on where a thing lies: training with moved images, or smoothing before its layers "
    "skip pixels, may help."
)


def wordings(evidence: Evidence, shifted: Shifted, measured: Measured) -> dict[str, Wording]:
    """The claim of each measure that is said in words; only of those that have a value."""
    found = {}
    if measured.estimates["flip_rate"].value is not None:
        found["flip_rate"] = _whole(evidence, shifted, measured)
    for move in shifted.moves:
        estimate = measured.estimates[f"flip_rate:{move}"]
        if estimate.value is not None:
            found[estimate.id] = _one(evidence, shifted, measured, move, estimate)
    maps = measured.estimates.get("map_agreement")
    if maps is not None and maps.value is not None:
        found["map_agreement"] = Wording(
            "After a small move the map of what the model looks at and the map of the image, moved "
            f"along, correlate by {words.decimal(maps.value)} on average.",
            why="1: it looks at the same thing wherever that lies. Grad-CAM, over the places that "
            "come from within the picture.",
        )
    return found


def _whole(evidence: Evidence, shifted: Shifted, measured: Measured) -> Wording:
    flips, n = measured.flips["flip_rate"], measured.estimates["flip_rate"].n
    ran = f"Run on {shifted.size_words}. {_small(shifted)}"
    if measured.worst is None:
        return Wording(
            f"In none of {words.cases(n)} does a small move of the {shifted.image} change the "
            "answer.",
            why=ran,
            action="Ask for more cases: 'shift_cases' in the protocol.",
        )
    return Wording(
        _worst(shifted, measured, flips, n),
        why=f"{ran} {_near(shifted, flips)} Listed: these cases, the surest first.",
        cases=shifted.ids(evidence, flips[np.argsort(-shifted.margin[flips], kind="stable")]),
        action=f"{REPAIR} {_CLOSE_CALLS}",
    )


def _small(shifted: Shifted) -> str:
    return SMALL_WORDS.replace("pixels", shifted.unit)


def _worst(shifted: Shifted, measured: Measured, flips: IntArray, n: int) -> str:
    assert measured.worst is not None
    move, step = measured.worst
    there = measured.at("flip_rate", move, step)
    number = _count(there)
    when = f"when the {shifted.image} is {shifted.said(move, step)}"
    if number == flips.size and there.n == n:
        return f"In {words.count(number)} of {words.cases(n)} the answer changes {when}."
    alike = [_count(measured.at("flip_rate", *place[:2])) == number for place in shifted.small()]
    how = "most often" if sum(alike) == 1 else "for example"
    return (
        f"In {words.count(flips.size)} of {words.cases(n)} the answer changes under a small move "
        f"of the {shifted.image}; {how} {when}, in {words.count(number)} of {words.count(there.n)}."
    )


def _near(shifted: Shifted, flips: IntArray) -> str:
    """How many of the cases that change are close calls."""
    near = words.count(int((shifted.margin[flips] <= NEAR).sum()))
    if shifted.by_class:
        return f"In {near} of these the two most probable kinds lie within {NEAR:g} of each other."
    return (
        f"{near} of these {'has' if near == '1' else 'have'} a score within {NEAR:g} of the "
        f"threshold of {shifted.point.words}."
    )


def _one(
    evidence: Evidence, shifted: Shifted, measured: Measured, move: str, estimate: Estimate
) -> Wording:
    distortion, flips = shifted.moves[move], measured.flips[estimate.id]
    steps = range(1, len(distortion.values) + 1)
    each = [measured.at("flip_rate", move, step) for step in steps]
    last, cases = distortion.said[-1], words.cases(estimate.n)
    if not flips.size:
        until = "" if len(each) == 1 else f", up to when the {shifted.image} is {last}"
        claim = f"{distortion.title}: the answer stays in all {cases}{until}."
    elif len(each) == 1:
        claim = (
            f"In {words.count(flips.size)} of {cases} the answer changes when the "
            f"{shifted.image} is {last}, which the protocol declares legal."
        )
    else:
        claim = (
            f"{distortion.title}: the answer changes in {words.count(flips.size)} of {cases} at "
            f"some step; in {words.count(_count(each[0]))} when the {shifted.image} is "
            f"{distortion.said[0]}, in {words.count(_count(each[-1]))} when it is {last}."
        )
    said = [f"{distortion.said[step - 1]} {words.measured(each[step - 1])}" for step in steps]
    parts = [f"Answers that change: {'; '.join(said)}."]
    maps = measured.estimates.get(f"map_agreement:{move}")
    if maps is not None and maps.value is not None:
        parts.append(f"Its maps move along with a correlation of {words.measured(maps)}.")
    if flips.size:
        parts.append(f"{_near(shifted, flips)} Listed: these cases.")
    return Wording(
        claim, why=" ".join(parts), cases=shifted.ids(evidence, flips), action=REPAIR
    )  # fmt: skip


def _count(rate: Estimate) -> int:
    number = rate.extra.get("numerator")
    return number if isinstance(number, int) else 0
