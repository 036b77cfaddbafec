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
    Readers,
)
from benchmarks.coverage.simulating import Scenario
from ml.estimate import Estimate
from ml.stats.agreement.kappa import kappa_conger, kappa_fleiss, pairwise_kappa
from ml.stats.agreement.krippendorff import alpha
from ml.stats.agreement.weights import agreement_weights
from ml.stats.bootstrap import Clusters, Settings
from ml.stats.calibration.calibration_error import ece_debiased
from ml.stats.discrimination.auroc import auroc
from ml.stats.proportion import proportion

DRAWS = Settings(draws=1000)
BOOTSTRAP_RUNS = 2000


def all_scenarios() -> list[Scenario]:
    return [*_auroc(), *_agreement(), *_calibration(), *_clustered()]


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
            lambda ratings, k: pairwise_kappa(ratings, k, "identity", settings=DRAWS).mean, 2,
        ),
        _Agreement(
            "cohen-quadratic", "Cohen's kappa, quadratic weights", quadratic,
            lambda ratings, k: pairwise_kappa(ratings, k, "quadratic", settings=DRAWS).mean, 2,
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
            BOOTSTRAP_RUNS,
        )
        for kind in kinds
        for population in (Readers((0.5, 0.3, 0.2), 0.75, 2, 0),)
        for cases in (30, 300)
    ]


def _calibration() -> list[Scenario]:
    def estimate(population: Calibrated, rng: np.random.Generator) -> Estimate:
        return ece_debiased(*population.draw(rng), settings=DRAWS)

    return [
        Scenario(
            f"ece-debiased-{cases}",
            "ECE, debiased, under perfect calibration",
            f"{cases} cases, P ~ Beta({a:g}, {b:g}), 15 bins",
            0.0,
            partial(estimate, Calibrated(a, b, cases)),
            BOOTSTRAP_RUNS,
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

    of_areas = [
        Scenario(
            f"auroc-clustered-{truth:g}-{patients}x{images}",
            "AUROC, images of patients",
            f"true AUROC {truth:g}, {patients} patients with {images} images each, "
            f"{shared:.0%} of the spread shared".replace("%", " %"),
            truth,
            partial(area, ClusteredBinormal(truth, patients, images, shared)),
            BOOTSTRAP_RUNS,
        )
        for truth in (0.8, 0.9)
        for patients, images, shared in ((60, 5, 0.5), (200, 5, 0.5))
    ]
    of_shares = [
        Scenario(
            f"share-clustered-{truth:g}-{patients}x{images}",
            "Share of cases, images of patients",
            f"true share {truth:g}, {patients} patients with {images} images each, intraclass "
            f"correlation {correlation:g}",
            truth,
            partial(share, ClusteredCalls(truth, patients, images, correlation)),
        )
        for truth in (0.8, 0.95)
        for patients, images, correlation in ((60, 5, 0.3), (200, 5, 0.3))
    ]
    return [*of_areas, *of_shares]
