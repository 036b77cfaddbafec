"""Corruptions that any picture can suffer. Intensities are from 0 to 1, sizes are in pixels."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ml.corruptions.grid import averaged
from ml.corruptions.registry import Corruption, FloatArray
from ml.imaging.preprocess import interpolate

_DEGREE = 3  # of the polynomial of a bias field


def gaussian_noise(picture: FloatArray, sd: float, numbers: np.random.Generator) -> FloatArray:
    """Independent normal noise in every pixel and channel."""
    return picture + sd * numbers.standard_normal(picture.shape)


def rician_noise(picture: FloatArray, sd: float, numbers: np.random.Generator) -> FloatArray:
    """The magnitude of a signal with normal noise in both its parts, as MR pictures have it.

    Source:
        Gudbjartsson, Patz (1995), Magn Reson Med 34(6), 910-914.
    """
    real, imaginary = sd * numbers.standard_normal((2, *picture.shape))
    return np.asarray(np.hypot(picture + real, imaginary))


def bias_field(picture: FloatArray, ratio: float, numbers: np.random.Generator) -> FloatArray:
    """A smooth gain over the picture: the exponential of a polynomial of the third degree.

    ``ratio`` is the largest gain over the smallest; their geometric mean is 1.
    """
    height, width, _ = picture.shape
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    weights = numbers.uniform(-1, 1, (_DEGREE + 1, _DEGREE + 1))
    field = sum(
        weights[a, b] * _legendre(a, y) * _legendre(b, x)
        for a in range(_DEGREE + 1)
        for b in range(_DEGREE + 1 - a)
    )
    field = np.broadcast_to(field, (height, width))
    span = float(np.ptp(field)) or 1.0
    exponent = (field - (field.max() + field.min()) / 2) * (np.log(ratio) / span)
    return np.asarray(picture * np.exp(exponent)[:, :, None])


def _legendre(degree: int, at: FloatArray) -> FloatArray:
    return np.asarray(np.polynomial.Legendre.basis(degree)(at))


def gamma(picture: FloatArray, exponent: float, numbers: np.random.Generator) -> FloatArray:
    """Every intensity to a power: above 1 the picture darkens, black and white stay.

    What resizing took below black is black: it has no power.
    """
    del numbers
    return picture.clip(0) ** exponent


def gaussian_blur(picture: FloatArray, sd: float, numbers: np.random.Generator) -> FloatArray:
    """A Gaussian kernel along both sides; beyond the border the picture is mirrored."""
    del numbers
    if sd == 0:
        return picture
    for axis in (0, 1):
        picture = gaussian_filter1d(picture, sd, axis=axis, mode="reflect")
    return picture


def low_resolution(picture: FloatArray, factor: float, numbers: np.random.Generator) -> FloatArray:
    """Fewer, larger pixels, each the mean of what it covers, then linear interpolation back."""
    del numbers
    height, width, _ = picture.shape
    small = (max(1, round(height / factor)), max(1, round(width / factor)))
    fewer = averaged(averaged(picture, small[0], 0), small[1], 1)
    return interpolate(fewer, (height, width), "bilinear")


CORRUPTIONS = (
    Corruption("gaussian-noise", "Gaussian noise",
               "standard deviation, as a share of the intensity range",
               (0.02, 0.04, 0.08, 0.12, 0.18), 0.0, gaussian_noise,
               formula="x + sd n; n standard normal, in every pixel and channel"),
    Corruption("rician-noise", "Rician noise",
               "standard deviation of each part of the signal, as a share of the intensity range",
               (0.02, 0.04, 0.08, 0.12, 0.18), 0.0, rician_noise,
               formula="|x + sd (n1 + i n2)|",
               source="Gudbjartsson, Patz (1995), Magn Reson Med 34(6), 910-914"),
    Corruption("bias-field", "Bias field", "largest gain over the smallest",
               (1.25, 1.5, 2.0, 3.0, 4.5), 1.0, bias_field,
               formula="x exp(g); g a Legendre polynomial of degree 3, of range ln(ratio)"),
    Corruption("gamma", "Gamma", "exponent", (1.2, 1.4, 1.7, 2.1, 2.6), 1.0, gamma,
               formula="x to the power of the exponent"),
    Corruption("gaussian-blur", "Gaussian blur", "standard deviation in pixels of the input",
               (0.5, 1.0, 1.5, 2.5, 4.0), 0.0, gaussian_blur,
               formula="x convolved with a Gaussian, mirrored at the border"),
    Corruption("low-resolution", "Low resolution", "factor on the size of a pixel",
               (1.5, 2.0, 3.0, 4.0, 6.0), 1.0, low_resolution,
               formula="means over larger pixels, then linear interpolation back"),
)  # fmt: skip
