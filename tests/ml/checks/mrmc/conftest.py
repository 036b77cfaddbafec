import numpy as np
import pytest

from tests.ml.checks.mrmc.studies import simulated


@pytest.fixture(scope="module")
def study():
    return simulated()


@pytest.fixture(scope="module")
def alone(study):
    return study.part(modalities=[0])


@pytest.fixture(scope="module")
def scores(study):
    rng = np.random.default_rng(8)
    latent = rng.normal(size=len(study.cases)) + 1.6 * study.present
    return 1 / (1 + np.exp(-latent))
