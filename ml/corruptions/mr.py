"""Magnetic resonance: coils, k-space and field strength.

A picture is taken as the magnitude of a signal without phase. Lines of k-space that are read one
after the other follow the columns of the picture (its first axis is phase-encoded). What is done
to k-space is followed by the magnitude, as scanners do it, never by the real part.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft2, fftfreq, ifft2

from ml.corruptions.grid import places, side
from ml.corruptions.registry import Corruption, FloatArray

ComplexArray = NDArray[np.complex128]
COILS = 8
_PLANE = (0, 1)
# Lines of the measurement, one for each cycle per side. What was resized since has fewer of them,
# or has more that hold nothing; so the same lines are hit on every picture size.
LINES = 256
_STRETCH = 8  # lines between which the patient moves
_CENTRE = 0.08  # share of the lines, in the middle, that undersampling leaves whole
_TAKEN_AT = 3.0  # tesla
_T1_EXPONENT = 1 / 3  # of T1 over field strength; tissues have 0.2 to 0.5


def coil_noise(picture: FloatArray, sd: float, numbers: np.random.Generator) -> FloatArray:
    """The root of the sum of squares of 8 coils that hear alike, each with complex noise.

    Of no signal it is not Rayleigh, as of one coil, but far above zero.

    Source:
        Constantinides, Atalar, McVeigh (1997), Magn Reson Med 38(5), 852-857.
    """
    real = picture + sd * numbers.standard_normal(picture.shape)
    others = sd**2 * numbers.chisquare(2 * COILS - 1, picture.shape)
    return np.asarray(np.sqrt(real**2 + others))


def surface_coil(picture: FloatArray, ratio: float, numbers: np.random.Generator) -> FloatArray:
    """One loop at the border: what it hears falls with the distance as on the loop's axis.

    ``ratio`` is the largest gain over the smallest; their geometric mean is 1.
    """
    y, x = places(*picture.shape[:2])
    turn = numbers.uniform(0, 2 * np.pi)
    away = (y - 0.5) * np.sin(turn) + (x - 0.5) * np.cos(turn)
    away = away - away.min()
    away = away / (away.max() or 1.0)
    # On its axis a loop of radius a is heard as (1 + (d / a)^2)^(-3/2); 1/a^2 follows of the ratio.
    gain = (1 + (ratio ** (2 / 3) - 1) * away**2) ** -1.5 * np.sqrt(ratio)
    return np.asarray(picture * gain[:, :, None])


def motion(picture: FloatArray, moved: float, numbers: np.random.Generator) -> FloatArray:
    """The patient lies elsewhere for every 8 lines of k-space; for its middle 16 as in the picture.

    Each stretch has a shift of its own, in any direction, of half to all of ``moved``. Turning
    is left out.

    Source:
        Shaw et al. (2019), Proc Mach Learn Res 102 (MIDL), 427-436.
    """
    n, middle = LINES // _STRETCH, LINES // _STRETCH // 2
    direction = numbers.uniform(0, 2 * np.pi, n)
    length = numbers.uniform(0.5, 1, n) * moved
    length[middle - 1 : middle + 1] = 0
    lines, columns = _cycles(picture)
    when = (np.floor(lines / _STRETCH) + middle).clip(0, n - 1).astype(np.int64)
    down, right = length * np.sin(direction), length * np.cos(direction)
    turns = lines[:, None] * down[when][:, None] + columns[None] * right[when][:, None]
    return _magnitude(_k(picture) * np.exp(-2j * np.pi * turns)[:, :, None])


def ghosting(picture: FloatArray, strength: float, numbers: np.random.Generator) -> FloatArray:
    """Lines of k-space brighter and darker in a rhythm: two ghosts, shifted along the lines' axis.

    Lines are multiplied by 1 + strength cos(2 pi k s + phase): beside the picture come two of half
    that strength, s of the side away on either side.

    Source:
        Wood, Henkelman (1986), Med Phys 13(6), 794-805.
    """
    height = picture.shape[0]
    away, phase = numbers.uniform(0.2, 0.5), numbers.uniform(0, 2 * np.pi)
    rhythm = np.cos(2 * np.pi * fftfreq(height, 1 / height) * away + phase)
    return _magnitude(_k(picture) * (1 + strength * rhythm)[:, None, None])


def spike(picture: FloatArray, strength: float, numbers: np.random.Generator) -> FloatArray:
    """One value of k-space far too large: stripes over the whole picture.

    Source:
        Spikes as points of k-space, and their correction (2021), arXiv:2111.15471.
    """
    angle, away = numbers.uniform(0, np.pi), numbers.uniform(6, 20)
    at = (round(away * np.sin(angle)), round(away * np.cos(angle)))
    return np.abs(spiked(picture, at, strength, numbers.uniform(0, 2 * np.pi)))


def spiked(picture: FloatArray, at: tuple[int, int], strength: float, phase: float) -> ComplexArray:
    """The signal with a spike, before its magnitude is taken.

    Args:
        at: cycles of the stripes along the rows' and the columns' direction.
        strength: of the spike, over the middle of k-space.
        phase: in radians.
    """
    y, x = (np.arange(n) / n for n in picture.shape[:2])
    wave = np.exp(1j * (2 * np.pi * (at[0] * y[:, None] + at[1] * x[None]) + phase))
    mean = np.abs(picture.mean(axis=_PLANE))
    return np.asarray(picture + strength * mean * wave[:, :, None])


def gibbs(picture: FloatArray, pixel: float, numbers: np.random.Generator) -> FloatArray:
    """Nothing is measured of detail finer than two pixels: ringing along edges.

    A rectangle of k-space is kept, as scanners sample one.

    Source:
        Czervionke et al. (1988), Am J Roentgenol 151(6), 1219-1228.
    """
    del numbers
    lines, columns = (np.abs(cycles) * (2 * pixel) <= 1 for cycles in _cycles(picture))
    kept = lines[:, None] & columns[None]
    return _magnitude(_k(picture) * kept[:, :, None])


def undersampling(picture: FloatArray, faster: float, numbers: np.random.Generator) -> FloatArray:
    """Lines drawn at random are not measured and stay zero; 8 % in the middle always are.

    Source:
        Zbontar et al. (2018), fastMRI, arXiv:1811.08839.
    """
    line = np.rint(fftfreq(picture.shape[0], 1 / picture.shape[0])).astype(np.int64)
    chance = (1 / faster - _CENTRE) / (1 - _CENTRE)
    measured = (numbers.random(LINES) < chance)[line % LINES]
    measured |= np.abs(line) <= _CENTRE * LINES / 2
    return _magnitude(_k(picture) * measured[:, None, None])


def field_strength(picture: FloatArray, tesla: float, numbers: np.random.Generator) -> FloatArray:
    """The contrast of a T1-weighted picture, taken at 3 T, at a lower field; no noise is added.

    With x = 1 - exp(-TR / T1) and T1 growing with the third root of the field, 1 - x is raised
    to the third root of (3 T / field).

    Source:
        Bottomley et al. (1984), Med Phys 11(4), 425-448.
    """
    del numbers
    return np.asarray(1 - (1 - picture).clip(0) ** ((_TAKEN_AT / tesla) ** _T1_EXPONENT))


def _cycles(picture: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Of the lines and columns of k-space, in cycles per shorter side."""
    lines, columns = (fftfreq(n) * side(picture) for n in picture.shape[:2])
    return lines, columns


