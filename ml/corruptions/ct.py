"""Computed tomography: dose, kernel, metal, beam hardening, window, field of view.

A picture has lost its Hounsfield units when it gets here. What follows rays takes an intensity of 0
as air, 0.5 as water and 1 as twice water (a range of 2000 HU); of a narrower window the same errors
are the same shares of the window. Slice thickness is of volumes (``ml.corruptions.space``).
"""

from functools import partial

import numpy as np

from ml.corruptions.grid import (
    centred,
    coloured_noise,
    filtered,
    radial,
    side,
    sign,
    smoothed,
)
from ml.corruptions.projections import (
    angles,
    backproject,
    from_grid,
    offsets,
    project,
    reconstruct,
    to_grid,
)
from ml.corruptions.registry import Corruption, FloatArray

WATER = 0.5  # its intensity
FULL_DOSE_SD = 0.01  # noise of the picture as it came, 20 HU of 2000
_SIDE_OF_WATER = 7.0  # attenuation exponent of a field of view full of water, about 35 cm
_MOST_EXPONENT = 8.0  # beyond it scanners smooth the rays: no more noise comes of them
_SHARP_FROM = 30.0  # cycles per side
_HARDENING = 0.1  # of the beam through metal, as the parameter of beam_hardening
_ROD, _APART = 0.04, 0.3  # width of a rod, and of the way between two, in sides


def quantum_noise(picture: FloatArray, dose: float, numbers: np.random.Generator) -> FloatArray:
    """The noise that a share of the dose adds, with the texture of filtered back-projection.

    Its power rises with frequency as a ramp and falls to nothing at the highest (Hann). It is
    largest where rays on average pass through most: the variance follows the mean over the
    directions of exp(attenuation). Streaks, which single starved rays leave, are not made.

    Source:
        Riederer, Pelc, Chesler (1978), Phys Med Biol 23(3), 446-454.
    """
    height, width, _ = picture.shape
    frequency = radial(height, width)
    hann = np.cos(np.pi * np.minimum(frequency, 0.5)) ** 2
    noise = coloured_noise(picture.shape, np.sqrt(frequency) * hann, numbers)
    added = FULL_DOSE_SD * np.sqrt(1 / dose - 1)
    return np.asarray(picture + added * _noisier(picture) * noise)


def _noisier(picture: FloatArray) -> FloatArray:
    """(height, width, 1) standard deviation over its mean square root."""
    through = project(to_grid(picture.clip(0, 1))) * (_SIDE_OF_WATER / WATER)
    weight = np.exp(through.clip(0, _MOST_EXPONENT))
    variance = from_grid(backproject(weight), picture)
    return np.asarray(np.sqrt(variance / variance.mean()))


def soft_kernel(picture: FloatArray, sd: float, numbers: np.random.Generator) -> FloatArray:
    """A reconstruction kernel that passes less of fine detail: a Gaussian."""
    del numbers
    return smoothed(picture, sd * side(picture))


def sharp_kernel(picture: FloatArray, boost: float, numbers: np.random.Generator) -> FloatArray:
    """A kernel that passes more of fine detail, with the noise that is in it."""
    del numbers
    frequency = radial(*picture.shape[:2]) * side(picture)
    return filtered(picture, 1 + boost * (1 - np.exp(-((frequency / _SHARP_FROM) ** 2))))


def beam_hardening(picture: FloatArray, lost: float, numbers: np.random.Generator) -> FloatArray:
    """Rays count for less the more they pass through: a cup, and dark bands between bones.

    A line integral p becomes p (1 - lost p / w), where w is that of water across the whole side.
    """
    del numbers
    through = project(to_grid(picture.clip(0)))
    return picture - from_grid(reconstruct(lost * through**2 / WATER), picture)


def metal(picture: FloatArray, dense: float, numbers: np.random.Generator) -> FloatArray:
    """Two rods, 4 % of the side wide and 30 % apart, that harden the beam.

    Source:
        Quantitative analysis of metal artifacts in X-ray tomography (2017), arXiv:1712.01974.
    """
    turn, (y, x) = numbers.uniform(0, np.pi), numbers.uniform(-0.08, 0.08, 2)
    half = np.array([np.sin(turn), np.cos(turn)]) * (_APART / 2)
    rods = [(y + half[0], x + half[1]), (y - half[0], x - half[1])]
    through = project(to_grid(picture.clip(0)))
    rays = sum(_chords(*rod) for rod in rods) * (dense * WATER)
    # What hardening does to the body alone is left to its own corruption.
    error = _HARDENING / WATER * (2 * through * rays + rays**2)
    found = picture - from_grid(reconstruct(error), picture)
    covered = np.maximum(*(_disc(picture, *rod) for rod in rods))[:, :, None]
    return np.asarray(found + covered * (1 - found) * (dense > 0))


