"""A picture becomes the array a model takes, exactly as its manifest declares."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.imaging.declared import Input, Intensity
from ml.imaging.picture import FloatArray, Picture

Float32Array = NDArray[np.float32]

_PILLOW = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}
_A = -0.75  # of the cubic kernel, as torch and OpenCV have it


def prepare(picture: Picture, declared: Input) -> Float32Array:
    """Colour, size and intensity as declared.

    Without a window or clip the picture's 8 bits are resized (a DICOM file's own window is
    applied first). With one, the file's own values are cut to it first and resized as floats.

    Args:
        picture: one frame.
        declared: the ``input`` part of a model's manifest.

    Returns:
        (channels, height, width) or (height, width, channels), as the layout says.
    """
    mode = "RGB" if declared.colour == "rgb" else "L"
    cut = declared.intensity.window or declared.intensity.clip
    if cut is None:
        pixels = _resize_8_bits(picture.eight_bits.convert(mode), declared)
    else:
        pixels = _resize_values(_cut(picture, mode, declared.intensity), declared)
    pixels = normalised(pixels, declared.intensity)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.shape[2] != declared.n_channels:  # grey values for a model that takes colour
        pixels = np.repeat(pixels, declared.n_channels, axis=2)
    if declared.layout == "NCHW":
        pixels = pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(pixels, dtype=np.float32)


def _resize_8_bits(image: Image.Image, declared: Input) -> Float32Array:
    if declared.size is None:
        return np.asarray(image, dtype=np.float32)
    height, width = declared.size
    if declared.resize.antialias == "pillow":
        image = image.resize((width, height), _PILLOW[declared.resize.mode])
        return np.asarray(image, dtype=np.float32)
    values = np.asarray(image, dtype=np.float64)
    return interpolate(values, (height, width), declared.resize.mode).astype(np.float32)


def _cut(picture: Picture, mode: str, intensity: Intensity) -> FloatArray:
    """The file's values within the window (then 0..1) or clip (then in their unit)."""
    values = picture.values
    if values is None:
        values = np.asarray(picture.eight_bits.convert(mode), dtype=np.float64)
    low, high = intensity.window or intensity.clip or (0.0, 1.0)
    values = values.clip(low, high)
    if picture.inverted:
        values = low + high - values
    return (values - low) / (high - low) if intensity.window else values


def _resize_values(values: FloatArray, declared: Input) -> Float32Array:
    if declared.size is None:
        return values.astype(np.float32)
    height, width = declared.size
    if declared.resize.antialias == "none":
        return interpolate(values, (height, width), declared.resize.mode).astype(np.float32)
    planes = values[:, :, None] if values.ndim == 2 else values
    resized = [
        Image.fromarray(planes[:, :, channel].astype(np.float32)).resize(
            (width, height), _PILLOW[declared.resize.mode]
        )
        for channel in range(planes.shape[2])
    ]
    return np.stack([np.asarray(plane, dtype=np.float32) for plane in resized], axis=2)


def normalised(pixels: Float32Array, intensity: Intensity) -> Float32Array:
    """Divided by the scale, less the mean, divided by the standard deviation."""
    if intensity.scale != 1:
        pixels = pixels / np.float32(intensity.scale)
    if intensity.mean is not None:
        pixels = np.subtract(pixels, np.asarray(intensity.mean), dtype=np.float32)
    if intensity.std is not None:
        pixels = np.divide(pixels, np.asarray(intensity.std), dtype=np.float32)
    return pixels


def interpolate(values: FloatArray, size: tuple[int, int], mode: str) -> FloatArray:
    """Resize without smoothing first, as networks' own resize layers do.

    Pixel centres are aligned to the edges of the picture (align_corners=False); beyond the
    border the border is repeated; the cubic kernel has a = -0.75.

    Args:
        values: (h, w) or (h, w, c).
        size: (height, width) of the result.
        mode: nearest, bilinear or bicubic.

    Returns:
        (height, width) or (height, width, c).

    Example:
        >>> interpolate(np.array([[0.0, 4.0]]), (1, 4), "bilinear")
        array([[0., 1., 3., 4.]])

    Source:
        Keys (1981), IEEE Trans. ASSP 29(6), https://doi.org/10.1109/TASSP.1981.1163711
    """
    rows, row_weights = taps(values.shape[0], size[0], mode)
    columns, column_weights = taps(values.shape[1], size[1], mode)
    values = np.einsum("ot,ot...->o...", row_weights, values[rows])
    across = np.moveaxis(values, 1, 0)
    return np.moveaxis(np.einsum("ot,ot...->o...", column_weights, across[columns]), 0, 1)


def taps(n_in: int, n_out: int, mode: str) -> tuple[NDArray[np.int64], FloatArray]:
    """Which input positions, (n_out, k), with which weights, make each output position."""
    if mode == "nearest":
        index = np.minimum(np.arange(n_out) * n_in // n_out, n_in - 1)
        return index[:, None], np.ones((n_out, 1))
    centre = (np.arange(n_out) + 0.5) * n_in / n_out - 0.5
    if mode == "bilinear":
        centre = centre.clip(0, n_in - 1)
    first = np.floor(centre).astype(np.int64)
    t = centre - first
    if mode == "bilinear":
        offsets, weights = np.array([0, 1]), np.stack([1 - t, t], axis=1)
    else:
        offsets = np.array([-1, 0, 1, 2])
        weights = np.stack([_far(1 + t), _near(t), _near(1 - t), _far(2 - t)], axis=1)
    return (first[:, None] + offsets).clip(0, n_in - 1), weights


def _near(x: FloatArray) -> FloatArray:
    return ((_A + 2) * x - (_A + 3)) * x * x + 1


def _far(x: FloatArray) -> FloatArray:
    return ((_A * x - 5 * _A) * x + 8 * _A) * x - 4 * _A
