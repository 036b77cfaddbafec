"""MR: against MONAI where it does the same, against formulae elsewhere."""

import numpy as np
import pytest
from scipy.fft import fft2

from ml.corruptions import corruption, generic, mr
from ml.corruptions.registry import SEVERITIES
from ml.drawn import drawn
from ml.zoo.pictures import drawn_picture

PICTURE = drawn_picture("mr", 96, 80)


def monai():
    return pytest.importorskip("monai.transforms")


def theirs(transform, picture):
    return np.asarray(transform(picture.transpose(2, 0, 1).astype(np.float64))).transpose(1, 2, 0)


def test_the_stripes_of_a_spike_are_monais():
    """It sets the value of k-space, keeping its phase, and returns the real part."""
    at, strength = (9, 5), 0.3
    k = fft2(PICTURE[:, :, 0])
    value = k[at]
    added = strength * k[0, 0].real
    ours = mr.spiked(PICTURE, at, strength, np.angle(value)).real

    place = tuple(n // 2 + cycles for n, cycles in zip(PICTURE.shape[:2], at, strict=True))
    spike = monai().KSpaceSpikeNoise(place, float(np.log(np.abs(value) + added)))
    assert ours == pytest.approx(theirs(spike, PICTURE), abs=1e-6)


def test_the_magnitude_keeps_what_the_real_part_of_a_spike_loses():
    dark = np.full((64, 64, 1), 0.2)
    ours = mr.spike(dark, 2.0, drawn(1))

    # |x + height x exp(i phi)| over all phases: the mean of an ellipse's radius, not of x.
    phase = np.linspace(0, 2 * np.pi, 4000, endpoint=False)
    assert ours.mean() == pytest.approx(0.2 * np.abs(1 + 2.0 * np.exp(1j * phase)).mean(), rel=0.01)


def test_rician_noise_spreads_as_monais_does():
    flat = np.full((300, 300, 1), 0.1)
    ours = generic.rician_noise(flat, 0.08, drawn(2))
    transform = monai().RandRicianNoise(prob=1.0, std=0.08, sample_std=False)
    transform.set_random_state(1)
    peer = theirs(transform, flat)

    assert ours.mean() == pytest.approx(peer.mean(), rel=0.01)
    assert ours.std() == pytest.approx(peer.std(), rel=0.02)
    assert np.quantile(ours, 0.05) == pytest.approx(np.quantile(peer, 0.05), rel=0.03)


def test_gamma_is_monais_where_a_picture_reaches_both_ends():
    picture = (PICTURE - PICTURE.min()) / np.ptp(PICTURE)

    ours = generic.gamma(picture, 1.7, drawn(0))
    assert ours == pytest.approx(theirs(monai().AdjustContrast(1.7), picture), abs=1e-5)


def test_gibbs_ringing_keeps_a_rectangle_whose_middle_is_the_middle():
    found = mr.gibbs(PICTURE, 0.03, drawn(0))
    k = np.fft.fft2(PICTURE[:, :, 0])
    lines, columns = (np.fft.fftfreq(n) * 80 for n in PICTURE.shape[:2])
    limit = 1 / 0.06
    k[np.abs(lines) > limit] = 0
    k[:, np.abs(columns) > limit] = 0

    inverse = np.fft.ifft2(k)
    assert np.abs(inverse.imag).max() < 1e-12, "it is symmetric, so nothing is lost"
    assert found[:, :, 0] == pytest.approx(np.abs(inverse), abs=1e-12)


def test_noise_of_coils_lifts_air_as_a_chi_of_sixteen_parts():
    found = mr.coil_noise(np.zeros((300, 300, 1)), 0.05, drawn(4))

    squares = np.mean(np.square(found / 0.05))
    assert squares == pytest.approx(2 * mr.COILS, rel=0.01)
    bright = mr.coil_noise(np.full((300, 300, 1), 0.9), 0.01, drawn(4))
    assert bright.std() == pytest.approx(0.01, rel=0.02)


def test_a_surface_coil_has_its_ratio_about_one():
    for seed in range(4):
        gain = mr.surface_coil(np.ones((64, 48, 1)), 5.0, drawn(seed))
        assert gain.max() / gain.min() == pytest.approx(5.0)
        assert gain.max() * gain.min() == pytest.approx(1.0)


def test_ghosts_are_the_shifted_picture_at_half_the_rhythms_strength():
    point = np.zeros((96, 80, 1))
    point[40, 30] = 1.0
    found = mr.ghosting(point, 0.4, drawn(9))[:, :, 0]

    assert found[40, 30] == pytest.approx(1.0, abs=0.02)
    column = np.delete(found[:, 30], 40)
    assert np.abs(np.delete(found, 30, axis=1)).max() < 1e-12, "along the lines' axis alone"
    # Between pixels a ghost is spread out, but keeps its energy: two of half of 0.4.
    assert np.sqrt(np.square(column).sum()) == pytest.approx(0.4 / np.sqrt(2), rel=0.05)


def test_motion_keeps_the_middle_of_k_space_and_every_lines_strength():
    moved = 0.03
    shifts = drawn(7)
    n = mr.LINES // 8
    direction, length = shifts.uniform(0, 2 * np.pi, n), shifts.uniform(0.5, 1, n) * moved
    found = mr.motion(PICTURE, moved, drawn(7))

    # One line of k-space by hand: of the stretch that holds 20 cycles per side.
    line = 24
    cycles = np.fft.fftfreq(96)[line] * 80
    assert 16 <= cycles < 24
    at = n // 2 + 2
    columns = np.fft.fftfreq(80) * 80
    turn = cycles * length[at] * np.sin(direction[at]) + columns * length[at] * np.cos(
        direction[at]
    )
    expected = np.fft.fft2(PICTURE[:, :, 0])[line] * np.exp(-2j * np.pi * turn)
    signal = np.fft.fft2(PICTURE[:, :, 0])
    for row, cycle in enumerate(np.fft.fftfreq(96) * 80):
        stretch = min(max(int(np.floor(cycle / 8)) + n // 2, 0), n - 1)
        if stretch in (n // 2 - 1, n // 2):
            continue
        d = length[stretch] * np.array([np.sin(direction[stretch]), np.cos(direction[stretch])])
        signal[row] = signal[row] * np.exp(-2j * np.pi * (cycle * d[0] + columns * d[1]))
    assert signal[line] == pytest.approx(expected)
    assert found[:, :, 0] == pytest.approx(np.abs(np.fft.ifft2(signal)), abs=1e-12)


def test_undersampling_leaves_the_share_of_lines_that_it_states():
    one = corruption("mr-undersampling")
    point = np.zeros((256, 256, 1))
    point[0, 0] = 1.0
    for severity in range(1, SEVERITIES + 1):
        kept = [
            np.count_nonzero(np.abs(np.fft.fft(measured(point, one, severity, f"c{n}"))) > 1e-6)
            for n in range(30)
        ]
        assert np.mean(kept) / 256 == pytest.approx(1 / one.value(severity), abs=0.02)


def measured(point, one, severity, case):
    """Complex signal along the lines' axis: before the magnitude, which a point's phase needs."""
    numbers = drawn(1, case, one.id)
    chance = (1 / one.value(severity) - 0.08) / 0.92
    line = np.rint(np.fft.fftfreq(256, 1 / 256)).astype(int)
    mask = (numbers.random(256) < chance)[line % 256] | (np.abs(line) <= 0.08 * 128)
    whole = np.fft.ifft(np.fft.fft(point[:, 0, 0]) * mask)
    assert one(point, severity, case, 1)[:, 0, 0] == pytest.approx(np.abs(whole), abs=1e-12)
    return whole


def test_contrast_at_a_lower_field():
    tr_over_t1 = np.linspace(0.1, 3, 30)
    at_3_t = (1 - np.exp(-tr_over_t1))[None, :, None]
    shorter = 1 - np.exp(-tr_over_t1 * 2 ** (1 / 3))

    found = mr.field_strength(at_3_t, 1.5, drawn(0))
    assert found[0, :, 0] == pytest.approx(shorter)
