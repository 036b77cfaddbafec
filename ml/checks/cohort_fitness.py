"""Is the cohort fit to be judged by: what is missing, who is in it, what do its files give away?"""

from collections.abc import Sequence
from datetime import date

import numpy as np

from ml.checks import words
from ml.checks.characteristics import (
    OF_CASE,
    OF_FILE,
    Characteristic,
    characteristics,
    groups_of,
    table_series,
)
from ml.checks.fitness_files import APART, FILES, Files, files_of
from ml.checks.handcrafted_columns import Column
from ml.checks.judge import Wording, findings_of, result_of
from ml.checks.registry import CheckResult, Finding, State, audit_check
from ml.checks.scored import clusters_at, settings_of
from ml.checks.unread import unread_finding
from ml.estimate import Estimate, JsonObject, JsonValue
from ml.evidence.tables import Evidence
from ml.protocol import Protocol
from ml.stats.clusters import MIN_CLUSTERS
from ml.stats.proportion import proportion

ID = "cohort-fitness"
QUESTION = "Is the cohort fit to be judged by, and what do its files give away?"
PREVALENCE, LABELLED, MISSING = "prevalence", "labelled", "missing"
_NAMED = 3
_MIXED = ("file type", "colour mode", "bits", "modality", "header Manufacturer")


@audit_check(ID, title="Cohort fitness", question=QUESTION, needs=(), uses=("described",))
def cohort_fitness(evidence: Evidence, protocol: Protocol) -> CheckResult:
    settings = settings_of(protocol)
    shown = characteristics(evidence)
    files = files_of(evidence, settings, protocol.seed)
    estimates = [*_shares(evidence, shown, settings.level), *files.estimates]
    findings = (
        *findings_of(ID, estimates, protocol, _of_files(files, estimates)),
        *_of_labels(evidence),
        *_of_units(evidence),
        *_of_missing(evidence, shown),
        *_of_mix(evidence, shown),
        *_of_time(shown),
        *(unread_finding(ID, evidence, "are described by their files alone")
          if evidence.described is not None else ()),
    )  # fmt: skip
    series = [
        table_series(ID, evidence, of, shown)
        for of in (OF_CASE, OF_FILE)
        if any(one.of == of for one in shown)
    ]
    if files.estimates[0].value is not None:
        series.insert(0, _forest(files))
    return result_of(QUESTION, estimates, findings, series)


def _shares(
    evidence: Evidence, shown: Sequence[Characteristic], level: float
) -> list[Estimate]:  # fmt: skip
    every = np.arange(len(evidence.case_ids))
    units = clusters_at(evidence, every)
    found = []
    if evidence.present is not None:
        known = np.flatnonzero(evidence.present >= 0)
        found.append(
            proportion(
                PREVALENCE, evidence.present[known] == 1, units.where(known), level=level,
                convention="share of labelled cases with the finding",
                of_what="labelled cases",
            )
        )  # fmt: skip
        found.append(
            proportion(LABELLED, evidence.present >= 0, units, level=level,
                       convention="share of cases with a reference label", of_what="cases")
        )  # fmt: skip
    found += [
        proportion(f"{MISSING}:{one.name}", one.missing, units, level=level,
                   convention="share of cases without it", of_what="cases")
        for one in shown
        if one.of == OF_CASE
    ]  # fmt: skip
    return found


def _of_files(files: Files, estimates: Sequence[Estimate]) -> dict[str, Wording]:
    by_id = {one.id: one for one in estimates}
    found = by_id[FILES]
    if found.value is None:
        return {}
    apart = by_id[APART].value
    told = ", ".join(
        f"{column.name} {words.decimal(one.value or 0.0)}" for column, one in files.alone[:_NAMED]
    )
    also = (
        f" Judged only by files of other dimensions it is {words.decimal(apart)}: what is more is "
        "that files of one width and height are of one label."
        if apart is not None and apart < found.value
        else ""
    )
    return {
        FILES: Wording(
            "Without a look at the images, how their files are written tells the label with an "
            f"AUROC of {words.decimal(found.value)}.",
            why=f"Looked at: {', '.join(one.name for one in files.columns)}.{also} Single ones "
            f"that tell most, by their AUROC: {told}.",
            action="Find out why files of both labels differ, for example by their source. A model "
            "can have learnt the same; audit on images that were made and stored alike.",
        )
    }