def _chords(y: float, x: float) -> FloatArray:
    """(BINS, ANGLES) lengths of rays within a rod, in sides."""
    middle = y * np.sin(angles()) + x * np.cos(angles())
    away = offsets()[:, None] - middle[None]
    return np.asarray(2 * np.sqrt(((_ROD / 2) ** 2 - away**2).clip(0)))


def _disc(picture: FloatArray, y: float, x: float) -> FloatArray:
    """(height, width) how far a rod covers each pixel, 0 to 1."""
    rows, columns = centred(*picture.shape[:2])
    scale = max(picture.shape[:2]) / side(picture)
    away = np.hypot(rows / scale - y, columns / scale - x)
    return np.asarray(((_ROD / 2 - away) * max(picture.shape[:2]) + 0.5).clip(0, 1))


def truncation(picture: FloatArray, field: float, numbers: np.random.Generator) -> FloatArray:
    """A measured field smaller than the patient: a bright rim, and nothing outside.

    Source:
        Ohnesorge et al. (2000), Med Phys 27(1), 39-46.
    """
    del numbers
    radius = field * np.sqrt(0.5)
    through = project(to_grid(picture.clip(0)))
    unseen = np.where(np.abs(offsets())[:, None] > radius, through, 0.0)
    rows, columns = centred(*picture.shape[:2])
    scale = max(picture.shape[:2]) / side(picture)
    inside = np.hypot(rows, columns) / scale <= radius
    return np.asarray((picture - from_grid(reconstruct(unseen), picture)) * inside[:, :, None])


def window_centre(picture: FloatArray, off: float, numbers: np.random.Generator) -> FloatArray:
    """The window a share of its width too high or too low."""
    return picture + sign(numbers) * off


def window_width(picture: FloatArray, factor: float, numbers: np.random.Generator) -> FloatArray:
    """The window too narrow: the middle stays, contrast grows, both ends are cut."""
    del numbers
    return 0.5 + (picture - 0.5) * factor


_ct = partial(Corruption, pack="ct")

CORRUPTIONS = (
    _ct("ct-quantum-noise", "Quantum noise", "share of the dose that is left",
        (0.5, 0.25, 0.1, 0.04, 0.015), 1.0, quantum_noise,
        formula="x + 0.01 sqrt(1/dose - 1) s(place) n; n with power |f| Hann(f)^2, s^2 the mean "
        "over directions of exp(attenuation), of mean 1; 0.01 is 20 HU of 2000",
        source="Riederer, Pelc, Chesler (1978), Phys Med Biol 23(3), 446-454"),
    _ct("ct-soft-kernel", "Soft kernel", "standard deviation, as a share of the side",
        (0.003, 0.006, 0.01, 0.015, 0.022), 0.0, soft_kernel,
        formula="x convolved with a Gaussian"),
    _ct("ct-sharp-kernel", "Sharp kernel", "gain of the finest detail, beyond 1",
        (0.5, 1.0, 2.0, 3.5, 6.0), 0.0, sharp_kernel,
        formula="gain 1 + boost (1 - exp(-(f/30)^2)) at f cycles per side"),
    _ct("ct-beam-hardening", "Beam hardening",
        "share that a ray through a whole side of water loses",
        (0.05, 0.1, 0.2, 0.3, 0.45), 0.0, beam_hardening,
        formula="line integral p becomes p (1 - lost p/w), filtered back-projection of the error"),
    _ct("ct-metal", "Metal", "attenuation of two rods, over that of water",
        (22.0, 30.0, 40.0, 52.0, 68.0), 0.0, metal, same_draw=True,
        formula="rods of chord m are white and add the hardening error 0.2 (2 p m + m^2) to rays",
        source="arXiv:1712.01974"),
    _ct("ct-truncation", "Truncated field of view",
        "diameter of the measured field, as a share of the diagonal",
        (0.56, 0.5, 0.43, 0.36, 0.28), 1.0, truncation,
        formula="rays beyond the field are zero before filtered back-projection; black outside it",
        source="Ohnesorge et al. (2000), Med Phys 27(1), 39-46"),
    _ct("ct-window-centre", "Window off centre", "share of the window's width, up or down",
        (0.05, 0.1, 0.2, 0.3, 0.4), 0.0, window_centre, same_draw=True,
        formula="x + off or x - off"),
    _ct("ct-window-width", "Window too narrow", "width that was meant over the one that is used",
        (1.25, 1.6, 2.2, 3.0, 4.5), 1.0, window_width, formula="0.5 + (x - 0.5) factor"),
)  # fmt: skip
