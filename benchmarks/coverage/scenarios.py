"""The scenarios whose coverage is written down; the order is that of the table."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from benchmarks.coverage.populations import (
    Binormal,
    Calibrated,
    ClusteredBinormal,
    ClusteredCalls,
    ClusteredPairs,
    ClusteredScores,
    Readers,
)
from benchmarks.coverage.simulating import Scenario
from ml.estimate import Estimate
from ml.stats.agreement.bland_altman import bland_altman
from ml.stats.agreement.chance_corrected import chance_corrected
from ml.stats.agreement.cohen import cohen_kappa_of_ratings
from ml.stats.agreement.concordance import overall_ccc
from ml.stats.agreement.icc import FORMS, icc
from ml.stats.agreement.kappa import kappa_conger, kappa_fleiss
from ml.stats.agreement.krippendorff import alpha
from ml.stats.agreement.weights import agreement_weights
from ml.stats.bootstrap import Settings
from ml.stats.calibration.calibration_error import ece_debiased
from ml.stats.clusters import Clusters
from ml.stats.discrimination.auroc import auroc
from ml.stats.mrmc.obuchowski_rockette import obuchowski_rockette
from ml.stats.mrmc.simulate import simulate as simulate_study
from ml.stats.mrmc.simulate import structure
from ml.stats.proportion import proportion
from ml.stats.segmentation.readers import pairwise_mean

DRAWS = Settings(draws=1000)
BOOTSTRAP_RUNS = 2000
# Reasons are shown only where the coverage lies outside.
_FEW_CASES = (
    "Thirty cases: the spread of a coefficient is estimated from few cases and is skewed, and "
    "neither the large-sample standard error nor the percentiles of a bootstrap make up for it. "
    "The rows with 100 and 300 cases show how it goes away."
)
_FEW_BINS = (
    "Most probabilities of this population lie in the lowest bins, so that few bins carry the "
    "sum: with 250 cases it is more skewed than the normal distribution its limits come from."
)
_FEW_PATIENTS = (
    "Sixty patients or fewer: few of them hold what the variance rests on, cases out of order or "
    "answered wrongly, and the limits take it as known. The rows with 200 patients show how it "
    "goes away."
)
_ON_THE_SAFE_SIDE = (
    "The method adds the squared distances to the ends of both components of variance, which "
    "with few patients is a little more than is needed."
)
_FEW_CLUSTERS = (
    "Twenty units or fewer: the jackknife's standard error rests on few units and moves with the "
    "estimate. The rows with more units show how it goes away."
)
_FEW_MISSES = (
    "An AUROC this high with 20 cases that have the finding: most samples have one or two cases "
    "out of order, so that the variance itself rests on these. The rows with ten times the cases "
    "show how it goes away."
)


def all_scenarios() -> list[Scenario]:
    return [
        *_auroc(), *_agreement(), *_numeric_agreement(), *_calibration(), *_clustered(),
        *_reader_studies(),
    ]  # fmt: skip


def _auroc() -> list[Scenario]:
    def estimate(population: Binormal, rng: np.random.Generator) -> Estimate:
        return auroc(*population.draw(rng))

    return [
        Scenario(
            f"auroc-{area:g}-{present}+{absent}",
            "AUROC",
            f"true AUROC {area:g}, {present} with and {absent} without the finding, binormal",
            area,
            partial(estimate, Binormal(area, present, absent)),
            reason=_FEW_MISSES if area >= 0.95 and present == 20 else "",
        )
        for present, absent in ((20, 80), (200, 800))
        for area in (0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
    ]


@dataclass(frozen=True)
class _Agreement:
    name: str
    words: str
    truth: Callable[[Readers], float]
    measure: Callable[[np.ndarray[tuple[int, ...], np.dtype[np.float64]], int], Estimate]
    readers: int


def _agreement() -> list[Scenario]:
    def unweighted(population: Readers) -> float:
        return population.kappa(np.eye(len(population.prevalence)))

    def quadratic(population: Readers) -> float:
        return population.kappa(agreement_weights(len(population.prevalence), "quadratic").table)

    kinds = (
        _Agreement(
            "cohen", "Cohen's kappa", unweighted,
            lambda ratings, k: cohen_kappa_of_ratings(ratings, k, "identity").kappa, 2,
        ),
        _Agreement(
            "cohen-quadratic", "Cohen's kappa, quadratic weights", quadratic,
            lambda ratings, k: cohen_kappa_of_ratings(ratings, k, "quadratic").kappa, 2,
        ),
        _Agreement(
            "ac1", "Gwet's AC1", Readers.gwet,
            lambda ratings, k: chance_corrected(ratings, "gwet_ac", k), 4,
        ),
        _Agreement(
            "fleiss", "Fleiss' kappa", unweighted,
            lambda ratings, k: kappa_fleiss(ratings, k, settings=DRAWS), 4,
        ),
        _Agreement(
            "conger", "Conger's kappa", unweighted,
            lambda ratings, k: kappa_conger(ratings, k, settings=DRAWS), 4,
        ),
        _Agreement(
            "alpha-nominal", "Krippendorff's alpha, nominal", unweighted,
            lambda ratings, k: alpha(ratings, "nominal", settings=DRAWS, categories=k), 4,
        ),
        _Agreement(
            "alpha-ordinal", "Krippendorff's alpha, ordinal", Readers.ordinal_alpha,
            lambda ratings, k: alpha(ratings, "ordinal", settings=DRAWS, categories=k), 4,
        ),
    )  # fmt: skip

    def estimate(kind: _Agreement, population: Readers, rng: np.random.Generator) -> Estimate:
        return kind.measure(population.draw(rng), len(population.prevalence))

    return [
        Scenario(
            f"{kind.name}-{cases}",
            kind.words,
            f"{cases} cases, {kind.readers} readers, {len(population.prevalence)} answers, "
            f"each right in {population.right:.0%}".replace("%", " %"),
            kind.truth(own := replace(population, readers=kind.readers, cases=cases)),
            partial(estimate, kind, own),
            reason=_FEW_CASES if cases == 30 else "",
        )
        for kind in kinds
        for population in (Readers((0.5, 0.3, 0.2), 0.75, 2, 0),)
        for cases in (30, 100, 300)
    ]


def _numeric_agreement() -> list[Scenario]:
    """Of patients with several cases: limits of agreement, intraclass correlation, concordance."""

    def limit(population: ClusteredScores, rng: np.random.Generator) -> Estimate:
        # Differences of variance 1, handed in as numbers beside zeros.
        scores, patient = population.draw(rng)
        clusters = Clusters.of(patient, "patient")
        # Draws are for the correlation alone, which is not looked at.
        without = Settings(draws=0)
        return bland_altman(scores[:, 0], np.zeros(patient.size), clusters, without).upper

    def correlation(form: str, population: ClusteredScores, rng: np.random.Generator) -> Estimate:
        scores, patient = population.draw(rng)
        return icc(scores, form, Clusters.of(patient, "patient"))

    def concordance(population: ClusteredScores, rng: np.random.Generator) -> Estimate:
        return overall_ccc(population.draw(rng)[0])

    limits = [
        Scenario(
            f"limit-of-agreement-{patients}x3-{shared:g}",
            "Limit of agreement, cases of patients",
            f"{patients} patients with 3 differences each, {shared:.0%} of their variance "
            "shared".replace("%", " %"),
            1.96,
            partial(limit, ClusteredScores(patients, 3, 1, shared, 0.0)),
            reason=_ON_THE_SAFE_SIDE if patients < 60 else "",
        )
        for patients in (12, 20, 60)
        for shared in (0.2, 0.5, 0.8)
    ]
    correlations = [
        Scenario(
            f"icc-{form}-{patients}x{cases}",
            f"{FORMS[form].shrout_fleiss}, cases of patients",
            f"{patients} patients with {cases} cases each, {readers} readers, 40 % of the variance "
            "between patients and 30 % between their cases",
            0.7,
            partial(correlation, form, ClusteredScores(patients, cases, readers, 0.4, 0.3)),
            reason=_FEW_CLUSTERS if patients < 60 else "",
        )
        for form, readers in (
            ("one-way:1", 2), ("random:agreement:1", 3), ("mixed:consistency:1", 2),
        )
        for patients, cases in ((12, 4), (20, 4), (60, 4))
    ]  # fmt: skip
    concordances = [
        Scenario(
            f"ccc-overall-{cases}", "Overall concordance correlation",
            f"{cases} cases, 3 readers, 70 % of the variance between cases", 0.7,
            partial(concordance, ClusteredScores(cases, 1, 3, 0.7, 0.0)),
            reason=_FEW_CLUSTERS if cases == 20 else "",
        )
        for cases in (20, 50, 200)
    ]  # fmt: skip
    return [*limits, *correlations, *concordances]


def _calibration() -> list[Scenario]:
    def estimate(population: Calibrated, rng: np.random.Generator) -> Estimate:
        return ece_debiased(*population.draw(rng), settings=DRAWS)

    return [
        Scenario(
            f"ece-debiased-beta-{a:g}-{b:g}-{cases}",
            "ECE, debiased, under perfect calibration",
            f"{cases} cases, P ~ Beta({a:g}, {b:g}), 15 bins",
            0.0,
            partial(estimate, Calibrated(a, b, cases)),
            reason=_FEW_BINS if a < 1 and cases == 250 else "",
        )
        for a, b in ((2.0, 3.0), (0.5, 1.5))
        for cases in (250, 1000, 5000)
    ]


def _clustered() -> list[Scenario]:
    def area(population: ClusteredBinormal, rng: np.random.Generator) -> Estimate:
        scores, present, patient = population.draw(rng)
        return auroc(scores, present, Clusters.of(patient, "patient"), DRAWS)

    def share(population: ClusteredCalls, rng: np.random.Generator) -> Estimate:
        right, patient = population.draw(rng)
        return proportion("share", right, Clusters.of(patient, "patient"))

    def overlap(population: ClusteredPairs, rng: np.random.Generator) -> Estimate:
        pairs, patient = population.draw(rng)
        return pairwise_mean(pairs, Clusters.of(patient, "patient"), DRAWS)

    of_areas = [
        Scenario(
            f"auroc-clustered-{truth:g}-{patients}x{images}",
            "AUROC, images of patients",
            f"true AUROC {truth:g}, {patients} patients with {images} images each, "
            f"{shared:.0%} of the spread shared".replace("%", " %"),
            truth,
            partial(area, ClusteredBinormal(truth, patients, images, shared)),
            BOOTSTRAP_RUNS,
            _FEW_PATIENTS if patients < 200 else "",
        )
        for truth in (0.8, 0.9, 0.97)
        for patients, images, shared in ((20, 5, 0.5), (60, 5, 0.5), (200, 5, 0.5))
    ]
    of_shares = [
        Scenario(
            f"share-clustered-{truth:g}-{patients}x{images}",
            "Share of cases, images of patients",
            f"true share {truth:g}, {patients} patients with {images} images each, intraclass "
            f"correlation {correlation:g}",
            truth,
            partial(share, ClusteredCalls(truth, patients, images, correlation)),
            reason=_FEW_PATIENTS if patients == 60 else "",
        )
        for truth in (0.8, 0.95)
        for patients, images, correlation in ((60, 5, 0.3), (200, 5, 0.3))
    ]
    of_overlaps = [
        Scenario(
            f"pairwise-dice-clustered-{truth:g}-{patients}x{images}",
            "Dice of two readers, images of patients",
            f"true mean {truth:g}, {patients} patients with {images} images each, two to four "
            f"readers, intraclass correlation of pairs {correlation:g}",
            truth,
            partial(overlap, ClusteredPairs(truth, patients, images, correlation)),
            BOOTSTRAP_RUNS,
            _FEW_PATIENTS if patients == 60 else "",
        )
        for truth in (0.8,)
        for patients, images, correlation in ((60, 3, 0.1), (200, 3, 0.1))
    ]
    return [*of_areas, *of_shares, *of_overlaps]


def _reader_studies() -> list[Scenario]:
    """Roe and Metz's structures with two modalities that are alike: the difference is 0."""

    def difference(
        name: str, auc: float, readers: int, cases: tuple[int, int], rng: np.random.Generator
    ) -> Estimate:
        seed = int(rng.integers(2**62))
        study = simulate_study(structure(name, auc), readers, *cases, seed)
        return obuchowski_rockette(study).differences[0]

    return [
        Scenario(
            f"mrmc-{name}-{auc:g}-{readers}x{sum(cases)}",
            "Difference of AUROC of two modalities, random readers and cases",
            f"Roe-Metz {name}, median AUROC {auc:g}, {readers} readers, {cases[0]} cases with and "
            f"{cases[1]} without the finding",
            0.0,
            partial(difference, name, auc, readers, cases),
            BOOTSTRAP_RUNS,
        )
        for readers, cases in ((5, (50, 50)), (10, (50, 50)))
        for auc in (0.702, 0.855, 0.962)
        for name in ("HL", "LH")
    ]
