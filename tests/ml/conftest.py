"""What tests of the measuring part share."""

import numpy as np
import pytest
from hypothesis import settings

# A busy machine is no fault of a measure; the same examples everywhere make a failure repeatable.
settings.register_profile("measuring", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("measuring")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261123)
