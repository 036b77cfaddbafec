"""Every corruption of every pack: worse with every severity, in floats, alike everywhere."""

import hashlib

import numpy as np
import pytest

from ml.corruptions import corruption, pack
from ml.corruptions.modality import PACKS
from ml.corruptions.registry import SEVERITIES
from ml.drawn import drawn
from tests.elsewhere import said_elsewhere
from tests.ml.corruptions.measured import (
    ALL,
    IN_PIXELS,
    backwards,
    distortions,
    picture_for,
    reversals,
    rmse,
)

EVERY = pytest.mark.parametrize("one", ALL, ids=lambda one: one.id)
# Noise, and the field of the generic pack: drawn for each severity, so one case proves nothing.
DRAWN_ANEW = {
    "gaussian-noise", "rician-noise", "bias-field", "ct-quantum-noise", "mr-coil-noise",
    "xray-dose", "us-speckle",
}  # fmt: skip
ROUNDS_BY_NATURE = {"photo-jpeg", "dicom-bit-depth", "dicom-byte-order"}


@EVERY
def test_every_severity_changes_a_drawn_picture_more(one):
    away = distortions(one, picture_for(one, 96))

    assert away == sorted(away)
    assert away[0] > 0


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_whose_severities_run_backwards_is_seen(name):
    for one in pack(name):
        assert reversals(backwards(one), picture_for(one, 64), 1), one.id


@pytest.mark.parametrize(
    "one", [one for one in ALL if one.id not in DRAWN_ANEW], ids=lambda one: one.id
)
def test_each_single_case_gets_worse_where_there_is_no_noise(one):
    picture = picture_for(one, 96)

    for case in ("a", "b", "c"):
        away = [rmse(one, picture, severity, case) for severity in range(SEVERITIES + 1)]
        assert away == sorted(away), case


@EVERY
@pytest.mark.parametrize("size", [(24, 30), (7, 9), (1, 1), (3, 64)])
def test_shape_type_and_range_stay_at_every_size(one, size):
    numbers = np.random.default_rng(3)
    for channels in (1, 3):
        picture = numbers.random((*size, channels))
        for severity in (0, 1, SEVERITIES):
            found = one(picture, severity, "c", 1)
            assert found.shape == picture.shape
            assert found.dtype == picture.dtype
            assert np.isfinite(found).all()
            assert found.min() >= 0
            assert found.max() <= 1
    assert one(picture.astype(np.float32), 3, "c", 1).dtype == np.float32


@EVERY
def test_pictures_of_one_intensity_and_beyond_the_range_stay_numbers(one):
    for value in (0.0, 0.4, 1.0):
        assert np.isfinite(one(np.full((24, 20, 1), value), SEVERITIES, "c", 1)).all()
    picture = picture_for(one, 24)
    beyond = (picture - picture.min()) / np.ptp(picture) * 1.6 - 0.3
    assert beyond.min() < 0 < 1 < beyond.max()
    assert np.isfinite(one(beyond, 3, "c", 1)).all()


@EVERY
def test_severity_nought_and_the_harmless_value_change_nothing(one):
    picture = picture_for(one, 48)

    assert np.array_equal(one(picture, 0, "c", 1), picture)
    found = one.apply(picture, one.harmless, drawn(1))
    # A JPEG of the best quality is still one, and 16 bits are still bits.
    loose = {"photo-jpeg": 0.03, "dicom-bit-depth": 1e-5}.get(one.id, 1e-12)
    assert np.abs(found - picture).max() <= loose


@EVERY
def test_the_picture_that_was_given_stays_as_it_was(one):
    picture = picture_for(one, 32)
    before = picture.copy()
    one(picture, SEVERITIES, "c", 1)

    assert np.array_equal(picture, before)


@EVERY
def test_nothing_is_rounded_to_eight_bits(one):
    if one.id in ROUNDS_BY_NATURE:
        pytest.skip("it rounds by its nature, and its formula says so")
    picture = picture_for(one, 48)
    found = np.concatenate([one(picture, 2, f"c{n}", 1).ravel() for n in range(3)]) * 255

    inside = found[(found > 0) & (found < 255)]
    assert np.abs(inside - inside.round()).max() > 0.1


@EVERY
def test_the_strength_is_the_same_on_every_picture_size(one):
    if one.id in IN_PIXELS:
        pytest.skip("it counts in pixels, and the documentation says so")
    small, large = (distortions(one, picture_for(one, side), 3) for side in (128, 256))

    # Edges of the finest parts are softer on the small picture: a fifth is allowed.
    assert small == pytest.approx(large, rel=0.2)


def test_noise_depends_on_case_seed_and_severity_and_on_nothing_else():
    for one in ALL:
        picture = picture_for(one, 32)
        first = one(picture, 3, "a", 1)
        one(picture, 5, "b", 2)  # whatever is done between
        assert np.array_equal(one(picture, 3, "a", 1), first), one.id
        assert np.array_equal(one(picture[:], 3, "a", 1), first), one.id
    for name in ("ct-quantum-noise", "mr-coil-noise", "xray-dose", "us-speckle"):
        one = corruption(name)
        picture = picture_for(one, 32)
        first = one(picture, 3, "a", 1)
        assert not np.array_equal(one(picture, 3, "b", 1), first)
        assert not np.array_equal(one(picture, 3, "a", 2), first)


def test_another_process_in_another_order_corrupts_alike():
    code = (
        "import hashlib;"
        "from tests.ml.corruptions.measured import ALL, picture_for;"
        "print({one.id: hashlib.sha256(one(picture_for(one, 40, 36), 4, 'c', 9).tobytes())"
        ".hexdigest() for one in reversed(ALL)})"
    )
    said = said_elsewhere(code)
    here = {
        one.id: hashlib.sha256(one(picture_for(one, 40, 36), 4, "c", 9).tobytes()).hexdigest()
        for one in ALL
    }

    assert eval(said) == here


def test_every_corruption_says_what_it_does():
    for one in ALL:
        assert one.formula, one.id
        assert one.source, one.id
        assert one.parameter, one.id
    prefixes = {"ct": "ct", "mr": "mr", "xray": "xray", "ultrasound": "us", "photo": "photo",
                "dicom-path": "dicom"}  # fmt: skip
    for name, prefix in prefixes.items():
        assert pack(name)
        assert all(one.id.startswith(f"{prefix}-") for one in pack(name))
