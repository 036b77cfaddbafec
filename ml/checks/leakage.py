"""Is a case of this cohort in the reference too, so that answers to it say nothing of new ones?"""

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording, findings_of, result_of
from ml.checks.leaked import Leaked, leaked_of
from ml.checks.memorised_sides import NEAR
from ml.checks.registry import CheckResult, Finding, State, audit_check
from ml.checks.scored import clusters_at, scored_cases, settings_of
from ml.checks.unread import unread_finding
from ml.estimate import Estimate, JsonObject, JsonValue
from ml.evidence.tables import Evidence
from ml.protocol import Protocol
from ml.stats.discrimination.auroc import auroc
from ml.stats.proportion import proportion

ID = "leakage"
QUESTION = "Is a case of this cohort in the reference too?"
LEAKED, ALL, REST = "leaked", "auroc:all cases", "auroc:not in the reference"
_BY = {
    "bytes": "an image file of the case is one of the reference, to the last byte",
    "pixels": "the decoded pixels are those of a case of the reference, in another file",
    "near": f"its thumbnail correlates above {NEAR:g} with one of the reference",
    "patient": "its patient has the id of a patient of the reference",
}


@audit_check(
    ID, title="Leakage", question=QUESTION, needs=("reference-cohort",), uses=("described",)
)
def leakage(evidence: Evidence, protocol: Protocol) -> CheckResult:
    assert evidence.reference is not None
    found = leaked_of(evidence, evidence.reference)
    level = settings_of(protocol).level
    every = np.arange(len(evidence.case_ids))
    estimates = [
        proportion(
            name, marked, clusters_at(evidence, every), level=level, convention=convention,
            of_what="cases",
        )
        for name, marked, convention in (
            (LEAKED, found.any, "share of cases that are in the reference, by any of these signs"),
            *((f"{LEAKED}:{kind}", marked, f"share of cases: {_BY[kind]}")
              for kind, marked in found.kinds.items()),
        )
    ]  # fmt: skip
    estimates += _with_and_without(found, protocol)
    findings = (
        *findings_of(ID, estimates, protocol, _wordings(found, estimates)),
        *_of_images(found),
        *_of_patients(found),
        *(unread_finding(ID, evidence, "are compared by their bytes alone")
          if evidence.described is not None else ()),
    )  # fmt: skip
    return result_of(QUESTION, estimates, findings, [_cases_series(found)])


def _with_and_without(found: Leaked, protocol: Protocol) -> list[Estimate]:
    """The AUROC of all cases, and of those that are not in the reference, where there are both
    scores and leaked cases."""
    evidence = found.evidence
    if evidence.prediction is None or evidence.present is None or not found.any.any():
        return []
    scored, settings = scored_cases(evidence), settings_of(protocol)
    if not scored.rows.size:
        return []
    estimates = []
    for name, chosen in (
        (ALL, np.arange(scored.rows.size)),
        (REST, np.flatnonzero(~found.any[scored.rows])),
    ):
        of = auroc(
            scored.scores[chosen], scored.present[chosen], scored.clusters.where(chosen), settings
        )
        estimates.append(of.renamed(name))
    return estimates


def _wordings(found: Leaked, estimates: list[Estimate]) -> dict[str, Wording]:
    by_id = {one.id: one for one in estimates}
    n = int(found.any.sum())
    said = {}
    if n:
        said[LEAKED] = Wording(
            f"{words.count(n)} of {words.cases(found.any.size)} are in the reference too.",
            why=f"Of {words.cases(len(found.reference.case_ids))} there. "
            + "; ".join(f"{kind}: {words.count(int(one.sum()))}"
                        for kind, one in found.kinds.items()) + ".",
            cases=found.ids(found.any),
            action="Take them out of the test cohort, or show every result without them too.",
        )  # fmt: skip
    if REST in by_id and by_id[REST].value is not None and by_id[ALL].value is not None:
        said[REST] = Wording(
            f"Without the cases that are in the reference the AUROC is "
            f"{words.decimal(by_id[REST].value or 0.0)}; with them it is "
            f"{words.decimal(by_id[ALL].value or 0.0)}.",
            why=f"{words.count(by_id[REST].n)} of {words.count(by_id[ALL].n)} scored cases are not "
            "in the reference.",
        )
    return said


