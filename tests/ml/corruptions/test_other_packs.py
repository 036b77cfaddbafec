"""X-ray, ultrasound, photographs and files: what is measured is what the parameter says."""

import numpy as np
import pytest
from PIL import Image

from ml.corruptions import corruption, dicom_path, pack, photo, ultrasound, xray
from ml.drawn import drawn
from ml.zoo.pictures import drawn_picture


def flat(value, size=(128, 128), channels=1):
    return np.full((*size, channels), value)


@pytest.mark.parametrize("value", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("share", [0.5, 0.1])
def test_a_lower_dose_adds_the_noise_of_fewer_quanta(value, share):
    found = xray.dose(flat(value), share, drawn(1)) - value

    quanta = xray.QUANTA * 100.0**-value
    expected = np.sqrt((1 / share - 1) / quanta) / np.log(100)
    # Of few quanta the logarithm is a little wider.
    assert found.std() == pytest.approx(expected, rel=0.03 + 1 / (quanta * share))
    assert found.mean() == pytest.approx(0, abs=expected * 0.2)


def test_scatter_adds_its_ratio_and_keeps_an_even_field():
    assert xray.scatter(flat(0.4), 3.0, drawn(0)) == pytest.approx(flat(0.4))
    edge = flat(0.2)
    edge[:, 64:] = 0.8
    found = xray.scatter(edge, 1.0, drawn(0))
    # Far from the edge the scattered field is the local one; near it the dense side is lifted.
    assert np.ptp(found) == pytest.approx(0.6, abs=0.03)
    assert found[0, 66, 0] < 0.8 - 0.1


def test_exposure_is_off_by_its_decibels():
    for case in range(4):
        found = xray.exposure(flat(0.5), 10.0, drawn(case)) - 0.5
        assert np.abs(found) == pytest.approx(np.log(10) / np.log(100))


def test_collimation_rotation_and_marker_are_as_large_as_they_say():
    white = flat(1.0, (200, 150))

    inside = xray.collimation(white, 0.2, drawn(0)) > 0.99
    assert np.count_nonzero(inside.any(axis=1)) == pytest.approx(200 - 2 * 30, abs=2)
    assert np.count_nonzero(inside.any(axis=0)) == pytest.approx(150 - 2 * 30, abs=2)
    bar = flat(0.0, (201, 201))
    bar[99:102, 40:161] = 1.0
    turned = np.argwhere(xray.rotation(bar, 20.0, drawn(0))[:, :, 0] > 0.5)
    along = np.linalg.svd(turned - turned.mean(axis=0), full_matrices=False)[2][0]
    assert abs(np.degrees(np.arctan(along[0] / along[1]))) == pytest.approx(20, abs=0.5)
    assert turned.mean(axis=0) == pytest.approx([100, 100], abs=0.5)
    for case in range(6):
        ink = xray.marker(flat(0.0, (200, 150)), 0.2, drawn(case))[:, :, 0] > 0.5
        assert np.count_nonzero(ink.any(axis=1)) == pytest.approx(30, abs=2)
        assert ink[:60].any()
        assert not ink[60:].any()


def test_speckle_has_its_decibels_and_its_grain():
    found = ultrasound.speckle(flat(0.5, (300, 300)), 5.57, drawn(1))[:, :, 0] - 0.5

    assert pytest.approx(5.57, abs=0.01) == ultrasound.FULL_SPECKLE_DB
    assert found.std() * 60 == pytest.approx(5.57, rel=0.05)

    def alike(shift):
        return np.corrcoef(found[: 300 - shift[0], : 300 - shift[1]].ravel(),
                           found[shift[0] :, shift[1] :].ravel())[0, 1]  # fmt: skip

    assert alike((0, 2)) > alike((2, 0)) + 0.1, "wider than deep"
    assert abs(alike((20, 20))) < 0.05


def test_black_holds_no_echo():
    picture = drawn_picture("ultrasound", 96)
    outside = picture == 0
    assert outside.mean() > 0.1

    for one in pack("ultrasound"):
        if one.id != "us-depth":
            assert (one(picture, 5, "c", 1)[outside] == 0).all(), one.id


def test_gain_shadow_and_depth_are_as_large_as_they_say():
    for case in range(3):
        found = ultrasound.gain(flat(0.5), 12.0, drawn(case)) - 0.5
        assert np.abs(found) == pytest.approx(flat(0.2))
    lost = 0.9 - ultrasound.depth_gain(flat(0.9), 30.0, drawn(0))
    assert lost[-1, 0] == pytest.approx(0.5, abs=0.01)
    assert lost[0, 0] == pytest.approx(0, abs=0.01)
    dark = 0.9 - ultrasound.shadow(flat(0.9, (200, 200)), 0.25, drawn(0))[:, :, 0]
    assert dark.max() == pytest.approx(0.5)
    assert np.count_nonzero(dark[-1] > 0.25) == pytest.approx(50, abs=2)
    deeper = ultrasound.depth(flat(1.0, (100, 100)), 2.0, drawn(0))[:, :, 0]
    assert deeper.mean() == pytest.approx(0.25, abs=0.01)
    assert deeper[:50, 25:75].min() > 0.4


def test_stains_move_in_optical_density_and_white_stays():
    def moved(stain):
        """Density of a stain after a shift, over the one before; of one draw."""
        density = 0.8 * np.array(stain) / np.linalg.norm(stain)
        picture = flat(1.0, (4, 4), 3) * np.exp(-density)
        ratio = -np.log(photo.stain(picture, 0.25, drawn(0))) / density
        assert ratio == pytest.approx(np.full((4, 4, 3), ratio[0, 0, 0])), "the same stain"
        return ratio[0, 0, 0] - 1

    haematoxylin, eosin = moved([0.65, 0.70, 0.29]), moved([0.07, 0.99, 0.11])
    assert abs(haematoxylin) == pytest.approx(0.25)
    assert eosin == pytest.approx(-haematoxylin)
    assert moved([0.27, 0.57, 0.78]) == pytest.approx(0)
    assert photo.stain(flat(1.0, (4, 4), 3), 0.5, drawn(0)) == pytest.approx(flat(1.0, (4, 4), 3))


def test_defocus_spreads_a_point_over_a_disc():
    point = flat(0.0, (101, 101))
    point[50, 50] = 1.0
    found = photo.defocus(point, 0.1, drawn(0))[:, :, 0]

    y, x = np.mgrid[:101, :101] - 50
    away = np.hypot(y, x)
    assert found.sum() == pytest.approx(1)
    assert found[away < 7].mean() == pytest.approx(1 / (np.pi * 10.1**2), rel=0.05)
    assert np.abs(found[away > 15]).max() < 0.1 / (np.pi * 10.1**2)


def test_hairs_are_dark_and_more_are_the_same_and_others():
    white = flat(1.0, (500, 500))
    few, many = (photo.hair(white, n, drawn(2)) for n in (5.0, 20.0))

    assert (many <= few + 1e-3).all()
    assert few.min() == pytest.approx(1 - 0.9, abs=0.1)
    assert 0.005 < (few < 0.5).mean() < 0.03, "5 hairs of 0.6 x 0.005 at most"


def test_light_is_lost_by_its_share():
    found = photo.illumination(flat(0.8), 0.6, drawn(1))

    assert found.max() == pytest.approx(0.8)
    assert found.min() == pytest.approx(0.32)


def test_jpeg_of_grey_and_colour_is_pillows():
    colour = drawn_picture("photo", 64)
    found = photo.jpeg(colour, 30.0, drawn(0))

    assert np.abs(found * 255 - np.rint(found * 255)).max() < 1e-9, "8 bits by its nature"
    assert photo.jpeg(colour[:, :, :2], 30.0, drawn(0)).shape == (64, 64, 2)
    assert Image.fromarray(np.rint(found * 255).astype(np.uint8)).mode == "RGB"


def test_an_error_of_a_share_hits_that_share_and_the_same_cases_again():
    one = corruption("dicom-inverted")
    picture = flat(0.2, (2, 2))
    hit = np.array(
        [[one(picture, severity, f"c{n}", 1)[0, 0, 0] != 0.2 for severity in range(1, 6)]
         for n in range(400)]
    )  # fmt: skip

    assert hit.mean(axis=0) == pytest.approx([0.1, 0.25, 0.5, 0.75, 1.0], abs=0.06)
    assert (np.diff(hit.astype(int), axis=1) >= 0).all()
    other = [corruption("dicom-left-right")(np.arange(2.0)[None, :, None], 3, f"c{n}", 1)[0, 0, 0]
             for n in range(400)]  # fmt: skip
    assert 0.3 < np.mean((np.array(other) == 1) == hit[:, 2]) < 0.7, "errors are independent"


def test_what_a_misread_file_shows():
    picture = np.array([[0.0, 0.25], [1 / 4095, 1.0]])[:, :, None]

    assert dicom_path.inverted(picture) == pytest.approx(1 - picture)
    assert dicom_path.swapped(picture)[1, 0, 0] == pytest.approx(256 / 65535)
    assert dicom_path.swapped(picture)[1, 1, 0] == pytest.approx(0xFF0F / 65535)
    assert dicom_path.left_right(picture)[0, :, 0].tolist() == [0.25, 0.0]
    assert dicom_path.upside_down(picture)[:, 0, 0].tolist() == [1 / 4095, 0.0]
    shades = np.linspace(0, 1, 1000)[None, :, None]
    assert np.unique(dicom_path.bit_depth(shades, 3.0, drawn(0))).size == 8
