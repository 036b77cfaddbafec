"""Does the model know which of its masks are wrong?"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording, findings_of, result_of
from ml.checks.masked import qualified
from ml.checks.registry import CheckResult, audit_check, not_assessed
from ml.checks.sampled import unsampled_finding
from ml.checks.scored import clusters_at, in_clusters, settings_of
from ml.checks.segmentation_uncertainty_series import cases_series, risk_series
from ml.estimate import Estimate, JsonObject, undefined
from ml.evidence.sampled_masks import SampledMasks
from ml.evidence.tables import MODEL, REFERENCE, Evidence, FloatArray, IntArray
from ml.protocol import Protocol
from ml.stats.bootstrap import Settings
from ml.stats.means import case_mean
from ml.stats.segmentation.sampled import variation
from ml.stats.uncertainty.decomposition import correlation
from ml.stats.uncertainty.selective import loss_area

ID = "segmentation-uncertainty"
QUESTION = "Does the model know which of its masks are wrong?"
# A case's doubt about a structure, by what it is made of -> what it is, as a convention.
DOUBTS = {
    "disagreement": "1 − mean Dice of every two of its samples’ masks; two empty ones are the same",
    "volume": "coefficient of variation of the samples’ volumes",
    "entropy": "mean total uncertainty inside the structure, bits",
    "band": "mean total uncertainty of the band about its boundary, bits",
    "epistemic": "mean epistemic uncertainty of the band about its boundary, bits",
}
_LOSS = "1 − Dice of the model’s mask with the reference"


@dataclass(frozen=True)
class Doubted:
    """One structure of the cases that have a Dice with the reference, and samples."""

    name: str
    rows: IntArray  # (n,) of the evidence
    loss: FloatArray  # (n,) 1 - Dice
    doubts: dict[str, FloatArray]  # (n,) each; NaN where undefined
    evidence: Evidence
    answers_words: str

    def known(self, doubt: str) -> IntArray:
        """The cases in which a doubt is defined."""
        return np.flatnonzero(~np.isnan(self.doubts[doubt]))

    def ids(self, chosen: IntArray) -> tuple[str, ...]:
        return tuple(self.evidence.case_ids[row] for row in self.rows[chosen])

    @cached_property
    def sure(self) -> IntArray:
        """Of the worse quarter of its masks those it is surer of than of half, worst first."""
        doubt = self.doubts["disagreement"]
        if not doubt.size:
            return np.array([], dtype=np.int64)
        bad = (self.loss > np.quantile(self.loss, 0.75)) & (doubt <= np.median(doubt))
        found = np.flatnonzero(bad)
        return found[np.argsort(-self.loss[found], kind="stable")]


@audit_check(
    ID,
    title="Uncertainty of masks",
    question=QUESTION,
    needs=("predicted-masks", "reference-masks", "sampled-masks"),
    task="segmentation",
)
def segmentation_uncertainty(evidence: Evidence, protocol: Protocol) -> CheckResult:
    samples = evidence.sampled_masks
    assert samples is not None
    missed = unsampled_finding(ID, evidence, samples.failures, by_model=True)
    structures = [doubted(evidence, samples, at) for at in range(len(samples.structures))]
    if not any(one.rows.size for one in structures):
        reason = "No case has both all of its samples and a Dice with the reference."
        return not_assessed(QUESTION, reason, findings=missed)
    settings = settings_of(protocol)
    estimates: list[Estimate] = []
    wordings: dict[str, Wording] = {}
    series: list[JsonObject] = []
    for at, one in enumerate(structures):
        measured = [
            qualified(estimate, one.name, first=at == 0) for estimate in _measure(one, settings)
        ]
        estimates += measured
        wordings[measured[0].id] = _wording(one, measured[0])
        series += [*risk_series(ID, one), cases_series(ID, one)]
    findings = [*findings_of(ID, estimates, protocol, wordings), *missed]
    return result_of(QUESTION, estimates, findings, series)


def doubted(evidence: Evidence, samples: SampledMasks, structure: int) -> Doubted:
    """The cases of one structure that can be looked at; the check's `needs` promise masks."""
    masks = evidence.masks
    assert masks is not None
    pairs = masks.rows(MODEL, REFERENCE)
    pairs = pairs[masks.structure[pairs] == structure]
    cases = masks.case_index[pairs]
    dice = masks.measures["dice"][pairs]
    measure = {name: values[cases, structure] for name, values in samples.measures.items()}
    doubts = {
        "disagreement": 1 - measure["dice_mean"],
        "volume": variation(samples.voxels[cases, structure]),
        "entropy": measure["total_inside_mean"],
        "band": measure["total_band_mean"],
        "epistemic": measure["epistemic_band_mean"],
    }
    kept = np.flatnonzero(~np.isnan(dice) & ~np.isnan(doubts["disagreement"]))
    what = {"members": "members", "dropout": "samples of its dropout"}[samples.kind]
    return Doubted(
        name=samples.structures[structure],
        rows=cases[kept],
        loss=1 - dice[kept],
        doubts={name: values[kept] for name, values in doubts.items()},
        evidence=evidence,
        answers_words=f"{words.count(samples.answers)} {what}",
    )


def _measure(one: Doubted, settings: Settings) -> list[Estimate]:
    """By each doubt its correlation with the loss and the area under risk; then its mean."""
    found: list[Estimate] = []
    means: list[Estimate] = []
    for doubt, convention in DOUBTS.items():
        known = one.known(doubt)
        values, loss = one.doubts[doubt][known], one.loss[known]
        clusters = clusters_at(one.evidence, one.rows[known])
        related = correlation(values, loss, clusters, settings)
        if related.value is None and known.size:
            same = "Dice" if (loss == loss[0]).all() else "doubt"
            related = undefined("", f"Not estimated: every case has the same {same}.", n=known.size)
        found += [
            related.renamed(
                f"loss_correlation:{doubt}",
                convention=f"Pearson over cases, of {_LOSS} and {convention}",
            ),
            loss_area(-values, loss, clusters, settings).renamed(
                f"loss_aurc:{doubt}", convention=f"risk: {_LOSS}; least first: {convention}"
            ),
        ]
        mean = case_mean(
            f"mask_doubt:{doubt}", values, clusters, settings, convention=f"mean of {convention}"
        )
        means.append(mean.in_unit("bits") if convention.endswith("bits") else mean)
    return [*found, *means]


def _wording(one: Doubted, related: Estimate) -> Wording:
    """What is said of the correlation of disagreement with the loss."""
    clusters = clusters_at(one.evidence, one.rows)
    found = related.value or 0.0
    rises = "more" if found > 0 else "no more"
    measured = (
        f"Measured on {words.cases(one.rows.size)}{in_clusters(clusters)}, with "
        f"{one.answers_words}; correlated is {_LOSS}."
    )
    listed = (
        f"Listed: {words.cases(one.sure.size)} of the worse quarter of its masks, of which it is "
        "surer than of half of all."
    )
    return Wording(
        f"Where the masks of {one.name} overlap the reference less, its samples disagree {rises}: "
        f"the two correlate by {words.decimal(found)}.",
        why=" ".join(part for part in (measured, _left_out(one), listed) if part),
        cases=one.ids(one.sure),
        action="Do not rely on its uncertainty to find bad masks: look at the listed cases.",
    )


def _left_out(one: Doubted) -> str:
    """Doubts that are undefined in some cases, in words."""
    n = one.rows.size - min(one.known(doubt).size for doubt in DOUBTS)
    if not n:
        return ""
    return (
        f"In {words.cases(n)} no sample, or not their mean, marks anything: what is asked of "
        "volume and structure is undefined there and left out."
    )
