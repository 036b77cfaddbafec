"""Does the map look where an expert looks?"""

from collections.abc import Iterator, Sequence

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording, findings_of, result_of
from ml.checks.plausibility_measures import (
    BELOW,
    FAITHFUL,
    GAINS,
    ID,
    OTHERS,
    PLAUSIBLE,
    Held,
    Quadrants,
    between_of,
    held_cases,
    measured_of,
    quadrants_of,
    shares_of,
    tolerance_words,
)
from ml.checks.plausibility_series import series_of
from ml.checks.registry import CheckResult, Finding, State, audit_check, not_assessed
from ml.checks.scored import (
    clusters_at,
    in_clusters,
    operating_point,
    settings_of,
    unknown_point,
    unrun_finding,
)
from ml.estimate import Estimate
from ml.evidence.localised import MASS, POINTING, TIMES, Localised
from ml.evidence.methods import TITLES
from ml.evidence.orders import CENTRE, EDGES, RANDOM
from ml.evidence.tables import Evidence, IntArray
from ml.protocol import Protocol

QUESTION = "Do maps of where it looks lie where an expert sees the finding?"
SMALL = 0.05  # share of cases in a quadrant that is to be looked into, shown by its interval
NO_PROOF = "That a map looks right is no evidence that the network is."
_SAID = {RANDOM: "a random map", EDGES: "the edges of the picture", CENTRE: "the centre"}
_NONE = (
    "No case with the finding that was called so has a mask and a map that can be held against "
    "each other."
)


@audit_check(
    ID,
    title="Plausibility of maps",
    question=QUESTION,
    needs=("prediction", "labels", "localisations", "finding-masks"),
    task="classification",
)
def explanation_plausibility(evidence: Evidence, protocol: Protocol) -> CheckResult:
    found, prediction = evidence.localisations, evidence.prediction
    assert found is not None
    assert prediction is not None
    point = operating_point(prediction, protocol)
    if point is None:
        return not_assessed(QUESTION, unknown_point(protocol))
    held = held_cases(evidence, found, point.threshold)
    beside = [*_states(evidence, held), *unrun_finding(ID, found.failures)]
    if not held.found.size:
        return not_assessed(QUESTION, _NONE, findings=beside)
    between, settings = between_of(found, held), settings_of(protocol)
    estimates = measured_of(evidence, found, held, between, settings)
    quadrants = quadrants_of(evidence, found, held)
    if quadrants is not None:
        shares = shares_of(evidence, quadrants, settings)
        estimates += shares
        beside = [*_dangers(evidence, quadrants, shares), *beside]
    method = TITLES.get(protocol.explanation_methods[0], protocol.explanation_methods[0])
    worded = _wordings(evidence, found, held, estimates, method)
    findings = (*findings_of(ID, estimates, protocol, worded), *beside)
    series = series_of(evidence, found, held, quadrants, estimates, method)
    return result_of(QUESTION, estimates, findings, series)


def beats(estimate: Estimate) -> bool:
    """The whole interval of a paired difference lies above 0."""
    return estimate.low is not None and estimate.low > 0


def _wordings(
    evidence: Evidence,
    found: Localised,
    held: Held,
    estimates: Sequence[Estimate],
    method: str,
) -> dict[str, Wording]:
    by_id = {one.id: one for one in estimates}
    mass, area = by_id[MASS], by_id["mask_area"]
    size = f"{words.cases(held.found.size)}{in_clusters(clusters_at(evidence, held.found))}"
    whose = "the reference mask" if held.of_reference else "readers’ masks, mean over readers"
    assert mass.value is not None
    assert area.value is not None
    told = "; ".join(
        f"than {_SAID[other]} by {words.measured(by_id[f'{GAINS[MASS]}:{other}'])}"
        for other in OTHERS
    )
    worded = {
        MASS: Wording(
            f"Of what a map shows for the finding {words.per_cent(mass.value)} lies where it is "
            f"marked, which is {words.per_cent(area.value)} of the picture: "
            f"{_than(by_id, GAINS[MASS])}.",
            why=f"{method} against {whose}, in {size} with the finding that were called so. More "
            f"{told}. {NO_PROOF}",
        ),
        POINTING: Wording(
            f"Where a map is largest lies in the mask in {words.measured(by_id[POINTING])} of "
            f"cases: {_than(by_id, GAINS[POINTING])}.",
            why=f"Within {tolerance_words(found, held)} of what the network takes, half a cell of "
            "the map. "
            + "; ".join(
                f"{_SAID[other]} {words.measured(by_id[f'{POINTING}:{other}'])}" for other in OTHERS
            )
            + ".",
        ),
        TIMES: Wording(
            f"That is {words.decimal(by_id[TIMES].value or 0.0)} times what chance would put "
            "there, on average over cases.",
        ),
    }
    between = by_id.get(BELOW[MASS])
    if between is not None and between.value is not None:
        worded[BELOW[MASS]] = Wording(_of_readers(by_id, between))
    return worded


