"""A picture becomes the array a model takes, exactly as its manifest declares."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.imaging.declared import Input, Intensity
from ml.imaging.picture import FloatArray, Picture
from ml.imaging.steps import Tell, nobody, of_cut, of_layout, of_numbers, of_resize

Float32Array = NDArray[np.float32]

_PILLOW = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}
_A = -0.75  # of the cubic kernel, as torch and OpenCV have it


def prepare(
    picture: Picture, declared: Input, out: Float32Array | None = None, tell: Tell = nobody
) -> Float32Array:
    """Colour, size and intensity as declared.

    Without a window or clip the picture's 8 bits are resized (a DICOM file's own window is
    applied first). With one, the file's own values are cut to it first and resized as floats.

    Args:
        picture: one frame.
        declared: the ``input`` part of a model's manifest.
        out: where to write it, in the shape that is returned; absent: a new array.
        tell: told of every step that the manifest declares.

    Returns:
        (channels, height, width) or (height, width, channels), as the layout says.
    """
    pixels = _sized(picture, _mode(picture, declared), declared, tell)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    pixels = normalised(pixels, declared.intensity)
    if said := of_numbers(declared.intensity):
        tell("intensity", said, pixels)
    channels_first = declared.layout == "NCHW"
    if out is None:
        sides, n = pixels.shape[:2], declared.n_channels
        out = np.empty((n, *sides) if channels_first else (*sides, n), dtype=np.float32)
    # Grey values for a model that takes colour become all of its channels.
    last = out.transpose(1, 2, 0) if channels_first else out
    last[...] = pixels
    if pixels.shape[2] != declared.n_channels:
        tell("colour", f"the same values in {declared.n_channels} channels", last)
    tell("layout", of_layout(declared), out)
    return out


def _mode(picture: Picture, declared: Input) -> str:
    """The colours that are resized: of a grey picture one channel, which Pillow does alike in all.

    Resizing as networks do adds up floats, whose last bits could depend on what lies beside them.
    """
    if declared.colour != "rgb":
        return "L"
    alike = declared.size is None or declared.resize.antialias == "pillow"
    return "L" if alike and picture.eight_bits.mode == "L" else "RGB"


def _as_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)


def _sized(picture: Picture, mode: str, declared: Input, tell: Tell) -> Float32Array:
    """Decoded, cut where that is declared, and of the declared size."""
    intensity = declared.intensity
    cuts = intensity.window is not None or intensity.clip is not None
    shown = np.asarray(picture.eight_bits) if picture.values is None else picture.values
    tell("decode", f"{picture.media_type}, {picture.mode}, the file's own values", shown)
    if picture.values is None or not cuts:
        image = _in_colour(picture, mode, tell)
        values = np.asarray(image, dtype=np.float64) if cuts else None
    else:
        values = picture.values
    if values is None:
        pixels = _resize_8_bits(image, declared)
    else:
        cut = _cut(values, intensity, inverted=picture.inverted)
        tell("window" if intensity.window else "clip", of_cut(intensity), cut)
        pixels = _resize_values(cut, declared)
    if declared.size is not None:
        tell("resize", of_resize(declared.size, declared.resize), pixels)
    return pixels


def _resize_8_bits(image: Image.Image, declared: Input) -> Float32Array:
    if declared.size is None:
        return np.asarray(image, dtype=np.float32)
    height, width = declared.size
    if declared.resize.antialias == "pillow":
        image = image.resize((width, height), _PILLOW[declared.resize.mode])
        return np.asarray(image, dtype=np.float32)
    values = np.asarray(image, dtype=np.float64)
    return interpolate(values, (height, width), declared.resize.mode).astype(np.float32)


def _in_colour(picture: Picture, mode: str, tell: Tell) -> Image.Image:
    """Its 8 bits in one or three channels."""
    if picture.values is not None:
        shown = np.asarray(picture.eight_bits)
        tell(
            "8 bits", "through the window that a DICOM file names; of 16 bits, 65,535 is 255", shown
        )
    image = _as_mode(picture.eight_bits, mode)
    if image.mode != picture.eight_bits.mode:
        colour = "three colours" if mode == "RGB" else "gray"
        tell("colour", f"to {colour}", np.asarray(image))
    return image


def _cut(values: FloatArray, intensity: Intensity, *, inverted: bool) -> FloatArray:
    """The file's values within the window (then 0..1) or clip (then in their unit)."""
    low, high = intensity.window or intensity.clip or (0.0, 1.0)
    values = values.clip(low, high)
    if inverted:
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
