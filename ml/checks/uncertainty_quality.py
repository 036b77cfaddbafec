"""Is it unsure where images are noisy or blurred?"""

import numpy as np

from ml.checks import words
from ml.checks.judge import Wording
from ml.checks.sampled import Sampled
from ml.checks.scored import in_clusters
from ml.checks.uncertainty_related import Related, goes_with, related, unrelated
from ml.estimate import Estimate
from ml.evidence.tables import Evidence, FloatArray
from ml.stats.arrays import ratio
from ml.stats.bootstrap import Settings

NOISE, BLUR = "noise_correlation", "blur_correlation"
# What stands for each, as the pass over the images measures it. Texture counts as noise, and noise
# hides blur: neither is measured against a clean picture of the same patient.
_MEANS = {
    NOISE: "deviation of pixels from the mean of their 3 x 3 neighbours",
    BLUR: "root mean square of differences between neighbours over that deviation",
}
_MORE = {NOISE: "grainier", BLUR: "smoother"}
_NOT_MEASURED = (
    "Whether its uncertainty goes with noise or blur is not assessed: no image was measured. A "
    "protocol that names handcrafted-baseline has the images of a cohort measured."
)


def quality_part(evidence: Evidence, sampled: Sampled, settings: Settings) -> Related:
    """Rank correlation of each kind of uncertainty with noise and with blur of the images."""
    beside = _quality(evidence, sampled)
    if beside is None:
        noise, blur = (unrelated(name, _NOT_MEASURED) for name in (NOISE, BLUR))
        return Related([*noise.estimates, *blur.estimates], noise.wordings)
    estimates, wordings = [], {}
    for name, values in beside.items():
        found = related(name, values, sampled, settings, f"with the {_MEANS[name]}")
        estimates += found
        wordings[found[0].id] = _wording(name, found, sampled, values)
    return Related(estimates, wordings)


def _quality(evidence: Evidence, sampled: Sampled) -> dict[str, FloatArray] | None:
    """Noise and blur of the sampled cases, (n,) each; NaN where an image was not measured."""
    described = evidence.described
    if described is None:
        return None
    detail, edges = (
        described.numbers[sampled.rows, described.names.index(name)]
        for name in ("fine detail", "edge strength")
    )
    if not np.isfinite(detail).any():
        return None
    return {NOISE: detail, BLUR: ratio(edges, detail)}


def _wording(name: str, found: list[Estimate], sampled: Sampled, values: FloatArray) -> Wording:
    total, aleatoric, epistemic = found
    rows = np.flatnonzero(np.isfinite(values))
    used = f"{words.cases(rows.size)}{in_clusters(sampled.clusters.where(rows))}"
    return Wording(
        f"In {_MORE[name]} images its total uncertainty {goes_with(total)}: rank correlation "
        f"{words.decimal(total.value or 0.0)}.",
        why=f"Aleatoric {words.measured(aleatoric)}, epistemic {words.measured(epistemic)}. "
        f"Measured on {used}, by the {_MEANS[name]}.",
    )
