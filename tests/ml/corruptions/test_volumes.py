"""Corruptions of volumes: in space where the physics is, slice by slice elsewhere."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ml.corruptions import corruption, corruptions_for, pack
from ml.corruptions.generic import gaussian_blur, low_resolution
from ml.corruptions.registry import SEVERITIES
from ml.corruptions.space import IN_SPACE, thicker_slices
from ml.corruptions.volumes import corrupted_volume
from ml.drawn import drawn
from tests.elsewhere import said_elsewhere
from tests.ml.corruptions.solids import solid

SPACING = (2.0, 1.0, 1.0)
OF_VOLUMES = {
    one.id: one
    for modality in ("CT", "MR")
    for one in corruptions_for(modality, volumes=True)
}  # fmt: skip
EVERY = pytest.mark.parametrize("one", OF_VOLUMES.values(), ids=lambda one: one.id)
ANEW = {"gaussian-noise", "rician-noise", "ct-quantum-noise", "mr-coil-noise"}
SHARES = 40  # cases of which a share is hit


def of(one, volume, severity, case="c", seed=1, spacing=SPACING):
    return corrupted_volume(one, volume, spacing, severity, case, seed)


def rmse(one, volume, severity, case):
    found = of(one, volume, severity, case, seed=7)
    return float(np.sqrt(np.mean(np.square(found - volume))))


def test_a_model_of_volumes_gets_what_has_a_meaning_on_them():
    packs = {name: {one.pack for one in corruptions_for(name, volumes=True)}
             for name in ("CT", "MR", "US", "DX", "", "CT and MR")}  # fmt: skip

    assert packs["CT"] == {"generic", "ct", "volume", "dicom-path"}
    assert packs["MR"] == {"generic", "mr", "volume", "dicom-path"}
    assert packs["CT and MR"] == packs["CT"] | packs["MR"]
    assert packs["US"] == packs["DX"] == packs[""] == {"generic", "dicom-path"}
    assert "volume" not in {one.pack for one in corruptions_for("CT")}
    assert len(OF_VOLUMES) == 30


@EVERY
def test_every_severity_changes_a_drawn_volume_more(one):
    volume, n = solid(one.pack), SHARES if one.parameter == "share of the cases" else 12
    away = [
        np.mean([rmse(one, volume, severity, f"c{case}") for case in range(n)])
        for severity in range(SEVERITIES + 1)
    ]

    assert away == sorted(away)
    assert away[0] == 0 < away[1]


@EVERY
def test_shape_type_and_range_stay_and_so_does_what_was_given(one):
    for sides in ((5, 12, 9), (1, 8, 8), (3, 1, 1), (40, 6, 7)):
        volume = np.random.default_rng(2).random(sides, dtype=np.float32) * 1.4 - 0.2
        before = volume.copy()
        for severity in (1, SEVERITIES):
            found = of(one, volume, severity)
            assert (found.shape, found.dtype) == (volume.shape, np.float32)
            assert np.isfinite(found).all()
            assert 0 <= found.min() <= found.max() <= 1
        assert np.array_equal(volume, before)
        assert np.array_equal(of(one, volume, 0), before)
    with pytest.raises(ValueError, match="severity is 0 to 5"):
        of(one, volume, 6)


@EVERY
def test_nothing_is_rounded_to_eight_bits(one):
    if one.id in ("dicom-bit-depth", "dicom-byte-order"):
        pytest.skip("it rounds by its nature, and its formula says so")
    found = np.concatenate([of(one, solid(one.pack), 4, f"c{n}").ravel() for n in range(3)]) * 255

    inside = found[(found > 0) & (found < 255)]
    assert np.abs(inside - inside.round()).max() > 0.1


@EVERY
def test_slice_by_slice_it_is_what_a_picture_suffers(one):
    """With the draws of its slice; what is drawn once is the same in every slice."""
    if one.id in IN_SPACE:
        pytest.skip("it acts in space")
    volume, parts = solid(one.pack, slices=3, side=24), ("c", one.id)
    for severity in (2, 5):
        found = of(one, volume, severity)
        for at, plane in enumerate(volume):
            drawn_for = (1, *parts) if one.same_draw else (1, *parts, severity, at)
            expected = one.apply(
                plane[:, :, None].astype(float), one.value(severity), drawn(*drawn_for)
            )
            assert found[at] == pytest.approx(expected.clip(0, 1)[:, :, 0], abs=1e-6)
    assert one.same_draw or one.id in ANEW or np.array_equal(
        of(one, volume, 5), of(one, volume, 5, seed=2)
    )  # fmt: skip


@pytest.mark.parametrize("name", sorted(ANEW))
def test_noise_is_anew_in_every_slice(name):
    flat = np.full((2, 32, 32), 0.5, np.float32)
    first, second = of(corruption(name), flat, 2) - flat

    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.15


@pytest.mark.parametrize("name", ["mr-motion", "mr-spike", "ct-metal", "dicom-left-right"])
def test_what_is_drawn_once_is_the_same_in_all_slices(name):
    one = corruption(name)
    slice_ = solid(one.pack, slices=3)[1]
    found = of(one, np.stack([slice_, slice_]), 4)

    assert np.array_equal(found[0], found[1])


def test_a_file_that_is_read_wrongly_is_read_wrongly_as_a_whole():
    one, volume = corruption("dicom-inverted"), solid(slices=5)
    hit = [
        {bool(np.allclose(a, 1 - b, atol=1e-6)) for a, b in
         zip(of(one, volume, 3, f"c{n}"), volume, strict=True)}
        for n in range(20)
    ]  # fmt: skip

    assert all(len(slices) == 1 for slices in hit)
    assert {True} in hit
    assert {False} in hit


def test_random_numbers_depend_on_seed_case_and_severity_alone():
    for one in OF_VOLUMES.values():
        volume = solid(one.pack, slices=4, side=20)
        first = of(one, volume, 3, "a")
        of(one, volume, 5, "b", seed=2)
        assert np.array_equal(of(one, volume, 3, "a"), first), one.id
    for name in ("bias-field", *ANEW):
        one = corruption(name)
        first = of(one, solid(), 3, "a")
        assert not np.array_equal(of(one, solid(), 3, "b"), first)
        assert not np.array_equal(of(one, solid(), 3, "a", seed=2), first)


def test_a_blur_is_a_ball_in_millimetres():
    """Slices of 2 mm and pixels of 1 mm: two pixels are one slice. Where rows are longer too."""
    volume = solid()
    found = of(corruption("gaussian-blur"), volume, 2)
    assert found == pytest.approx(gaussian_filter(volume, (0.5, 1, 1)), abs=1e-5)

    thick = of(corruption("gaussian-blur"), volume, 4, spacing=(5.0, 2.0, 1.0))
    assert thick == pytest.approx(gaussian_filter(volume, (0.5, 1.25, 2.5)), abs=1e-5)


def test_low_resolution_is_that_of_pictures_and_makes_no_slice_longer_than_a_pixel():
    volume, one = solid(slices=24), corruption("low-resolution")
    thick = of(one, volume, 2, spacing=(2.0, 1.0, 1.0))  # new pixels as long as slices are
    for at, plane in enumerate(volume):
        expected = low_resolution(plane[:, :, None].astype(float), 2.0, drawn(1))
        assert thick[at] == pytest.approx(expected[:, :, 0].clip(0, 1), abs=1e-5)

    along = of(one, volume, 4, spacing=(2.0, 1.0, 1.0))  # new voxels of 4 mm: two slices in one
    planes = [low_resolution(plane[:, :, None].astype(float), 4.0, drawn(1)) for plane in volume]
    pairs = np.stack(planes)[..., 0].reshape(12, 2, 40, 40).mean(axis=1)
    assert along[2::2] == pytest.approx(0.25 * pairs[:-1] + 0.75 * pairs[1:], abs=1e-5)
    assert along[0] == pytest.approx(pairs[0], abs=1e-5)


def test_a_bias_field_is_smooth_along_every_axis_and_spans_its_ratio():
    flat = np.full((20, 30, 25), 0.2, np.float32)
    field = IN_SPACE["bias-field"](flat, SPACING, 3.0, drawn(1)) / 0.2

    assert field.max() / field.min() == pytest.approx(3.0, rel=1e-5)
    assert field.max() * field.min() == pytest.approx(1.0, rel=1e-5)
    exponent = np.log(field.astype(float))
    for axis in range(3):
        assert np.ptp(exponent, axis=axis).max() > 0.05
        # A polynomial of the third degree has no fourth difference.
        assert np.abs(np.diff(exponent, 4, axis=axis)).max() < 1e-5


def test_thick_slices_are_means_side_by_side_and_lines_between_their_middles():
    column = np.arange(6, dtype=np.float32)[:, None, None]
    found = thicker_slices(column, (2.0, 1.0, 1.0), 4.0, drawn(1))[:, 0, 0]
    # Slices 0 and 1, 2 and 3, 4 and 5 become one each: 0.5, 2.5, 4.5 at places 0.5, 2.5, 4.5.
    assert found == pytest.approx([0.5, 1.0, 2.0, 3.0, 4.0, 4.5])
    # 10 mm over slices of 2 mm: the stack of two lies in the middle of 12 mm, and of what lies
    # beyond the volume nothing is counted: means of 0, 1, 2 and of 3, 4, 5.
    wide = thicker_slices(column, (2.0, 1.0, 1.0), 10.0, drawn(1))[:, 0, 0]
    assert wide == pytest.approx([1.0, 1.6, 2.2, 2.8, 3.4, 4.0])
    # Thicker than the whole: one mean.
    assert thicker_slices(column, (2.0, 1.0, 1.0), 50.0, drawn(1))[:, 0, 0] == pytest.approx(
        [2.5] * 6
    )
    for mm in (1.0, 2.0):
        assert thicker_slices(column, (2.0, 1.0, 1.0), mm, drawn(1)) is column


def test_a_small_thing_is_lost_in_thick_slices_and_a_long_one_is_not():
    volume = np.zeros((30, 9, 9), np.float32)
    volume[14, 2, 2] = volume[:, 6, 6] = 1
    found = of(corruption("slice-thickness"), volume, 5, spacing=(1.0, 1.0, 1.0))  # 15 mm

    assert found[:, 2, 2].max() == pytest.approx(1 / 15, abs=1e-6)
    assert found[:, 6, 6] == pytest.approx(1.0)


def test_slices_that_are_thick_already_stay_as_they_are():
    one, volume = corruption("slice-thickness"), solid()
    away = [np.abs(of(one, volume, severity, spacing=(7.5, 1, 1)) - volume).max()
            for severity in range(1, 6)]  # fmt: skip

    assert away[:3] == [0, 0, 0] < away[3:]


def test_it_is_of_volumes_alone():
    (one,) = pack("volume")

    with pytest.raises(ValueError, match="does not know its neighbours"):
        one(np.zeros((4, 4, 1)), 1, "c", 1)
    assert one.parameter == "thickness of a slice, in mm"
    assert one.formula
    assert one.source


def test_severities_that_run_backwards_are_seen():
    for name in ("slice-thickness", "gaussian-blur", "mr-motion"):
        one = corruption(name)
        wrong = replace(one, values=one.values)
        object.__setattr__(wrong, "values", tuple(reversed(one.values)))
        away = [rmse(wrong, solid(), severity, "c") for severity in range(1, 6)]
        assert away != sorted(away)


def test_another_process_corrupts_alike():
    code = (
        "import hashlib;"
        "from tests.ml.corruptions.test_volumes import OF_VOLUMES, of, solid;"
        "print({name: hashlib.sha256(of(one, solid(one.pack, 6, 20), 4, 'c', 9).tobytes())"
        ".hexdigest() for name, one in reversed(OF_VOLUMES.items())})"
    )
    said = said_elsewhere(code)

    assert eval(said) == {
        name: hashlib.sha256(of(one, solid(one.pack, 6, 20), 4, "c", 9).tobytes()).hexdigest()
        for name, one in OF_VOLUMES.items()
    }


def test_of_a_single_slice_a_blur_is_that_of_the_picture():
    picture = solid(slices=3)[1]
    found = of(corruption("gaussian-blur"), picture[None], 3, spacing=(50.0, 1, 1))[0]

    expected = gaussian_blur(picture[:, :, None].astype(float), 1.5, drawn(1))
    assert found == pytest.approx(expected[:, :, 0].clip(0, 1), abs=1e-5)
