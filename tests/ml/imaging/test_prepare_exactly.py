"""What a model takes is, to the last bit, what the plain way gives: resize, then widen, then stack.

The way under test resizes one channel of a grey picture and writes into the batch. This one is as
slow as it is simple; it is what evidence was computed with before.
"""

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from ml.imaging.declared import Input
from ml.imaging.decode import decode
from ml.imaging.picture import Picture
from ml.imaging.preprocess import _PILLOW, interpolate, prepare

PATTERN = np.random.default_rng(7)
COLOUR = PATTERN.integers(0, 256, (37, 29, 3), dtype=np.uint8)
WIDE = PATTERN.integers(0, 65536, (37, 29), dtype=np.uint16)
INTENSITIES = (
    {},
    {"scale": 255},
    {"scale": 255, "mean": 0.4, "std": 0.3},
    {"window": [20, 200]},
    {"clip": [10, 220], "scale": 7, "mean": 3.5},
)
BY_CHANNEL = {"scale": 255, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.7]}


def png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return decode(file.getvalue())


def ct(inverted):
    grey = COLOUR[:, :, 0]
    return Picture(
        "application/dicom", 29, 37, 1, 16, "MONOCHROME2", Image.fromarray(grey),
        grey.astype(np.float64) * 1.5 - 20, inverted,
    )  # fmt: skip


PICTURES = {
    "grey": png(Image.fromarray(COLOUR[:, :, 0])),
    "colour": png(Image.fromarray(COLOUR)),
    "grey and alpha": png(Image.fromarray(COLOUR[:, :, 0]).convert("LA")),
    "palette": png(Image.fromarray(COLOUR).convert("P")),
    "one bit": png(Image.fromarray(COLOUR[:, :, 0]).convert("1")),
    "16 bits": png(Image.fromarray(WIDE)),
    "ct": ct(inverted=False),
    "inverted": ct(inverted=True),
}


def plainly(picture, declared):
    mode = "RGB" if declared.colour == "rgb" else "L"
    cut = declared.intensity.window or declared.intensity.clip
    size = declared.size and declared.size[::-1]
    how = _PILLOW[declared.resize.mode]
    smooth = declared.resize.antialias == "pillow"
    if cut is None:
        image = picture.eight_bits.convert(mode)
        if size and smooth:
            image = image.resize(size, how)
        pixels = np.asarray(image, dtype=np.float32 if smooth else np.float64)
    else:
        values = picture.values
        if values is None:
            values = np.asarray(picture.eight_bits.convert(mode), dtype=np.float64)
        values = values.clip(*cut)
        if picture.inverted:
            values = cut[0] + cut[1] - values
        pixels = (values - cut[0]) / (cut[1] - cut[0]) if declared.intensity.window else values
        if size and smooth:
            planes = pixels[:, :, None] if pixels.ndim == 2 else pixels
            floats = [Image.fromarray(one.astype(np.float32)) for one in np.moveaxis(planes, 2, 0)]
            pixels = np.stack([np.asarray(one.resize(size, how)) for one in floats], axis=2)
    if size and not smooth:
        pixels = interpolate(pixels, declared.size, declared.resize.mode)
    pixels = pixels.astype(np.float32)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    pixels = np.repeat(pixels, declared.n_channels // pixels.shape[2], axis=2)
    given = declared.intensity
    pixels = pixels / np.float32(given.scale)
    if given.mean is not None:
        pixels = np.subtract(pixels, np.asarray(given.mean), dtype=np.float32)
    if given.std is not None:
        pixels = np.divide(pixels, np.asarray(given.std), dtype=np.float32)
    return pixels.transpose(2, 0, 1) if declared.layout == "NCHW" else pixels


def declared_ones():
    for colour, layout, resize in itertools.product(
        ("gray", "rgb"),
        ("NCHW", "NHWC"),
        ({}, {"mode": "bicubic"}, {"antialias": "none"}, {"mode": "bicubic", "antialias": "none"}),
    ):
        for given in (*INTENSITIES, *([BY_CHANNEL] if colour == "rgb" else [])):
            for size in ((24, 20), (50, 61), (37, 29)):
                yield Input(colour=colour, layout=layout, resize=resize, intensity=given, size=size)
            yield Input(
                colour=colour, layout=layout, resize=resize, intensity=given, patch={"size": (8, 8)}
            )


@pytest.mark.parametrize("name", PICTURES)
def test_every_number_is_that_of_the_plain_way(name):
    picture = PICTURES[name]
    for declared in declared_ones():
        expected = plainly(picture, declared)
        found = prepare(picture, declared)
        place = np.full((2, *expected.shape), np.nan, np.float32)
        written = prepare(picture, declared, place[1])

        assert found.dtype == np.float32
        assert found.shape == expected.shape
        assert found.tobytes() == np.ascontiguousarray(expected).tobytes(), declared
        assert place[1].tobytes() == found.tobytes(), declared
        assert np.shares_memory(written, place)
        assert np.isnan(place[0]).all(), "it writes beside its place"
