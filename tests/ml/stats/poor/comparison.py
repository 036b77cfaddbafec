"""Calls of the comparisons of methods on the same cases."""

import numpy as np

from ml.stats.comparison import p_adjust, paired, ranking, signed_rank
from tests.ml.stats.poor.rows import FEW, cohort


def _clustered(measure):
    return lambda rows: measure(rows.a, rows.b, rows.clusters, FEW)


def _plain(measure, *arguments, **options):
    return lambda rows: measure(rows.a, rows.b, *arguments, **options)


def _adjusted(method):
    def call(rows):
        found = p_adjust.p_adjust(rows.probabilities, method)
        return np.sort(found).tolist()

    return call


CLUSTERED = {
    "cohens_dz": _clustered(paired.cohens_dz),
    "permutation_test": _clustered(paired.permutation_test),
    "rank_stability": lambda rows: ranking.rank_stability(rows.numbers, rows.clusters, FEW),
    "rank_stability_of_errors": lambda rows: ranking.rank_stability(
        rows.numbers, rows.clusters, FEW, higher_is_better=False
    ),
}
# Shares of replicates are values here.
SIMULATED = {"rank_stability", "rank_stability_of_errors", "permutation_test"}
IN_UNITS = {"tost"}  # its margin is in the unit of the numbers
OTHERS = {
    "paired_t": _plain(paired.paired_t),
    "tost": _plain(paired.tost, 0.5),
    "friedman": lambda rows: ranking.friedman(rows.numbers),
    "wilcoxon": _plain(signed_rank.wilcoxon_signed_rank),
    "wilcoxon_pratt_exact": _plain(signed_rank.wilcoxon_signed_rank, zeros="pratt", method="exact"),
    "wilcoxon_normal": _plain(signed_rank.wilcoxon_signed_rank, method="normal", continuity=False),
    "hodges_lehmann": _plain(signed_rank.hodges_lehmann),
    "hodges_lehmann_dropped": _plain(signed_rank.hodges_lehmann, zeros="dropped"),
    "sign_test": _plain(signed_rank.sign_test),
    **{f"p_adjust_{method}": _adjusted(method) for method in p_adjust.METHODS},
}

_SOUND = cohort()
NUMBERS = {
    "paired_t": (lambda **n: paired.paired_t(_SOUND.a, _SOUND.b, **n), {"level": 0.95}),
    "tost": (
        lambda **n: paired.tost(_SOUND.a, _SOUND.b, **n), {"margin": 0.5, "alpha": 0.05},
    ),
    "hodges_lehmann": (
        lambda **n: signed_rank.hodges_lehmann(_SOUND.a, _SOUND.b, **n), {"level": 0.95},
    ),
    "sign_test": (
        lambda **n: signed_rank.sign_test(_SOUND.a, _SOUND.b, **n), {"level": 0.95},
    ),
}  # fmt: skip
NOT_MEASURES = {"differences": "a step of the tests, which they refuse through"}
