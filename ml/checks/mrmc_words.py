"""What the report of a reader study says: claims, and what they rest on."""

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording
from ml.checks.reader_analysis import ArmsAnalysis, BesideReaders, Figure, moved, rightness
from ml.checks.reader_study import ReaderStudy
from ml.checks.registry import Finding, State
from ml.checks.scored import in_clusters
from ml.estimate import Estimate
from ml.evidence.tables import Evidence
from ml.protocol import Protocol
from ml.stats.mrmc.components import Components
from ml.stats.mrmc.margin import margin_test

CHECK = "mrmc"
APART = 0.1  # a case counts as read differently from this share of opposite cases, or readers, on
NOUNS: dict[Figure, str] = {
    "auroc": "AUROC", "sensitivity": "sensitivity", "specificity": "specificity"
}  # fmt: skip


def _size(found: ReaderStudy) -> str:
    study = found.study
    return (
        f"{len(study.readers)} readers, {words.cases(len(study.cases))} "
        f"({words.count(int(study.present.sum()))} with the finding){in_clusters(study.units())}."
    )


def arms_wording(
    found: ReaderStudy, arms: ArmsAnalysis, difference: Estimate, first: int, second: int
) -> Wording:
    noun = NOUNS[arms.figure]
    one, other = found.arms[first], found.arms[second]
    a, b = arms.means[first].value, arms.means[second].value
    if a is None or b is None:
        return Wording("")
    values = f"{_value(arms.figure, a)} against {_value(arms.figure, b)}"
    low, high = difference.low, difference.high
    if low is None or high is None:
        claim = f"Readers’ mean {noun} in the arms {one} and {other} is {values}."
    elif low > 0 or high < 0:
        side = "higher" if low > 0 else "lower"
        claim = f"Readers’ mean {noun} is {side} in the arm {one} than in {other}: {values}."
    else:
        claim = (
            f"The arms {one} and {other} are not shown to differ in the readers’ mean {noun}: "
            f"{values}."
        )
    gap = moved(found, arms.figure, first, second)
    apart = np.flatnonzero(np.abs(np.nan_to_num(gap)) >= APART)
    order = apart[np.argsort(-np.abs(gap[apart]), kind="stable")]
    parts = (
        f"It speaks of other readers and other cases like these ({_p(difference)}).",
        _beside_words(arms, difference),
        _all_arms(found, arms, one, other),
        _size(found),
        found.said,
        arms.notes[0] if not found.crossed else "",
        (
            f"Listed: {words.cases(order.size)} that readers in the two arms read differently by a "
            "tenth or more, furthest apart first."
        ),
    )
    return Wording(
        claim,
        why=" ".join(part for part in parts if part),
        cases=tuple(found.study.cases[at] for at in order),
        action="Look at the cases that the arms read most differently.",
    )


def _value(figure: Figure, value: float) -> str:
    return words.decimal(value) if figure == "auroc" else words.per_cent(value)


def _p(estimate: Estimate) -> str:
    p = estimate.extra.get("p")
    return words.p_value(p) if isinstance(p, float) else "no p value"


def _beside_words(arms: ArmsAnalysis, difference: Estimate) -> str:
    """The same difference for these readers, and for these cases."""
    own = {one.id: one for one in arms.beside}
    readers = own.get(f"{difference.id}:fixed-readers")
    cases = own.get(f"{difference.id}:fixed-cases")
    if readers is None or cases is None:
        return ""
    return (
        f"For these readers and other cases: {words.measured(readers)} ({_p(readers)}); for other "
        f"readers and these cases: {words.measured(cases)} ({_p(cases)})."
    )


def _all_arms(found: ReaderStudy, arms: ArmsAnalysis, one: str, other: str) -> str:
    if len(found.arms) < 3:
        return ""
    test = "" if arms.p_all is None else f"; all arms alike: {words.p_value(arms.p_all)}"
    pairs = len(arms.differences)
    return f"{one} and {other} are one of {pairs} pairs, p is not adjusted for that{test}."


