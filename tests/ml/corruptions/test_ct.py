"""CT: what is measured of each corruption is what its parameter says."""

import numpy as np
import pytest

from ml.corruptions import corruption, ct
from ml.corruptions.projections import GRID, from_grid, project, reconstruct, to_grid
from ml.drawn import drawn
from ml.zoo.pictures import drawn_picture


def disc(size, radius, value):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return (np.hypot(y, x) < radius * size) * value


RINGS = (0.02, 0.2, 0.4)


def in_rings(values):
    """Means over rings of frequency, 0.05 cycles per pixel wide."""
    axes = (np.fft.fftfreq(n) for n in values.shape)
    away = np.hypot(*np.meshgrid(*axes, indexing="ij"))
    return np.array([values[(away > a) & (away < a + 0.05)].mean() for a in RINGS])


def test_line_integrals_and_their_reconstruction():
    picture = disc(GRID, 0.3, 0.5)
    rays = project(picture)

    # The longest ray passes 0.6 sides of 0.5; single rays of a pixel grid are coarse.
    assert rays.max(axis=0).mean() == pytest.approx(0.3, rel=0.06)
    assert rays.sum(axis=0) / GRID == pytest.approx([picture.mean()] * rays.shape[1], rel=0.01)
    found = reconstruct(rays)
    inside = disc(GRID, 0.25, 1.0) > 0
    assert found[inside].mean() == pytest.approx(0.5, rel=0.01)
    assert np.abs(found[disc(GRID, 0.35, 1.0) == 0]).mean() < 0.01


def test_a_picture_that_is_not_square_keeps_its_place_on_the_grid():
    picture = np.zeros((60, 100, 1))
    picture[10:20, 80:90] = 1.0
    grid = to_grid(picture)

    back = from_grid(grid, picture)
    assert back.shape == (60, 100, 1)
    assert np.unravel_index(back[:, :, 0].argmax(), back.shape[:2])[1] in range(80, 90)
    assert back[14, 85, 0] == pytest.approx(1, abs=0.05)
    assert back[40, 20, 0] == 0


def test_quantum_noise_has_the_dose_and_the_texture_of_filtered_back_projection():
    flat = np.full((200, 200, 1), 0.5)
    noise = ct.quantum_noise(flat, 0.1, drawn(1)) - flat

    assert noise.std() == pytest.approx(0.01 * np.sqrt(9), rel=0.05)
    found = in_rings(np.abs(np.fft.fft2(noise[:, :, 0])) ** 2)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(200), np.fft.fftfreq(200), indexing="ij"))
    ramp = in_rings(frequency * np.cos(np.pi * frequency.clip(0, 0.5)) ** 4)
    assert found / found[1] == pytest.approx(ramp / ramp[1], rel=0.2)
    assert ramp[1] > 1.5 * ramp[0], "white noise would be even"


def test_quantum_noise_is_larger_where_rays_pass_through_more():
    picture = disc(128, 0.4, 0.5)[:, :, None]
    spread = np.std(
        [ct.quantum_noise(picture, 0.25, drawn(n)) - picture for n in range(40)], axis=0
    )[:, :, 0]

    assert spread[60:68, 60:68].mean() > 1.5 * spread[60:68, 2:8].mean()


def test_kernels_have_the_gain_that_they_state():
    size, cycles = 240, 30
    x = (np.arange(size) + 0.5) / size
    wave = (0.5 + 0.1 * np.cos(2 * np.pi * cycles * x))[None, :, None].repeat(8 * 30, axis=0)

    def contrast(picture):
        return np.ptp(picture[:, :, 0].mean(axis=0)) / np.ptp(wave)

    soft = ct.soft_kernel(wave, 0.01, drawn(0))
    assert contrast(soft) == pytest.approx(np.exp(-2 * (np.pi * cycles * 0.01) ** 2), rel=0.01)
    sharp = ct.sharp_kernel(wave, 2.0, drawn(0))
    assert contrast(sharp) == pytest.approx(1 + 2 * (1 - np.exp(-1)), rel=0.01)
    assert sharp.mean() == pytest.approx(0.5)


def test_beam_hardening_makes_a_cup():
    water = disc(200, 0.4, 0.5)[:, :, None]
    found = ct.beam_hardening(water, 0.2, drawn(0))[:, :, 0]

    middle, rim = found[95:105, 95:105].mean(), found[95:105, 25:29].mean()
    assert middle < rim - 0.02
    assert middle < 0.5
    assert found[:5].mean() == pytest.approx(0, abs=0.01)


def test_metal_is_white_and_darkest_between_the_rods():
    body = disc(200, 0.45, 0.5)[:, :, None]
    found = ct.metal(body, 60.0, drawn(3))[:, :, 0].clip(0, 1)

    rods = np.argwhere(found > 0.99)
    middle = np.round(rods.mean(axis=0)).astype(int)
    spread = rods - rods.mean(axis=0)
    along = np.linalg.svd(spread, full_matrices=False)[2][0]
    across = np.array([-along[1], along[0]])
    beside = np.round(middle + 20 * across).astype(int)
    assert found[tuple(middle)] < found[tuple(beside)] - 0.2
    assert np.abs(spread @ across).max() < 0.04 * 200, "both lie on the line"


def test_the_rods_of_a_case_stay_where_they_are():
    body, one = disc(128, 0.45, 0.4)[:, :, None], corruption("ct-metal")
    mild, strong = (one(body, severity, "c", 1) > 0.999 for severity in (1, 5))

    assert mild.any()
    assert strong[mild].all()
    assert not np.array_equal(mild, one(body, 1, "d", 1) > 0.999)


def test_truncation_brightens_the_rim_and_blackens_the_outside():
    body = disc(200, 0.45, 0.4)[:, :, None]
    found = ct.truncation(body, 0.4, drawn(0))[:, :, 0]
    radius = 0.4 * np.sqrt(0.5) * 200

    y, x = np.mgrid[:200, :200] - 99.5
    away = np.hypot(y, x)
    assert (found[away > radius + 1] == 0).all()
    assert found[(away > radius - 6) & (away < radius - 2)].mean() > found[away < 10].mean() + 0.05


def test_windows_are_off_by_what_they_say():
    picture = drawn_picture("ct", 32)

    for case in ("a", "b", "c", "d"):
        found = corruption("ct-window-centre").apply(picture, 0.2, drawn(case)) - picture
        assert np.unique(found.round(9)) in ([-0.2], [0.2])
    wide = ct.window_width(picture, 2.0, drawn(0))
    assert np.ptp(wide) == pytest.approx(2 * np.ptp(picture))
