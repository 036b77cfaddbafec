"""Does it know when it does not know?"""

from collections.abc import Sequence

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording, findings_of, result_of
from ml.checks.registry import CheckResult, audit_check, not_assessed
from ml.checks.sampled import (
    GROUPS,
    PLACES,
    Sampled,
    sampled_cases,
    unsampled_finding,
)
from ml.checks.scored import operating_point, settings_of, unknown_point
from ml.checks.uncertainty_groups import groups_findings, high_when_right
from ml.checks.uncertainty_quality import quality_part
from ml.checks.uncertainty_readers import readers_part
from ml.checks.uncertainty_series import risk_series, scatter_series
from ml.estimate import Estimate, undefined
from ml.evidence.tables import Evidence, FloatArray, IntArray
from ml.protocol import Protocol
from ml.stats.bootstrap import Settings
from ml.stats.means import case_mean
from ml.stats.proportion import proportion
from ml.stats.uncertainty.decomposition import correlation, entropy_parts
from ml.stats.uncertainty.finite_samples import epistemic_share, sampling_change
from ml.stats.uncertainty.selective import area, failure_auroc

ID = "uncertainty"
QUESTION = "Does it know when it does not know?"
KINDS = ("total", "aleatoric", "epistemic")
_RISE_TOGETHER = 0.9  # correlation above which the two kinds hardly say different things
_NO_LABELS = "Not estimated: no case has a label, so no answer is known to be wrong."


@audit_check(
    ID,
    title="Uncertainty",
    question=QUESTION,
    needs=("prediction", "samples"),
    task="classification",
)
def uncertainty(evidence: Evidence, protocol: Protocol) -> CheckResult:
    assert evidence.prediction is not None
    assert evidence.samples is not None
    of_model = evidence.samples.source == "model"
    missed = unsampled_finding(ID, evidence, evidence.samples.failures, by_model=of_model)
    point = operating_point(evidence.prediction, protocol)
    if point is None:
        return not_assessed(QUESTION, unknown_point(protocol), findings=missed)
    sampled = sampled_cases(evidence, evidence.samples, point, protocol.seed)
    if not sampled.rows.size:
        reason = "No case has both a score and all of its samples."
        return not_assessed(QUESTION, reason, findings=missed)
    settings = settings_of(protocol)
    readers = readers_part(evidence, protocol, sampled, settings)
    quality = quality_part(evidence, sampled, settings)
    estimates = [*_estimates(sampled, settings), *readers.estimates, *quality.estimates]
    wordings = {
        **_wordings(evidence, sampled, estimates),
        **readers.wordings,
        **quality.wordings,
    }
    findings = (
        *findings_of(ID, estimates, protocol, wordings),
        *groups_findings(ID, evidence, sampled, estimates),
        *missed,
    )
    series = [scatter_series(ID, evidence, sampled)]
    if sampled.wrong[sampled.known].sum() > 0:
        series.append(risk_series(ID, sampled))
    return result_of(QUESTION, estimates, findings, series)


def _estimates(sampled: Sampled, settings: Settings) -> list[Estimate]:
    bits, clusters = sampled.bits, sampled.clusters
    found = []
    for kind, doubt in bits.items():
        found += _of_errors(kind, doubt, sampled, settings)
    found += _of_errors("epistemic_variance", sampled.variance["epistemic"], sampled, settings)
    found += [
        case_mean(f"mean_uncertainty:{kind}", bits[kind], clusters, settings).in_unit("bits")
        for kind in KINDS
    ]
    found += [
        epistemic_share(bits["epistemic"], bits["total"], clusters, settings),
        epistemic_share(
            sampled.variance["epistemic"], sampled.variance["total"], clusters, settings,
            convention="of variance: sum of epistemic over sum of total",
        ).renamed(
            "epistemic_share:variance",
            convention="of variance: sum of epistemic over sum of total",
        ),
        correlation(bits["aleatoric"], bits["epistemic"], clusters, settings),
        sampling_change(sampled.pairs, clusters, settings),
    ]  # fmt: skip
    found += [_error_rate(name, sampled, settings) for name in GROUPS]
    return found + high_when_right(sampled, settings)


def _of_errors(
    kind: str, doubt: FloatArray, sampled: Sampled, settings: Settings
) -> list[Estimate]:
    """How an uncertainty goes with wrong calls: ranking, area under the curve, correlation."""
    known = np.flatnonzero(sampled.known)
    wrong, chosen = sampled.wrong[known], doubt[known]
    clusters = sampled.clusters.where(known)
    names = [f"{name}:{kind}" for name in ("auroc_failure", "aurc", "error_correlation")]
    if not known.size:
        return [undefined(name, _NO_LABELS) for name in names]
    related = correlation(chosen, wrong.astype(np.float64), clusters, settings)
    if wrong.min() == wrong.max():
        every = "wrong" if wrong[0] else "right"
        related = undefined("", f"Not estimated: every answer is {every}.", n=known.size)
    convention = "Pearson over cases, of uncertainty and wrong (1) or right (0)"
    return [
        failure_auroc(-chosen, wrong, clusters, settings).renamed(
            names[0], convention="high uncertainty detects wrong calls; ties count one half"
        ),
        area(-chosen, wrong, clusters, settings).renamed(names[1]),
        related.renamed(names[2], convention=convention),
    ]


