"""Which images of the cohort are there more than once, and what do their labels say?"""

import numpy as np

from ml.checks import words
from ml.checks.duplicate_groups import BITS, NEAR, Duplicates, duplicates_of
from ml.checks.duplicates_series import cases_series, similarity_series
from ml.checks.judge import Wording, findings_of, result_of
from ml.checks.registry import CheckResult, Finding, State, audit_check
from ml.checks.scored import clusters_at, in_clusters, settings_of
from ml.checks.unread import unread_finding
from ml.estimate import Estimate
from ml.evidence.tables import Evidence
from ml.protocol import Protocol
from ml.stats.proportion import proportion

ID = "duplicates"
QUESTION = "Which images are there more than once, and do their labels agree?"
REPEATED, ACROSS, EXACT = "duplicates", "duplicates:across units", "duplicates:exact"
MIXED = "label_conflicts"
GROUPS, LARGEST = "image_groups", "largest_group"
RULE = f"the same bytes, the same pixels, or thumbnails of 32 x 32 that correlate above {NEAR:g}"
_COUNTED = "It is a count of this cohort, so it has no interval."
_PAIRS = 5  # on either side of the limit, to be looked at


@audit_check(ID, title="Duplicates", question=QUESTION, needs=("described",))
def duplicates(evidence: Evidence, protocol: Protocol) -> CheckResult:
    found = duplicates_of(evidence)
    estimates = _estimates(found, protocol)
    findings = (
        *findings_of(ID, estimates, protocol, {REPEATED: _of_all(found)}),
        *_of_labels(found),
        *_of_units(found),
        *_of_closest(found),
        *unread_finding(ID, evidence, "are compared by their bytes alone"),
    )
    series = [similarity_series(ID, found), cases_series(ID, found)]
    return result_of(QUESTION, estimates, findings, series)


def _estimates(found: Duplicates, protocol: Protocol) -> list[Estimate]:
    evidence = found.evidence
    rows = np.flatnonzero(found.known)
    labelled = np.flatnonzero(found.known & np.array([bool(one) for one in evidence.label]))
    level = settings_of(protocol).level
    shares = [
        proportion(
            name, marked[of], clusters_at(evidence, of), level=level, convention=convention,
            of_what=of_what,
        )
        for name, marked, of, of_what, convention in (
            (REPEATED, found.repeated, rows, "cases",
             f"share of cases whose image is like another’s: {RULE}"),
            (EXACT, found.exact, rows, "cases",
             "share of cases whose bytes or decoded pixels are another’s"),
            (ACROSS, found.repeated & found.across, rows, "cases",
             "share of cases in a group of duplicates that spans several independent units"),
            (MIXED, found.mixed, labelled, "labelled cases",
             "share of labelled cases in a group of duplicates with different labels"),
        )
    ]  # fmt: skip
    n = rows.size
    largest = int(found.sizes[rows].max(initial=0))
    counts = [
        (GROUPS, found.n_groups, f"connected components; {RULE}; a single image is a group"),
        (f"{GROUPS}:stricter", found.n_stricter,
         ("the same, where 64-bit perceptual hashes of near-duplicates must also differ in at most "
         f"{BITS} bits")),
        (f"{GROUPS}:repeated", len(found.members(found.repeated & found.known)),
         "groups of two cases or more"),
        (LARGEST, largest, "cases of the largest group"),
    ]  # fmt: skip
    return [
        *shares,
        *(
            Estimate(name, value, n=n, convention=convention, reason=_COUNTED)
            for name, value, convention in counts
        ),
    ]


