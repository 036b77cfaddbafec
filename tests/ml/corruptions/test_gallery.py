"""A row of pictures for pages."""

import numpy as np
import pytest

from ml.corruptions import corruption, gallery
from ml.zoo.pictures import drawn_picture


def test_the_clean_picture_and_five_severities():
    picture = drawn_picture("mr", 40, 32)
    shown = gallery(picture, "mr-spike", case="c7", seed=3)

    assert shown.shape == (6, 40, 32, 1)
    assert np.array_equal(shown[0], picture)
    for severity in range(1, 6):
        assert np.array_equal(shown[severity], corruption("mr-spike")(picture, severity, "c7", 3))
    assert np.array_equal(gallery(picture[:, :, 0], "mr-spike", case="c7", seed=3), shown[..., 0])


def test_what_is_no_picture_is_refused():
    with pytest.raises(LookupError, match="there is no corruption"):
        gallery(np.zeros((4, 4)), "fog")
    with pytest.raises(ValueError, match="height, width"):
        gallery(np.zeros(4), "gamma")
    for wrong in (1.5, -0.1, np.nan):
        with pytest.raises(ValueError, match="from 0 to 1"):
            gallery(np.full((4, 4), wrong), "gamma")