def _error_rate(name: str, sampled: Sampled, settings: Settings) -> Estimate:
    rows = sampled.of_group(name)
    rows = rows[sampled.known[rows]]
    return proportion(
        f"error_rate:{name}", sampled.wrong[rows] == 1, sampled.clusters.where(rows),
        level=settings.level, convention="share of labelled cases of the group called wrongly",
        of_what="labelled cases in this group",
    )  # fmt: skip


def _wordings(
    evidence: Evidence, sampled: Sampled, estimates: Sequence[Estimate]
) -> dict[str, Wording]:
    value = {one.id: one.value for one in estimates}
    return {
        "auroc_failure:total": _of_failure(evidence, sampled, value),
        "sampling_change": _of_change(evidence, sampled, value),
        "epistemic_share": _of_share(evidence, sampled, value),
    }


def _of_failure(evidence: Evidence, sampled: Sampled, value: dict[str, float | None]) -> Wording:
    found, alone = value["auroc_failure:total"], value.get("auroc_failure:score")
    total = sampled.bits["total"]
    sure = np.flatnonzero((sampled.wrong == 1) & (total <= np.median(total)))
    n, wrong = int(sampled.known.sum()), int((sampled.wrong == 1).sum())
    without = (
        f"The entropy of its score alone, without samples, has {words.decimal(alone)}."
        if alone is not None
        else ""
    )
    parts = (
        (
            f"Measured on {words.cases(n)}, of which {words.count(wrong)} are called wrongly at "
            f"{sampled.point.words}, with {sampled.answers_words}."
        ),
        without,
        (
            f"Listed: {words.cases(sure.size)} called wrongly of which it was surer than of half "
            "of all cases."
        ),
    )
    return Wording(
        f"Its uncertainty tells wrong answers from right ones with an AUROC of "
        f"{words.decimal(found or 0.0)} (0.5 is chance).",
        why=" ".join(part for part in parts if part),
        cases=sampled.ids(evidence, sure[np.argsort(total[sure], kind="stable")]),
        action="Do not rely on its uncertainty to catch errors: it is hardly higher where the "
        "model is wrong.",
    )


def _of_change(evidence: Evidence, sampled: Sampled, value: dict[str, float | None]) -> Wording:
    change = value["sampling_change"] or 0.0
    t = sampled.samples.shape[0]
    more = "higher" if change >= 0 else "lower"
    limit = sampled.high["epistemic"]
    half = entropy_parts(sampled.pairs[: max(t // 2, 1)], unit="bits")
    before = half.epistemic.round(PLACES)
    moved = np.flatnonzero((before > limit) != (sampled.bits["epistemic"] > limit))
    enough = {"members": "Train more members.", "dropout": "Ask for more samples: "
              "'dropout_samples' in the protocol."}  # fmt: skip
    return Wording(
        f"With all {words.count(t)} answers its mean epistemic uncertainty is "
        f"{words.per_cent(abs(change))} {more} than with the first {words.count(t // 2)}.",
        why=f"Exact draws change by about {words.per_cent(1 / (t - 1))} here. Listed: "
        f"{words.cases(moved.size)} whose group depends on the second half.",
        cases=sampled.ids(evidence, moved),
        action=enough.get(sampled.kind, "Hand in more samples of each case."),
    )


def _of_share(evidence: Evidence, sampled: Sampled, value: dict[str, float | None]) -> Wording:
    share, together = value["epistemic_share"] or 0.0, value["uncertainty_correlation"]
    most = _most_epistemic(sampled)
    said = ""
    if together is not None:
        said = f"The two kinds correlate by {words.decimal(together)} over cases."
        if together > _RISE_TOGETHER:
            said += " That is so much that they hardly tell different stories here."
    listed = ""
    if most.size:
        listed = f"Listed: {words.cases(most.size)} in which the epistemic part is the larger one."
    return Wording(
        f"{words.per_cent(share)} of its uncertainty is epistemic, which more training cases could "
        "take away; the rest lies in the images, as far as it can tell.",
        why=f"{said} {listed}".strip(),
        cases=sampled.ids(evidence, most),
    )


def _most_epistemic(sampled: Sampled) -> IntArray:
    return np.flatnonzero(sampled.bits["epistemic"] > sampled.bits["aleatoric"])