def _of_labels(evidence: Evidence) -> list[Finding]:
    if evidence.present is None:
        if evidence.task != "classification":
            return []
        return [Finding(f"{ID}.labels", State.NOT_ASSESSED, "The cohort has no reference labels.")]
    lacking = np.flatnonzero(evidence.present < 0)
    found = []
    if lacking.size:
        found.append(
            Finding(
                f"{ID}.labels",
                State.CAUTION,
                f"{words.cases(lacking.size)} of {words.count(len(evidence.case_ids))} "
                f"{'has' if lacking.size == 1 else 'have'} no label.",
                why="They are left out wherever answers are judged; if they differ from the "
                "others, the results do not hold there.",
                cases=tuple(evidence.case_ids[row] for row in lacking),
                action="Label them, or say in the notes of the cohort why they have none.",
            )
        )
    sides = {
        name: np.unique(evidence.cluster[evidence.present == side]).size
        for side, name in ((1, "with the finding"), (0, "without it"))
    }
    few = [name for name, n in sides.items() if n < MIN_CLUSTERS]
    kind = evidence.cluster_kind
    said = " and ".join(f"{words.count(n)} {kind}s {name}" for name, n in sides.items())
    counts = ", ".join(
        f"{name} {words.count(rows.size)}" for name, rows in groups_of(evidence).items()
    )
    if few:
        found.append(
            Finding(
                f"{ID}.classes",
                State.CAUTION,
                f"There are only {said}: too few for an interval, which takes {MIN_CLUSTERS}.",
                why=f"Cases: {counts}.",
                action="Add cases of the rare kind before numbers are judged.",
            )
        )
    else:
        found.append(
            Finding(f"{ID}.classes", State.INFO, f"There are {said}.", why=f"Cases: {counts}.")
        )
    return found


def _of_units(evidence: Evidence) -> list[Finding]:
    kind = evidence.cluster_kind
    if kind == "case":
        return [
            Finding(
                f"{ID}.units",
                State.CAUTION,
                "Nothing says which cases are of one patient: every case counts as independent.",
                why="Intervals are then narrower than they may be.",
                action="A column “patient_id” in cases.csv, or “group” where ids are missing, says "
                "what belongs together.",
            )
        ]
    sizes = np.bincount(np.unique(evidence.cluster, return_inverse=True)[1].reshape(-1))
    most = int(sizes.max(initial=0))
    largest = np.flatnonzero(evidence.cluster == np.unique(evidence.cluster)[sizes.argmax()])
    return [
        Finding(
            f"{ID}.units",
            State.INFO,
            f"{words.cases(int(sizes.sum()))} belong to {words.count(sizes.size)} {kind}s, "
            f"{words.count(most)} at most to one.",
            why=f"Median {float(np.median(sizes)):g}; {words.count(int((sizes == 1).sum()))} "
            f"{kind}s have one case. Listed: the largest.",
            cases=tuple(evidence.case_ids[row] for row in largest),
        )
    ]