def model_wording(
    evidence: Evidence,
    found: ReaderStudy,
    beside: BesideReaders,
    protocol: Protocol,
    cut: str,
    level: float,
) -> Wording:
    noun = NOUNS[beside.figure]
    model, readers, difference = beside.model.value, beside.readers.value, beside.difference
    if model is None or readers is None:
        return Wording("")
    arm = f" in the arm {found.arms[beside.arm]}" if len(found.arms) > 1 else ""
    values = f"{_value(beside.figure, model)} against {_value(beside.figure, readers)}"
    claim = (
        f"The model’s {noun} and the mean of the readers{arm} are not shown to differ: {values}."
    )
    if difference.low is None or difference.high is None:
        claim = f"The model’s {noun} and the mean of the readers{arm}: {values}."
    elif difference.low > 0 or difference.high < 0:
        side = "higher" if difference.low > 0 else "lower"
        claim = f"The model’s {noun} is {side} than the mean of the readers{arm}: {values}."
    right = rightness(beside.study, beside.figure, each=True)[0]
    counted = ~np.isnan(right).any(axis=0)
    gap = np.where(counted, right[0] - right[1:].mean(axis=0), 0.0)
    apart = np.flatnonzero(np.abs(gap) >= APART)
    order = apart[np.argsort(-np.abs(gap[apart]), kind="stable")]
    failed = (
        int(np.isnan(evidence.prediction.score[found.rows]).sum()) if evidence.prediction else 0
    )
    unread = len(found.study.cases) - len(beside.study.cases)
    parts = (
        (
            f"It speaks of other readers and other cases like these, the model as it is "
            f"({_p(difference)})."
        ),
        _margin(difference, protocol, level),
        f"For other readers and these cases: {words.measured(beside.fixed_cases)}.",
        cut,
        (
            f"{len(beside.study.readers) - 1} readers, {words.cases(len(beside.study.cases))} "
            f"({words.count(int(beside.study.present.sum()))} with the finding)"
            f"{in_clusters(beside.study.units())}."
        ),
        f"{words.cases(unread)} left out that not all of them scored"
        f"{f', {words.count(failed)} for want of a score of the model' if failed else ''}."
        if unread
        else "",
        found.said,
        *(note.replace("(-", "(−") for note in beside.notes),
        (
            f"Listed: {words.cases(order.size)} where the model is a tenth or more away from the "
            "mean of the readers, furthest first."
        ),
    )
    return Wording(
        claim,
        why=" ".join(part for part in parts if part),
        cases=tuple(beside.study.cases[at] for at in order),
        action="Look at the cases where the model is furthest from the readers.",
    )


def _margin(difference: Estimate, protocol: Protocol, level: float) -> str:
    """The limit as a margin of non-inferiority, where it is one."""
    for limit in protocol.limits_of(CHECK, difference.id):
        if limit.direction == "min" and limit.value <= 0:
            test = margin_test(difference, -limit.value, "non-inferiority", (1 - level) / 2)
            if test.p is not None:
                return (
                    f"At least as good as a reader, allowed to be {words.decimal(-limit.value)} "
                    f"behind: {'shown' if test.shown else 'not shown'} "
                    f"(one-sided {words.p_value(test.p)})."
                )
    return ""


def alone_wording(found: ReaderStudy, arms: ArmsAnalysis) -> Wording:
    mean = arms.means[0]
    if mean.value is None:
        return Wording("")
    parts = (
        "The interval speaks of other readers and other cases like these.", _size(found),
        found.said, arms.notes[0] if not found.crossed else "",
    )  # fmt: skip
    return Wording(
        f"Readers reach a mean {NOUNS[arms.figure]} of {_value(arms.figure, mean.value)}.",
        why=" ".join(part for part in parts if part),
    )


def components_finding(found: ReaderStudy, arms: ArmsAnalysis) -> list[Finding]:
    """What the spread is made of; every negative component said."""
    if arms.components is None:
        return []
    noun, parts = NOUNS[arms.figure], _parts(arms.components, several=len(found.arms) > 1)
    listed = ", ".join(f"{name} {value:.3g}".replace("-", "−") for name, value in parts)
    notes = " ".join(arms.notes).replace("(-", "(−")
    return [
        Finding(
            f"{CHECK}.{arms.figure}-variance",
            State.INFO,
            f"Variance of a reader’s {noun}: {listed}.",
            why=(
                "Obuchowski-Rockette components as estimated; error is by sampling of cases, "
                f"covariances are between readers and arms that share cases. {notes}"
            ).strip(),
        )
    ]


def _parts(found: Components, *, several: bool) -> list[tuple[str, float]]:
    named: list[tuple[str, float | None]] = [("between readers", found.reader)]
    if several:
        named.append(("readers within arms", found.modality_reader))
    named.append(("error", found.error))
    if several:
        named += [("Cov1 (same reader)", found.cov1)]
    named.append(("Cov2 (same arm)" if several else "Cov2 (two readers)", found.cov2))
    if several:
        named.append(("Cov3 (neither)", found.cov3))
    return [(name, value) for name, value in named if value is not None]