def _of_all(found: Duplicates) -> Wording:
    n = int(found.known.sum())
    repeated, exact = (int((one & found.known).sum()) for one in (found.repeated, found.exact))
    groups = found.members(found.repeated)
    if not groups:
        return Wording(f"No image of {words.cases(n)} is there twice.", why=_rule())
    return Wording(
        f"{words.cases(n)} hold {words.count(found.n_groups)} different images: "
        f"{words.count(repeated)} are like another.",
        why=f"{_rule()} {words.count(exact)} have the very bytes or pixels of another. By a "
        f"stricter rule, with perceptual hashes that differ in at most {BITS} bits of 64, there "
        f"are {words.count(found.n_stricter)} groups. Listed: the largest group, of "
        f"{words.count(groups[0].size)}.",
        cases=found.ids(groups[0]),
        action="Take each group as one independent unit: make a version of the cohort whose groups "
        "are these, on its page.",
    )


def _rule() -> str:
    return f"Two cases are one image by {RULE}; members of a group may be so through a third."


def _of_labels(found: Duplicates) -> list[Finding]:
    if not any(found.evidence.label) or not found.repeated.any():
        return []
    groups = found.members(found.mixed)
    if not groups:
        return [
            Finding(
                f"{ID}.labels",
                State.PASS,
                "No two images of a group carry different labels.",
                why=f"Looked at: {_groups(len(found.members(found.repeated)))}.",
            )
        ]
    exact = int(found.mixed_exactly.sum())
    same = (
        f"{words.cases(exact)} of them have the very pixels of a case of another label"
        if exact
        else "None has the very pixels of a case of another label"
    )
    return [
        Finding(
            f"{ID}.labels",
            State.FAIL if exact else State.CAUTION,
            f"In {_groups(len(groups))} of images that are alike, labels differ.",
            why=f"{same}. Listed: all {words.count(int(found.mixed.sum()))}, group by group.",
            cases=tuple(one for rows in groups for one in found.ids(rows)),
            action="Look at them side by side: one label is wrong, or the images differ in what "
            "the rule does not see.",
        )
    ]


def _of_units(found: Duplicates) -> list[Finding]:
    if not found.repeated.any():
        return []
    kind = found.evidence.cluster_kind
    groups = found.members(found.repeated & found.across)
    if not groups:
        return [
            Finding(
                f"{ID}.units",
                State.PASS,
                f"No group of duplicates spans two {kind}s.",
                why="Intervals already take each group as part of one unit.",
            )
        ]
    n = sum(rows.size for rows in groups)
    units = clusters_at(found.evidence, np.arange(len(found.evidence.case_ids)))
    return [
        Finding(
            f"{ID}.units",
            State.CAUTION,
            f"{_groups(len(groups))} of duplicates, of {words.cases(n)}, "
            f"{'span' if len(groups) != 1 else 'spans'} several {kind}s.",
            why=f"Intervals take {words.cases(len(found.evidence.case_ids))}"
            f"{in_clusters(units) or ' for independent'}: they are narrower than they may be.",
            cases=tuple(one for rows in groups for one in found.ids(rows)),
            action="Make a version of the cohort whose groups are these, on its page, and audit "
            "that.",
        )
    ]


def _of_closest(found: Duplicates) -> list[Finding]:
    """The pairs that decide whether the rule is a good one here."""
    above, below = found.alike.above[:_PAIRS], found.alike.below[:_PAIRS]
    if not above and not below:
        return []
    said = [
        f"{words.count(len(side))} {where} ({_range([one.similarity for one in side])})"
        for side, where in ((above, "just above"), (below, "just below"))
        if side
    ]
    rows = [row for one in (*above, *below) for row in (one.first, one.second)]
    return [
        Finding(
            f"{ID}.closest",
            State.INFO,
            f"The pairs closest to the limit of {NEAR:g} are there to be looked at.",
            why=f"Listed pair by pair: {' and '.join(said)}. Above it two images count as one.",
            cases=found.ids(dict.fromkeys(rows)),
        )
    ]


def _range(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.5f} to {high:.5f}" if len(values) > 1 else f"{low:.5f}"


def _groups(n: int) -> str:
    return f"{words.count(n)} group{'' if n == 1 else 's'}"
