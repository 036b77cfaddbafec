"""Images in plain numbers: by hand, whatever file they come in, and volumes as files have them."""

import io

import nibabel
import numpy as np
import pytest
from PIL import Image

from ml.evidence.described import OF_BOTH, OF_PIXELS, OF_VOLUMES, THUMBNAIL_NUMBERS
from ml.imaging.handcrafted import described
from ml.imaging.picture import ImageError
from tests.ml.imaging.test_volume import slices


def file(pixels, kind="PNG", **options):
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, kind, **options)
    return written.getvalue()


def grey(*shape, seed=1):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def nifti(values, spacing=(1.0, 1.0, 1.0)):
    return nibabel.Nifti1Image(values.astype(np.float32), np.diag([*spacing, 1.0])).to_bytes()


def test_numbers_of_a_picture_by_hand():
    pixels = np.zeros((8, 8), dtype=np.uint8)
    pixels[2:6, 2:6] = 255
    pixels[3, 3] = 51
    data = file(pixels)
    found = described([data]).numbers
    values = pixels / 255

    assert found["mean"] == pytest.approx(15.2 / 64)
    assert found["sd"] == pytest.approx(values.std())
    assert (found["5th percentile"], found["median"], found["95th percentile"]) == (0, 0, 1)
    assert found["share of darkest"] == 48 / 64
    shares = np.array([48, 15, 1]) / 64
    assert found["entropy"] == pytest.approx(-(shares * np.log2(shares)).sum())
    down, across = np.diff(values, axis=0), np.diff(values, axis=1)
    assert found["edge strength"] == pytest.approx(
        np.sqrt((np.sum(down**2) + np.sum(across**2)) / 112)
    )
    assert (found["border mean"], found["border sd"]) == (0, 0)
    assert found["centre minus border"] == pytest.approx(15.2 / 16)
    assert found["left-right difference"] == pytest.approx(2 * 0.8 / 64)
    assert found["colour"] == 0
    assert found["bytes per pixel"] == len(data) / 64
    assert found["fine detail"] > 0


def test_every_number_has_a_column_and_only_volumes_have_a_size():
    assert set(described([file(grey(9, 7))]).numbers) == {*OF_PIXELS, *OF_BOTH}
    found = described([nifti(grey(9, 8, 5).astype(float), (0.5, 2.0, 3.0))])
    assert set(found.numbers) == {*OF_PIXELS, *OF_BOTH, *OF_VOLUMES}
    assert found.numbers["pixel size, mm"] == pytest.approx(1.0)
    assert found.numbers["slice distance, mm"] == pytest.approx(3.0)
    assert found.thumbnail.size == described([file(grey(9, 7))]).thumbnail.size == THUMBNAIL_NUMBERS


def test_copies_are_known_whatever_file_they_are_written_to():
    pixels = grey(20, 30) // 64 * 64
    plain = described([file(pixels)])
    again = described([file(pixels, compress_level=0)])
    in_colours = described([file(np.stack([pixels] * 3, axis=-1))])
    lossy = described([file(pixels, "JPEG", quality=95)])
    wide = described([file(pixels.T.copy())])

    assert plain.pixels == again.pixels == in_colours.pixels
    assert len({plain.pixels, lossy.pixels, wide.pixels}) == 3
    assert again.numbers["bytes per pixel"] > plain.numbers["bytes per pixel"]
    assert {k: v for k, v in again.numbers.items() if k not in OF_BOTH} == {
        k: v for k, v in plain.numbers.items() if k not in OF_BOTH
    }


def test_colour_is_seen():
    red = np.zeros((6, 6, 3), dtype=np.uint8)
    red[..., 0] = 255
    assert described([file(red)]).numbers["colour"] == 1


def test_sixteen_bits_are_told_apart_below_what_eyes_see():
    values = np.full((6, 6), 1000, dtype=np.uint16)
    other = values.copy()
    other[0, 0] = 1001
    one, two = described([file(values)]), described([file(other)])
    assert one.pixels != two.pixels
    assert one.numbers["mean"] == two.numbers["mean"]


def test_a_volume_is_measured_in_its_own_values():
    values = np.random.default_rng(2).normal(-600, 50, (12, 10, 6))
    found = described([nifti(values)])
    kept = values.astype(np.float32).astype(np.float64)
    assert found.numbers["mean"] == pytest.approx(kept.mean())
    assert found.numbers["sd"] == pytest.approx(kept.std())
    mirrored = np.abs(kept - kept[::-1]).mean()
    assert found.numbers["left-right difference"] == pytest.approx(mirrored)
    # Four parts from below upwards, each as 16 x 16.
    parts = found.thumbnail.reshape(4, 16, 16)
    assert parts[0].mean() == pytest.approx(kept[:, :, :2].mean(), abs=10)
    assert described([nifti(values, (2, 2, 2))]).pixels == found.pixels


def test_a_long_volume_is_measured_in_some_slices_from_end_to_end():
    values = np.zeros((4, 4, 100))
    values[:, :, 0] = 32.0
    assert described([nifti(values)]).numbers["mean"] == pytest.approx(1.0)


def test_the_slices_of_a_series_are_a_volume_and_other_files_several_pictures():
    series = slices(3)
    found = described(series)
    assert set(OF_VOLUMES) <= set(found.numbers)
    assert described(series[::-1]).pixels == found.pixels
    # The same slice twice is no series.
    pair = described([series[0], series[0]])
    assert not set(OF_VOLUMES) & set(pair.numbers)
    alone = described([series[0]])
    assert pair.numbers == pytest.approx(alone.numbers)
    assert pair.pixels != alone.pixels


def test_several_pictures_are_averaged():
    one, two = file(grey(8, 8)), file(grey(8, 8, seed=2))
    both = described([one, two])
    each = [described([one]), described([two])]
    assert both.numbers["mean"] == pytest.approx(np.mean([e.numbers["mean"] for e in each]))
    assert both.thumbnail == pytest.approx(np.mean([e.thumbnail for e in each], axis=0))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 2)])
@pytest.mark.parametrize("value", [0, 255])
def test_tiny_and_flat_pictures_have_numbers_too(shape, value):
    found = described([file(np.full(shape, value, dtype=np.uint8))])
    assert np.isfinite(list(found.numbers.values())).all()
    assert found.numbers["entropy"] == 0
    assert found.numbers["share of darkest"] == 1


def test_what_is_no_image_is_refused():
    with pytest.raises(ImageError) as found:
        described([])
    assert found.value.code == "no_image"
    with pytest.raises(ImageError) as found:
        described([b"nothing"])
    assert found.value.code == "image_unsupported"