def _k(picture: FloatArray) -> ComplexArray:
    return np.asarray(fft2(picture, axes=_PLANE))


def _magnitude(k_space: ComplexArray) -> FloatArray:
    return np.asarray(np.abs(ifft2(k_space, axes=_PLANE)))


_mr = partial(Corruption, pack="mr")

CORRUPTIONS = (
    _mr("mr-coil-noise", "Noise of several coils",
        "standard deviation in each part of each of 8 coils, as a share of the intensity range",
        (0.005, 0.01, 0.02, 0.035, 0.055), 0.0, coil_noise,
        formula="sqrt((x + sd n)^2 + sd^2 chi2(15)): a noncentral chi of 8 coils",
        source="Constantinides, Atalar, McVeigh (1997), Magn Reson Med 38(5), 852-857"),
    _mr("mr-surface-coil", "Surface coil", "largest gain over the smallest",
        (1.5, 2.0, 3.0, 5.0, 9.0), 1.0, surface_coil, same_draw=True,
        formula="x sqrt(ratio) (1 + (ratio^(2/3) - 1) d^2)^(-3/2); d from 0 at the coil to 1"),
    _mr("mr-motion", "Motion", "largest shift, as a share of the side",
        (0.002, 0.005, 0.01, 0.02, 0.04), 0.0, motion, same_draw=True,
        formula="every 8 of 256 lines of k-space from a picture shifted anew; the middle 16 still",
        source="Shaw et al. (2019), Proc Mach Learn Res 102, 427-436"),
    _mr("mr-ghosting", "Ghosting", "depth of the rhythm over the lines of k-space",
        (0.1, 0.2, 0.35, 0.55, 0.8), 0.0, ghosting, same_draw=True,
        formula="line k times 1 + depth cos(2 pi k s + phase), magnitude; s drawn, 0.2 to 0.5",
        source="Wood, Henkelman (1986), Med Phys 13(6), 794-805"),
    _mr("mr-spike", "Spike in k-space", "height over the middle of k-space",
        (0.1, 0.2, 0.4, 0.8, 1.5), 0.0, spike, same_draw=True,
        formula="|x + height mean(x) exp(i(2 pi f.r + phase))|; 6 to 20 cycles per side",
        source="arXiv:2111.15471"),
    _mr("mr-gibbs", "Truncation of k-space", "pixel as measured, as a share of the side",
        (0.012, 0.018, 0.025, 0.035, 0.05), 0.0, gibbs,
        formula="k-space zero beyond 1/(2 pixel) cycles per side on either axis, magnitude",
        source="Czervionke et al. (1988), Am J Roentgenol 151(6), 1219-1228"),
    _mr("mr-undersampling", "Undersampling", "acceleration",
        (1.25, 1.5, 2.0, 3.0, 5.0), 1.0, undersampling, same_draw=True,
        formula="random lines of k-space zero, the middle 8 % of 256 kept, magnitude",
        source="Zbontar et al. (2018), arXiv:1811.08839"),
    _mr("mr-field-strength", "Field strength", "tesla, of a T1-weighted picture taken at 3 T",
        (1.5, 1.0, 0.5, 0.2, 0.064), 3.0, field_strength,
        formula="1 - (1 - x)^((3/B)^(1/3))",
        source="Bottomley et al. (1984), Med Phys 11(4), 425-448"),
)  # fmt: skip
