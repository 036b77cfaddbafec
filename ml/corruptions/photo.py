"""Pictures taken with light: fundus, skin, endoscopy, pathology."""

from functools import partial
from io import BytesIO

import numpy as np
from PIL import Image
from scipy.special import j1

from ml.corruptions.grid import centred, filtered, radial, side, sign, smoothed
from ml.corruptions.registry import Corruption, FloatArray

_DARKEST = 1e-3  # light that still counts as measured
# Optical density of a unit of haematoxylin, eosin and the rest, in red, green and blue.
_STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
_MOST_HAIRS = 40
_HAIR = 0.005  # width, in sides
_HAIR_LENGTH = 0.6  # in sides, about
_HAIR_DARK = 0.9  # of the light, that a hair takes


def illumination(picture: FloatArray, lost: float, numbers: np.random.Generator) -> FloatArray:
    """Light that falls off towards one side, linearly.

    Source:
        Shen et al. (2021), IEEE Trans Med Imaging 40(3), 996-1006.
    """
    y, x = centred(*picture.shape[:2])
    turn = numbers.uniform(0, 2 * np.pi)
    away = y * np.sin(turn) + x * np.cos(turn)
    away = (away - away.min()) / (np.ptp(away) or 1.0)
    return np.asarray(picture * (1 - lost * away)[:, :, None])


def stain(picture: FloatArray, shift: float, numbers: np.random.Generator) -> FloatArray:
    """Haematoxylin stronger and eosin weaker by a share, or the other way, in optical density.

    Source:
        Ruifrok, Johnston (2001), Anal Quant Cytol Histol 23(4), 291-299.
    """
    more = sign(numbers) * shift
    density = -np.log(picture.clip(_DARKEST, 1))
    if picture.shape[2] != len(_STAINS):  # of a grey picture there is one density, and no stain
        return np.asarray(picture * np.exp(-more * density))
    stains = _STAINS / np.linalg.norm(_STAINS, axis=1, keepdims=True)
    amounts = density @ np.linalg.inv(stains)
    return np.asarray(picture * np.exp(-(amounts * [more, -more, 0.0]) @ stains))


def defocus(picture: FloatArray, radius: float, numbers: np.random.Generator) -> FloatArray:
    """A disc for every point, as a lens out of focus makes of it; mirrored at the border."""
    del numbers
    turns = 2 * np.pi * radius * side(picture) * radial(*picture.shape[:2])
    safe = np.maximum(turns, 1e-9)
    return filtered(picture, np.where(turns > 1e-9, 2 * j1(safe) / safe, 1.0))


def hair(picture: FloatArray, hairs: float, numbers: np.random.Generator) -> FloatArray:
    """Dark curved hairs, 0.5 % of the side thick. More of them are the same ones, and others."""
    height, width, _ = picture.shape
    ends = numbers.uniform(0, 1, (_MOST_HAIRS, 2))
    turn = numbers.uniform(0, 2 * np.pi, _MOST_HAIRS)
    bend = numbers.uniform(-0.6, 0.6, _MOST_HAIRS)
    n = round(hairs)
    if n == 0:
        return picture
    pixels = side(picture)
    along = np.linspace(0, 1, 4 * pixels + 2)[None]
    angle = turn[:n, None] + bend[:n, None] * along
    step = _HAIR_LENGTH * pixels / along.size
    y = ends[:n, :1] * height + step * np.cumsum(np.sin(angle), axis=1)
    x = ends[:n, 1:] * width + step * np.cumsum(np.cos(angle), axis=1)
    ink = _splat(y - 0.5, x - 0.5, (height, width)) * step
    sd = _HAIR * pixels / 2
    # Along a straight hair this is its profile, 1 in the middle.
    cover = smoothed(ink[:, :, None], sd) * sd * np.sqrt(2 * np.pi)
    return np.asarray(picture * (1 - _HAIR_DARK * cover.clip(0, 1)))


def _splat(y: FloatArray, x: FloatArray, size: tuple[int, int]) -> FloatArray:
    """(height, width) points counted, each in the four pixels around it by nearness."""
    rows, columns = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    down, right = y - rows, x - columns
    found = np.zeros(size[0] * size[1])
    for row, part in ((rows, 1 - down), (rows + 1, down)):
        for column, share in ((columns, 1 - right), (columns + 1, right)):
            inside = (row >= 0) & (row < size[0]) & (column >= 0) & (column < size[1])
            at = (row * size[1] + column)[inside]
            found += np.bincount(at, (part * share)[inside], found.size)
    return found.reshape(size)


def jpeg(picture: FloatArray, quality: float, numbers: np.random.Generator) -> FloatArray:
    """Compressed and decompressed by Pillow: 8 bits and blocks of 8 pixels, by its nature.

    Source:
        ITU-T T.81 (1992); quality as of libjpeg.
    """
    del numbers
    eight = np.rint(picture.clip(0, 1) * 255).astype(np.uint8)
    if picture.shape[2] == 3:
        return _through_jpeg(eight, quality)
    channels = [_through_jpeg(eight[:, :, at], quality) for at in range(picture.shape[2])]
    return np.stack(channels, axis=2)


def _through_jpeg(eight: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
                  quality: float) -> FloatArray:  # fmt: skip
    buffer = BytesIO()
    Image.fromarray(eight).save(buffer, "JPEG", quality=round(quality), subsampling=0)
    return np.asarray(Image.open(buffer), dtype=np.float64) / 255


_photo = partial(Corruption, pack="photo")

CORRUPTIONS = (
    _photo("photo-illumination", "Uneven light", "share of the light that the dark side lacks",
           (0.15, 0.3, 0.45, 0.6, 0.8), 0.0, illumination, same_draw=True,
           formula="x (1 - lost d); d from 0 to 1 in a drawn direction",
           source="Shen et al. (2021), IEEE Trans Med Imaging 40(3), 996-1006"),
    _photo("photo-stain", "Stain", "share by which one stain is stronger and the other weaker",
           (0.08, 0.16, 0.28, 0.42, 0.6), 0.0, stain, same_draw=True,
           formula="-log x in haematoxylin, eosin and rest; the first two times 1 + s and 1 - s, "
           "s up or down; of a grey picture the density times 1 + s",
           source="Ruifrok, Johnston (2001), Anal Quant Cytol Histol 23(4), 291-299"),
    _photo("photo-defocus", "Out of focus", "radius of the disc, as a share of the side",
           (0.004, 0.008, 0.014, 0.022, 0.035), 0.0, defocus,
           formula="x convolved with a disc: gain 2 J1(2 pi r f)/(2 pi r f)"),
    _photo("photo-hair", "Hair", "hairs in the picture", (2.0, 5.0, 10.0, 20.0, 40.0), 0.0, hair,
           same_draw=True, formula="x (1 - 0.9 cover) along arcs, 0.6 sides long and 0.5 % thick"),
    _photo("photo-jpeg", "JPEG", "quality", (80.0, 50.0, 30.0, 15.0, 7.0), 100.0, jpeg,
           formula="compressed and decompressed; rounds to 8 bits by its nature",
           source="ITU-T T.81 (1992)"),
)  # fmt: skip
