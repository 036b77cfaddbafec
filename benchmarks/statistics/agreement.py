"""Agreement against its peers: the fast krippendorff package, and irrCAC."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.measuring import Result, Skipped, alternated, attempted
from ml.stats.agreement.chance_corrected import Coefficient, chance_corrected
from ml.stats.agreement.icc import icc
from ml.stats.agreement.krippendorff import Scale, alpha
from ml.stats.arrays import FloatArray
from ml.stats.bootstrap import Settings

N, READERS, CATEGORIES, DRAWS = 10_000, 5, 5, 2000
PEER_DRAWS = 20  # what the peer is timed on; its time is scaled to all draws
GOAL = 150
OF_PINGOUIN = {
    "ICC(1,1)": "one-way:1", "ICC(A,1)": "random:agreement:1", "ICC(C,1)": "mixed:consistency:1",
    "ICC(1,k)": "one-way:k", "ICC(A,k)": "random:agreement:k", "ICC(C,k)": "mixed:consistency:k",
}  # fmt: skip
TOLERANCE = 0.003  # of interval ends: the peer's are of few draws, taken from their spread


def run() -> Iterator[Result | Skipped]:
    return attempted(
        partial(alpha_bootstrap, "nominal"),
        partial(alpha_bootstrap, "ordinal"),
        partial(coefficient_bootstrap, "fleiss"),
        partial(coefficient_bootstrap, "gwet_ac"),
        icc_forms,
    )


def _ratings() -> FloatArray:
    rng = np.random.default_rng(20261123)
    truth = rng.integers(0, CATEGORIES, N)
    answers = rng.integers(0, CATEGORIES, (N, READERS))
    return np.where(rng.random((N, READERS)) < 0.7, truth[:, None], answers).astype(np.float64)


def alpha_bootstrap(scale: Scale) -> Result:
    """Krippendorff's alpha with its bootstrap interval."""
    import krippendorff

    ratings, settings = _ratings(), Settings(draws=DRAWS)
    counts = np.stack([(ratings == code).sum(axis=1) for code in range(CATEGORIES)], axis=1)
    rng = np.random.default_rng(1)

    def once(chosen: FloatArray) -> float:
        level: Any = scale  # the peer's own type leaves out what its function never takes
        return float(krippendorff.alpha(value_counts=chosen, level_of_measurement=level))

    def peer() -> FloatArray:
        return np.array([once(counts[rng.integers(0, N, N)]) for _ in range(PEER_DRAWS)])

    own = alpha(ratings, scale, settings=settings, categories=CATEGORIES)
    agree = own.value is not None and abs(own.value - once(counts)) < 1e-9
    return _result(
        f"statistics: alpha, {scale}, bootstrap", "krippendorff in a loop",
        lambda: alpha(ratings, scale, settings=settings, categories=CATEGORIES), peer,
        agree and _spreads_agree(own.low, own.high, peer()),
    )  # fmt: skip


def coefficient_bootstrap(coefficient: Coefficient) -> Result:
    """Fleiss' kappa or Gwet's AC1 with its bootstrap interval."""
    import pandas
    from irrCAC.raw import CAC

    ratings, settings = _ratings(), Settings(draws=DRAWS)
    rng = np.random.default_rng(1)

    def once(chosen: FloatArray) -> float:
        table = CAC(pandas.DataFrame(chosen), categories=list(range(CATEGORIES)), digits=12)
        found = table.fleiss() if coefficient == "fleiss" else table.gwet()
        return float(found["est"]["coefficient_value"])

    def peer() -> FloatArray:
        return np.array([once(ratings[rng.integers(0, N, N)]) for _ in range(PEER_DRAWS)])

    def ours() -> object:
        return chance_corrected(
            ratings, coefficient, CATEGORIES, settings=settings, interval="bootstrap"
        )

    own = chance_corrected(
        ratings, coefficient, CATEGORIES, settings=settings, interval="bootstrap"
    )
    agree = own.value is not None and abs(own.value - once(ratings)) < 1e-9
    return _result(
        f"statistics: {own.id}, bootstrap", "irrCAC in a loop", ours, peer,
        agree and _spreads_agree(own.low, own.high, peer()),
    )  # fmt: skip


def icc_forms() -> Result:
    """Six intraclass correlations of 2,000 cases and five readers, each with its interval."""
    import pandas
    import pingouin

    n = min(N, 2000)
    rng = np.random.default_rng(3)
    ratings = rng.normal(size=(n, 1)) + rng.normal(0, 0.7, (n, READERS))
    long = pandas.DataFrame({
        "case": np.repeat(np.arange(n), READERS), "reader": np.tile(np.arange(READERS), n),
        "score": ratings.ravel(),
    })  # fmt: skip

    def ours() -> dict[str, float | None]:
        return {form: icc(ratings, form).value for form in OF_PINGOUIN.values()}

    def peer() -> dict[str, float]:
        made = pingouin.intraclass_corr(long, "case", "reader", "score")
        return dict(zip(made["Type"], made["ICC"].astype(float), strict=True))

    own, theirs = ours(), peer()
    agree = all(abs((own[form] or 0.0) - theirs[name]) < 1e-6 for name, form in OF_PINGOUIN.items())
    seconds, peer_seconds = alternated(ours, peer, runs=3)
    return Result(
        name="statistics: six intraclass correlations", ours=seconds, peer=peer_seconds,
        peer_name="pingouin", ratio=peer_seconds / seconds, goal=5, unit="s", agree=agree,
        n=f"{n:,} cases, {READERS} readers, {len(OF_PINGOUIN)} forms",
    )  # fmt: skip


def _spreads_agree(low: float | None, high: float | None, drawn: FloatArray) -> bool:
    if low is None or high is None:
        return False
    middle, half = float(drawn.mean()), 1.96 * float(drawn.std(ddof=1))
    return abs(low - (middle - half)) < TOLERANCE and abs(high - (middle + half)) < TOLERANCE


def _result(
    name: str, peer_name: str, ours: Callable[[], object], peer: Callable[[], object], agree: bool
) -> Result:
    seconds, peer_seconds = alternated(ours, peer, runs=5)
    whole = peer_seconds * DRAWS / PEER_DRAWS
    return Result(
        name=name, ours=seconds, peer=whole, peer_name=peer_name, ratio=whole / seconds,
        goal=GOAL, unit="s", agree=agree,
        n=f"{N:,} cases, {READERS} readers, {CATEGORIES} answers, {DRAWS:,} draws "
        f"(peer timed on {PEER_DRAWS}, scaled)",
    )  # fmt: skip
