"""What the check of gradient flow says."""

from ml.checks import words
from ml.checks.flow_measures import FLAT, Measured
from ml.checks.judge import Wording
from ml.evidence.flow import GradientFlow
from ml.evidence.tables import Evidence, IntArray

_NAMED = 10  # layers in a sentence
_REPAIR = (
    "Look at the named layers: a part that does nothing is no part of what was trained. Train it "
    "again, or leave the part out and audit the smaller network."
)


def wordings(evidence: Evidence, flow: GradientFlow, measured: Measured) -> dict[str, Wording]:
    def ids(measure: str) -> tuple[str, ...]:
        return tuple(evidence.case_ids[row] for row in measured.behind[measure])

    found = {
        "gradient_share": Wording(
            _dead(flow, measured), why=_run(measured) + " Listed: cases in which the layer with "
            "the fewest has none.", cases=ids("gradient_share"), action=_REPAIR,
        ),
        "dead_units": Wording(
            _asleep(flow, measured), why=_sleepers(flow, measured), cases=ids("dead_units"),
            action=_REPAIR,
        ),
    }  # fmt: skip
    if measured.faintest is not None:
        found["gradient_decades"] = Wording(
            _vanishing(flow, measured),
            why=_run(measured),
            cases=ids("gradient_decades"),
            action=_REPAIR,
        )
    if measured.flattest is not None:
        name = flow.saturating[measured.flattest].name
        n = len(measured.behind["saturated_share"])
        found["saturated_share"] = Wording(
            f"{name} is saturated in {words.count(n)} of {words.cases(measured.rows.size)}: more "
            f"than {words.per_cent(FLAT)} of its numbers lie at its ends.",
            why=f"The most of {words.count(len(flow.saturating))} such activations. Listed: these "
            "cases.",
            cases=ids("saturated_share"),
            action=_REPAIR,
        )
    return found


def _run(measured: Measured) -> str:
    return f"Run on {words.cases(measured.rows.size)}, drawn by the seed where there are more."


def _dead(flow: GradientFlow, measured: Measured) -> str:
    total = words.count(len(flow.layers))
    dead = measured.dead_layers
    if dead.size:
        return (
            f"{words.count(dead.size)} of {total} layers with weights move the answer in no case: "
            f"{_names([flow.layers[at].name for at in dead])}."
        )
    name, share = flow.layers[measured.weakest].name, measured.share[measured.weakest]
    if share == 1:
        return f"Each of {total} layers with weights moves the answer in every case."
    return (
        f"Each of {total} layers with weights moves the answer in some case; {name} in "
        f"{words.per_cent(float(share))} of them, the fewest."
    )


def _vanishing(flow: GradientFlow, measured: Measured) -> str:
    assert measured.faintest is not None
    gone = measured.vanishing
    least = measured.relative[measured.faintest]
    if gone.size:
        return (
            f"The gradient of {words.count(gone.size)} of {words.count(len(flow.layers))} layers "
            f"vanishes, to {least:.1e} of the median layer’s at the least: {_layers(flow, gone)}."
        )
    return (
        f"The smallest gradient of a layer, of {flow.layers[measured.faintest].name}, is "
        f"{least:.2g} of the median layer’s."
    )


def _layers(flow: GradientFlow, places: IntArray) -> str:
    return _names([flow.layers[at].name for at in places])


def _asleep(flow: GradientFlow, measured: Measured) -> str:
    units = sum(one.units for one in flow.cutting)
    dead = sum(one.dead for one in measured.activations)
    if not dead:
        return f"Each of {words.count(units)} units is active in some case."
    whole = [
        one.name
        for one, found in zip(flow.activations, measured.activations, strict=True)
        if one.cuts and one.units and found.dead == one.units
    ]
    text = f"{words.count(dead)} of {words.count(units)} units are active in no case"
    return f"{text}; none at all is of {_names(whole)}." if whole else f"{text}."


def _sleepers(flow: GradientFlow, measured: Measured) -> str:
    """Where most of them are."""
    pairs = zip(flow.activations, measured.activations, strict=True)
    named = sorted(
        ((found.dead / max(1, one.units), one, found) for one, found in pairs if found.dead),
        key=lambda each: -each[0],
    )
    listed = ", ".join(
        f"{one.name} ({words.count(found.dead)} of {words.count(one.units)})"
        for _, one, found in named[:_NAMED]
    )
    return _run(measured) + (f" Most: {listed}." if listed else "")


def _names(names: list[str]) -> str:
    """
    >>> _names(["a", "b"]), _names([str(at) for at in range(12)])
    ('a, b', '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more')
    """
    kept = ", ".join(names[:_NAMED])
    more = len(names) - _NAMED
    return f"{kept} and {words.count(more)} more" if more > 0 else kept
