"""Reader studies against leaving every case out in a loop."""

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.measuring import Result, alternated
from ml.stats.mrmc.covariance import covariance_of
from ml.stats.mrmc.figures import auc_figures
from ml.stats.mrmc.obuchowski_rockette import obuchowski_rockette
from ml.stats.mrmc.study import MrmcStudy

SAMPLED = 40  # removals of each reading that the peer makes; all would take minutes


def run() -> list[Result]:
    return [
        jackknife(2, 5, 5000, "Obuchowski-Rockette jackknife", whole=False),
        jackknife(2, 10, 2000, "Obuchowski-Rockette RRRC", whole=True),
    ]


def drawn(modalities: int, readers: int, cases: int) -> MrmcStudy:
    rng = np.random.default_rng(20261123)
    truth = np.arange(cases) % 2
    labels = [tuple(str(at) for at in range(n)) for n in (modalities, readers, cases)]
    scores = rng.normal(size=(modalities, readers, cases)) + 1.5 * truth
    return MrmcStudy(scores, truth == 1, labels[0], labels[1], labels[2])


def jackknife(modalities: int, readers: int, cases: int, name: str, *, whole: bool) -> Result:
    study = drawn(modalities, readers, cases)
    removed = np.random.default_rng(1).choice(cases, SAMPLED, replace=False)

    def peer() -> np.ndarray:
        found = np.empty((modalities, readers, SAMPLED))
        for i in range(modalities):
            for j in range(readers):
                for at, case in enumerate(removed):
                    scores = np.delete(study.scores[i, j], case)
                    found[i, j, at] = roc_auc_score(np.delete(study.present, case), scores)
        return found

    def ours() -> object:
        return obuchowski_rockette(study) if whole else covariance_of(auc_figures(study))

    agree = np.allclose(auc_figures(study).left_out[:, :, removed], peer(), rtol=0, atol=1e-12)
    own, sampled = alternated(ours, peer, runs=5)
    scaled = sampled * cases / SAMPLED
    return Result(
        name=f"statistics: {name}",
        ours=own,
        peer=scaled,
        peer_name="scikit-learn, each case left out",
        ratio=scaled / own,
        goal=10_000,
        unit="s",
        n=f"{modalities} x {readers} x {cases:,} cases; peer timed on {SAMPLED} removals of "
        f"{cases:,} per reading and scaled",
        agree=bool(agree),
    )