def _of_missing(evidence: Evidence, shown: Sequence[Characteristic]) -> list[Finding]:
    own = [one for one in shown if one.of == OF_CASE]
    if not own:
        return [
            Finding(
                f"{ID}.covariates",
                State.NOT_ASSESSED,
                "The cohort has no covariates: who is in it is not known.",
                action="Columns such as age, sex, site or scanner in cases.csv add them.",
            )
        ]
    lacking = sorted((one for one in own if one.missing.any()), key=lambda one: -one.missing.sum())
    if not lacking:
        return [
            Finding(
                f"{ID}.covariates",
                State.PASS,
                "No covariate has a gap.",
                why=f"Looked at: {', '.join(one.name for one in own)}.",
            )
        ]  # fmt: skip
    gaps = np.any([one.missing for one in lacking], axis=0)
    listed = ", ".join(f"{one.name} in {words.count(int(one.missing.sum()))}" for one in lacking)
    return [
        Finding(
            f"{ID}.covariates",
            State.INFO,
            f"{words.cases(int(gaps.sum()))} lack a covariate.",
            why=f"Missing: {listed}. Table 1 shows whether that goes with the label.",
            cases=tuple(evidence.case_ids[row] for row in np.flatnonzero(gaps)),
        )
    ]


def _of_mix(evidence: Evidence, shown: Sequence[Characteristic]) -> list[Finding]:
    """What of the images is not the same everywhere."""
    files = {one.name: one for one in shown if one.of == OF_FILE}
    mixed = [files[name] for name in _MIXED if name in files and len(files[name].levels) > 1]
    sizes = {
        (evidence.facts["width"][row], evidence.facts["height"][row])
        for row in range(len(evidence.case_ids))
        if {"width", "height"} <= set(evidence.facts)
    }
    if not files or (not mixed and len(sizes) < 2):
        return []
    parts = [f"{words.count(len(sizes))} different dimensions"] if len(sizes) > 1 else []
    parts += [f"{one.name}: {', '.join(one.levels[:5])}" for one in mixed]
    rare = _rare(mixed)
    return [
        Finding(
            f"{ID}.acquisition",
            State.INFO,
            "The images were not all made and stored alike.",
            why=f"{'; '.join(parts)}.{' Listed: cases of values that few have.' if rare else ''}",
            cases=tuple(evidence.case_ids[row] for row in rare),
        )
    ]


def _rare(mixed: Sequence[Characteristic]) -> list[int]:
    """Rows of values that fewer than ten cases have."""
    found = set()
    for one in mixed:
        counts = {level: one.texts.count(level) for level in one.levels}
        found |= {
            row for row, text in enumerate(one.texts)
            if text is not None and counts[text] < MIN_CLUSTERS
        }  # fmt: skip
    return sorted(found)


def _of_time(shown: Sequence[Characteristic]) -> list[Finding]:
    found = []
    for one in shown:
        days = [day for text in one.texts if (day := _day(text)) is not None]
        given = sum(text is not None for text in one.texts)
        if days and len(days) == given:
            found.append(
                Finding(
                    f"{ID}.time:{one.name}",
                    State.INFO,
                    f"By “{one.name}” the cases span {min(days)} to {max(days)}.",
                    why=f"{(max(days) - min(days)).days:,} days.",
                )
            )
    return found


def _day(text: str | None) -> date | None:
    try:
        return None if text is None or "-" not in text else date.fromisoformat(text[:10])
    except ValueError:
        return None


def _forest(files: Files) -> JsonObject:
    names = ("all, by neighbours", "all, by files of other dimensions", "all, by a regression")
    pairs: list[tuple[str, Estimate]] = list(zip(names, files.estimates, strict=True))
    pairs += [(_alone(column), one) for column, one in files.alone]
    rows: list[JsonValue] = [
        {"label": label, "estimate": one.to_json(), "state": "info"}
        for label, one in pairs
        if one.value is not None
    ]
    return {
        "kind": "forest",
        "check": ID,
        "title": "How files are written tells the label with an AUROC of "
        f"{words.decimal(files.estimates[0].value or 0.0)}",
        "subtitle": "AUROC of the label by file properties alone, judged by other cases, and of "
        "single properties; below 0.5: lower in cases with the finding",
        "unit": "",
        "rows": rows,
        "limit": None,
    }


def _alone(column: Column) -> str:
    return f"{column.name}, alone"
