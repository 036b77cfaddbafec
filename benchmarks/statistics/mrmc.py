"""Reader studies against leaving every case out in a loop."""

import numpy as np
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from benchmarks.measuring import Result, alternated
from ml.stats.mrmc.covariance import covariance_of
from ml.stats.mrmc.figures import auc_figures
from ml.stats.mrmc.obuchowski_rockette import obuchowski_rockette
from ml.stats.mrmc.study import MrmcStudy

SAMPLED = 20  # removals of each reading that the peer makes; all would take minutes


def run() -> list[Result]:
    return [
        jackknife(2, 5, 5000, "Obuchowski-Rockette jackknife", library=True, goal=10_000),
        jackknife(2, 5, 5000, "Obuchowski-Rockette jackknife", library=False, goal=10_000),
        jackknife(2, 10, 2000, "Obuchowski-Rockette RRRC", library=True, goal=10_000),
    ]


def drawn(modalities: int, readers: int, cases: int) -> MrmcStudy:
    rng = np.random.default_rng(20261123)
    truth = np.arange(cases) % 2
    labels = [tuple(str(at) for at in range(n)) for n in (modalities, readers, cases)]
    scores = rng.normal(size=(modalities, readers, cases)) + 1.5 * truth
    return MrmcStudy(scores, truth == 1, labels[0], labels[1], labels[2])


def by_ranks(present: np.ndarray, scores: np.ndarray) -> float:
    """AUC by the rank sum, the quickest naive way."""
    m = int(present.sum())
    below = rankdata(scores)[present].sum() - m * (m + 1) / 2
    return float(below / (m * (present.size - m)))


def jackknife(
    modalities: int, readers: int, cases: int, name: str, *, library: bool, goal: float
) -> Result:
    study = drawn(modalities, readers, cases)
    removed = np.random.default_rng(1).choice(cases, SAMPLED, replace=False)
    auc = roc_auc_score if library else by_ranks

    def peer() -> np.ndarray:
        found = np.empty((modalities, readers, SAMPLED))
        for i in range(modalities):
            for j in range(readers):
                for at, case in enumerate(removed):
                    scores = np.delete(study.scores[i, j], case)
                    found[i, j, at] = auc(np.delete(study.present, case), scores)
        return found

    def ours() -> object:
        if name.endswith("RRRC"):
            return obuchowski_rockette(study)
        return covariance_of(auc_figures(study))

    agree = np.allclose(auc_figures(study).left_out[:, :, removed], peer(), rtol=0, atol=1e-12)
    own, sampled = alternated(ours, peer, runs=5)
    scaled = sampled * cases / SAMPLED
    return Result(
        name=f"statistics: {name}",
        ours=own,
        peer=scaled,
        peer_name=f"{'scikit-learn' if library else 'SciPy ranks'}, each case left out",
        ratio=scaled / own,
        goal=goal,
        unit="s",
        n=f"{modalities} x {readers} x {cases:,} cases; peer timed on {SAMPLED} removals of "
        f"{cases:,} per reading and scaled",
        agree=bool(agree),
    )
