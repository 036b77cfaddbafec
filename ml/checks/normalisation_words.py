"""What the check of normalisation says."""

from collections import Counter
from math import exp

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording
from ml.checks.normalised import ID, MOVED, Measured, Site
from ml.checks.registry import Finding, State
from ml.evidence.normalised import Normalised
from ml.evidence.tables import Evidence

_REPAIR = (
    "Have its statistics counted again on images of this group, or use a network that takes them "
    "from each case alone; then audit it again."
)
_NAMED = 12  # layers in a sentence


def kinds_finding(looked: Normalised) -> Finding:
    """Which normalisations there are, by name; what cannot drift is said to be so."""
    kinds = Counter(
        f"{one.kind} ({'stored' if one.stored else 'own'} statistics)" for one in looked.layers
    )
    listed = ", ".join(f"{words.count(n)} {kind}" for kind, n in kinds.items())
    named = ", ".join(one.name for one in looked.layers[:_NAMED])
    more = len(looked.layers) - _NAMED
    why = f"Layers: {named}" + (f" and {words.count(more)} more." if more > 0 else ".")
    if looked.stored:
        return Finding(f"{ID}.kinds", State.INFO, f"Its normalising layers: {listed}.", why=why)
    if any(one.kind == "batch" for one in looked.layers):
        claim = f"Its normalising layers store no statistics: {listed}."
        return Finding(f"{ID}.kinds", State.INFO, claim, why=why)
    return Finding(
        f"{ID}.immune",
        State.INFO,
        f"Its normalisation takes its statistics from each case alone ({listed}): it stores none "
        "that a site could drift from.",
        why=f"There is nothing to be counted again. {why}",
    )


def mates_finding(evidence: Evidence, looked: Normalised, measured: Measured) -> Finding:
    """Whether a case's answer depends on the cases beside it."""
    found, moved = measured.estimates["mates_change"], measured.changed["mates_change"]
    numbers = (
        f"Run twice, with other cases in the batch: {words.cases(found.n)}; the largest change of "
        f"a probability is {measured.largest_move:.1e}; more than {MOVED:g} counts."
    )
    if not moved.size:
        return Finding(
            f"{ID}.mates_change", State.INFO,
            f"No case of {words.count(found.n)} gets another answer from the cases beside it.",
            why=numbers, measure=found.id,
        )  # fmt: skip
    own = [one.name for one in looked.layers if one.kind == "batch" and not one.stored]
    why = f" It normalises by the batch it is given: {', '.join(own[:_NAMED])}." if own else ""
    return Finding(
        f"{ID}.mates_change",
        State.FAIL,
        f"Of {words.count(moved.size)} of {words.cases(found.n)} the output depends on which cases "
        "are beside it.",
        why=numbers + why,
        measure=found.id,
        cases=tuple(evidence.case_ids[row] for row in moved),
        action="Store statistics in the file (evaluation mode) before it is exported; an answer "
        "must not depend on other patients.",
    )


def wordings(evidence: Evidence, looked: Normalised, measured: Measured) -> dict[str, Wording]:
    found = {}
    for site in measured.sites:
        ids = tuple(evidence.case_ids[row] for row in site.rows)
        for name, made in (
            ("mean_shift", _shift(looked, measured, site)),
            ("log_variance_ratio", _spread(measured, site)),
        ):
            if made:
                claim, why = made
                found[f"{name}:{site.label}"] = Wording(claim, why=why, cases=ids, action=_REPAIR)
        found |= _of_answers(evidence, measured, site)
    return found


def _shift(looked: Normalised, measured: Measured, site: Site) -> tuple[str, str] | None:
    found = measured.at("mean_shift", site)
    if found is None or found.value is None:
        return None
    profile = measured.profiles[site.label]
    worst = int(np.argmax(profile.shift))
    claim = (
        f"Images of {site.label} lie {found.value:.2f} standard deviations from what its "
        f"{_layers(looked)} with stored statistics expect, on average over layers."
    )
    why = (
        f"{words.cases(site.rows.size)}. Farthest: {looked.stored[worst].name}, "
        f"{profile.shift[worst]:.2f}. Listed: these cases."
    )
    return claim, why


def _layers(looked: Normalised) -> str:
    n = len(looked.stored)
    return f"{words.count(n)} {'layer' if n == 1 else 'layers'}"


def _spread(measured: Measured, site: Site) -> tuple[str, str] | None:
    found = measured.at("log_variance_ratio", site)
    if found is None or found.value is None:
        return None
    claim = (
        f"What layers are given by images of {site.label} varies {exp(found.value):.2f} times as "
        "much as is stored, or as many times less, on average."
    )
    why = (
        f"{words.cases(site.rows.size)}. Variances, averaged as logarithms whichever way they lie. "
        "Listed: these cases."
    )
    return claim, why


def _of_answers(evidence: Evidence, measured: Measured, site: Site) -> dict[str, Wording]:
    found = {}
    of_them = f"statistics counted on {words.cases(site.used)} of {site.label}"
    regained, flips = measured.at("accuracy_regained", site), measured.at("flip_rate", site)
    if regained is not None and regained.value is not None:
        rows = measured.changed[regained.id]
        found[regained.id] = Wording(
            f"With {of_them}, {_more(regained.value)} of its answers about {site.label} would be "
            "right.",
            why=f"{words.cases(regained.n)}, the same before and after. Listed: those answered "
            "rightly in one of both alone.",
            cases=tuple(evidence.case_ids[row] for row in rows),
            action=_REPAIR,
        )
    if flips is not None and flips.value is not None:
        rows = measured.changed[flips.id]
        found[flips.id] = Wording(
            f"With {of_them}, {words.per_cent(flips.value)} of its answers about {site.label} "
            "would change.",
            cases=tuple(evidence.case_ids[row] for row in rows),
        )
    return found


def _more(regained: float) -> str:
    """
    >>> _more(0.5), _more(-0.02), _more(0.0)
    ('50.0 points more', '2.0 points fewer', 'as many')
    """
    if not regained:
        return "as many"
    return f"{words.points(abs(regained))} {'more' if regained > 0 else 'fewer'}"


def too_few(evidence: Evidence, measured: Measured, looked: Normalised) -> list[Finding]:
    """Groups of which too few cases were drawn to say anything."""
    if not looked.stored:
        return []
    small = [site for site in measured.sites if not site.is_enough]
    if not small:
        return []
    listed = ", ".join(f"{site.label} ({words.cases(site.rows.size)})" for site in small)
    return [
        Finding(
            f"{ID}.too-few",
            State.NOT_ASSESSED,
            f"Too few cases were drawn of {listed}; 10 are needed.",
            cases=tuple(evidence.case_ids[row] for site in small for row in site.rows),
        )
    ]