def _of_images(found: Leaked) -> list[Finding]:
    exact, near = found.bytes | found.pixels, found.near
    by_pixels = found.copies.by_pixels
    how = (
        f"Compared: bytes, decoded pixels, and thumbnails (correlation above {NEAR:g})."
        if by_pixels
        else "Only whole files were compared: images of one side or both were not measured, so "
        "copies in another format are not found."
    )
    if not any(found.evidence.images) or not any(found.reference.images):
        return [
            Finding(
                f"{ID}.images",
                State.NOT_ASSESSED,
                "Images cannot be compared: one of the cohorts has none.",
            )
        ]
    if not exact.any() and not near.any():
        return [
            Finding(
                f"{ID}.images",
                State.PASS if by_pixels else State.INFO,
                f"No image of {words.cases(exact.size)} was found in the reference.",
                why=how,
            )
        ]
    return [
        Finding(
            f"{ID}.images",
            State.FAIL if exact.any() else State.CAUTION,
            f"{words.count(int(exact.sum()))} images are in the reference exactly, and "
            f"{words.count(int(near.sum()))} nearly.",
            why=f"{how} Listed: exact ones first.",
            cases=(*found.ids(exact), *found.ids(near)),
            action="Look at a few pairs, and take copies out of the test cohort.",
        )
    ]


def _of_patients(found: Leaked) -> list[Finding]:
    if found.patient is None:
        lacking = [
            name
            for name, one in (("this cohort", found.evidence), ("the reference", found.reference))
            if not any(one.patients)
        ]
        return [
            Finding(
                f"{ID}.patients",
                State.NOT_ASSESSED,
                f"Patients cannot be compared: {' and '.join(lacking)} "
                f"{'has' if len(lacking) == 1 else 'have'} no patient ids.",
                why="Two images of one patient may look different, and are then not found.",
                action="A column “patient_id” in cases.csv of both cohorts adds them.",
            )
        ]
    n = int(found.patient.sum())
    if not n:
        return [
            Finding(
                f"{ID}.patients",
                State.PASS,
                "No patient id is in both cohorts.",
                why="Ids were compared as they are written: a patient with two ids is not found.",
            )
        ]
    patients = len({one for one, is_in in zip(found.evidence.patients, found.patient, strict=True)
                    if is_in})  # fmt: skip
    return [
        Finding(
            f"{ID}.patients",
            State.CAUTION,
            f"{words.count(patients)} patient id{'' if patients == 1 else 's'} of "
            f"{words.cases(n)} {'is' if patients == 1 else 'are'} in the reference too.",
            why="Ids were compared as they are written. Where each cohort numbers its patients "
            "anew, the same id may be two persons.",
            cases=found.ids(found.patient),
            action="Find out whether the ids come from one source; if so, keep a patient in one "
            "cohort.",
        )
    ]


def _cases_series(found: Leaked) -> JsonObject:
    """Every case with what of the reference it was held against."""
    copies = found.copies
    rows: list[JsonValue] = [
        [
            case_id,
            next((kind for kind, one in found.kinds.items() if one[at]), None),
            copies.twin[at] or None,
            None if np.isnan(copies.similarity[at]) else round(float(copies.similarity[at]), 6),
            found.twin_of_patient[at] or None,
        ]
        for at, case_id in enumerate(found.evidence.case_ids)
    ]
    return {
        "kind": "table",
        "check": ID,
        "title": "Every case with the case of the reference that is most alike",
        "subtitle": "The surest sign that it is there too, and the case it was found by",
        "fields": ["case_id", "in the reference by", "most alike", "similarity", "same patient"],
        "rows": rows,
    }