def _of_readers(by_id: dict[str, Estimate], below: Estimate) -> str:
    two, own = by_id[f"{MASS}:two readers"], by_id[f"{MASS}:against readers"]
    said = (
        f"Of one reader’s mask {words.measured(two)} lies in another’s; of what the map shows "
        f"{words.measured(own)} does"
    )
    if beats(below):
        return f"{said}: readers agree with each other more than the map with them."
    if below.high is not None and below.high < 0:
        return f"{said}: more than readers share with each other."
    return f"{said}: the map is not told from one more reader."


def _than(by_id: dict[str, Estimate], gain: str) -> str:
    beaten = [other for other in OTHERS if beats(by_id[f"{gain}:{other}"])]
    level = [other for other in OTHERS if other not in beaten]
    if not level:
        return f"more than of {_list(beaten, 'or')}"
    if not beaten:
        return f"not shown to be more than of {_list(level, 'or')}"
    return f"more than of {_list(beaten, 'or')}, not shown to be more than of {_list(level, 'or')}"


def _list(others: Sequence[str], joint: str) -> str:
    *first, last = (_SAID[one] for one in others)
    return f"{', '.join(first)} {joint} {last}" if first else last


def _dangers(
    evidence: Evidence, quadrants: Quadrants, shares: Sequence[Estimate]
) -> Iterator[Finding]:
    """The two quadrants that ask for something."""
    by_id = {one.id: one for one in shares}
    said = (
        (
            FAITHFUL,
            "look-for-shortcut",
            "the map says what the network used, and that is not where the finding is",
            "Look for a shortcut: what lies where these maps are largest?",
        ),
        (
            PLAUSIBLE,
            "distrust-picture",
            "the map lies on the finding, and does not say what the network used",
            "Do not trust these pictures, however right they look.",
        ),
    )
    for name, finding_id, what, action in said:
        share, rows = by_id[f"quadrant:{name}"], quadrants.of(name)
        if not rows.size:
            continue
        shown = share.low is not None and share.low > SMALL
        yield Finding(
            f"{ID}.{finding_id}",
            State.CAUTION if shown else State.INFO,
            f"In {words.count(rows.size)} of {words.cases(quadrants.rows.size)} {what}.",
            why=f"Share {words.measured(share)}; it counts as shown where the whole interval lies "
            f"above {words.per_cent(SMALL)}. Listed: these cases, the most faithful first.",
            measure=share.id,
            cases=_ids(evidence, rows),
            action=action if shown else "",
        )


def _states(evidence: Evidence, held: Held) -> Iterator[Finding]:
    """Cases in which nothing can be measured, by why; they are in no mean."""
    said = (
        (held.without_evidence, "no-positive-evidence", State.INFO,
         "the map shows nothing that speaks for the finding",
         "An empty overlay there is an answer. It is neither a hit nor a miss.", ""),
        (held.empty, "empty-masks", State.INFO, "the mask marks nothing",
         "There is no place that a map could lie on.", ""),
        (held.vanished, "vanished-masks", State.CAUTION,
         "what is marked is too small for the size that the network takes",
         "After resizing no pixel of the mask is left.",
         "Ask whether a network of this input size can see it."),
        (held.covered, "covered", State.INFO, "the mask covers all that the network takes",
         "Every map would lie in it.", ""),
        (held.unlike, "marked-though-absent", State.CAUTION,
         "the label says absent, and the mask marks something",
         "They are in no measure.", "Correct the label or the mask."),
        (held.unknown, "without-answer", State.INFO, "there is a mask, but no label or no score",
         "They are in no measure.", ""),
    )  # fmt: skip
    for rows, finding_id, state, what, why, action in said:
        if rows.size:
            yield Finding(
                f"{ID}.{finding_id}", state, f"In {words.cases(rows.size)} {what}.",
                why=why, cases=_ids(evidence, rows), action=action,
            )  # fmt: skip


def _ids(evidence: Evidence, rows: IntArray) -> tuple[str, ...]:
    return tuple(evidence.case_ids[row] for row in np.asarray(rows).tolist())
