"""What takes the place of positions that are taken away from a picture."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ml.drawn import drawn
from ml.evidence.orders import BLUR, LINEAR, MEAN
from ml.imaging.linear_fill import linear_fill
from ml.stats.arrays import FloatArray

_BLUR = 0.05  # standard deviation, as a share of the shorter side
_NOISE = 0.01  # of a channel's standard deviation; pictures of Rong et al. have one of 1


def mean_baseline(picture: FloatArray) -> FloatArray:
    """Every channel's mean over the picture. (height, width, channels) like the picture."""
    return np.broadcast_to(picture.mean(axis=(0, 1)), picture.shape)


def blur_baseline(picture: FloatArray) -> FloatArray:
    """The picture through a Gaussian of 5 % of its shorter side, mirrored beyond the border."""
    sd = _BLUR * min(picture.shape[:2])
    return np.asarray(gaussian_filter(picture, (sd, sd, 0), mode="reflect"))


# What is left where all is gone; a linear filling has nothing to fill from then.
BASELINES: dict[str, Callable[[FloatArray], FloatArray]] = {
    MEAN: mean_baseline,
    BLUR: blur_baseline,
    LINEAR: mean_baseline,
}


def noise_of(picture: FloatArray, seed: int, case_id: str) -> FloatArray:
    """What is added to a linear filling: 1 % of each channel's standard deviation, Gaussian.

    One field for all orders and steps of a case, so that these differ in their holes alone.

    Returns:
        (height, width, channels), in the picture's units.

    Example:
        >>> noise_of(np.ones((2, 2, 1)), 1, "a").any()
        np.False_

    Source:
        Rong et al. (2022), ICML, section 4.2.
    """
    drawing = drawn("noisy linear", seed, case_id).standard_normal(picture.shape)
    return np.asarray(_NOISE * picture.std(axis=(0, 1)) * drawing)


def taken_away(picture: FloatArray, baseline: FloatArray, gone: NDArray[np.bool_]) -> FloatArray:
    """A picture whose positions that are gone are the baseline's.

    Args:
        picture, baseline: (height, width, channels).
        gone: (height, width).

    Example:
        >>> one, none = np.ones((1, 4, 1)), np.zeros((1, 4, 1))
        >>> taken_away(one, none, np.array([[0, 0, 1, 1]], bool)).ravel().tolist()
        [1.0, 1.0, 0.0, 0.0]
    """
    return np.where(gone[..., None], baseline, picture)


def filled_in(picture: FloatArray, gone: NDArray[np.bool_], seed: int, case_id: str) -> FloatArray:
    """A picture whose positions that are gone are filled linearly, with a little noise on them.

    Args:
        picture: (height, width, channels).
        gone: (height, width), not all of it.

    Raises:
        ValueError: where all is gone.
    """
    return taken_away(picture, linear_fill(picture, gone) + noise_of(picture, seed, case_id), gone)
