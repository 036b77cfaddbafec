"""Corruptions: in floats, worse with every severity, the same in every process; and their pass."""

import hashlib

import numpy as np
import pytest

from ml.corruptions import Corruption, add, corruption, pack
from ml.corruptions.generic import CORRUPTIONS, bias_field, low_resolution, rician_noise
from ml.corruptions.registry import SEVERITIES
from ml.drawn import drawn
from ml.engine.cases import Case
from ml.engine.corrupt import corrupt, corrupt_job, versions
from ml.engine.passes import CORRUPT, PASSES, check_of
from ml.engine.predict import predict
from ml.evidence.passes import outputs_of
from ml.evidence.store import EvidenceError, table, write_table
from ml.imaging.declared import Input, Intensity
from ml.imaging.intensity import from_unit, to_unit
from tests.elsewhere import said_elsewhere
from tests.ml.engine.test_predict import model_file, session_of, stored_image
from tests.ml.intake.build import MANIFEST, QUIET

NAMES = [one.id for one in CORRUPTIONS]


def picture(size=(48, 40)):
    """Waves of all lengths, the long ones strongest, as pictures have them; no period of pixels."""
    noise = np.random.default_rng(5).standard_normal(size)
    away = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in size), indexing="ij"))
    found = np.fft.ifft2(np.fft.fft2(noise) / np.maximum(away, 1 / 48)).real
    return (0.5 + 0.2 * found / found.std()).clip(0, 1)[:, :, None]


@pytest.mark.parametrize("name", NAMES)
def test_every_severity_is_worse_than_the_one_before(name):
    one, clean = corruption(name), picture()
    away = [
        np.mean([np.square(one(clean, severity, f"c{n}", 1) - clean).mean() for n in range(20)])
        for severity in range(1, SEVERITIES + 1)
    ]

    assert away == sorted(away)
    assert away[0] > 0
    found = one(clean, SEVERITIES, "c", 1)
    assert found.shape == clean.shape
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_rounded_to_eight_bits(name):
    found = corruption(name)(picture(), 2, "c", 1) * 255

    inside = found[(found > 0) & (found < 255)]
    assert np.abs(inside - inside.round()).max() > 0.1


def test_random_numbers_depend_on_seed_case_corruption_and_severity_alone():
    noise, clean = corruption("gaussian-noise"), picture()
    first = noise(clean, 3, "a", 1)

    assert np.array_equal(first, noise(clean, 3, "a", 1))
    others = (noise(clean, 3, "b", 1), noise(clean, 3, "a", 2), noise(clean, 2, "a", 1))
    for other in others:
        assert not np.array_equal(first, other)
    residual = ((noise(clean, 2, "a", 1) - clean) / 0.04).ravel()
    assert abs(np.corrcoef(residual, ((first - clean) / 0.08).ravel())[0, 1]) < 0.1


def test_another_process_corrupts_alike():
    code = (
        "import hashlib, numpy as np; from ml.corruptions import pack;"
        "y, x = np.mgrid[:9, :7]; p = ((x * y) % 5 / 5.0)[:, :, None];"
        "print(hashlib.sha256(b''.join(one(p, 4, 'c', 9).tobytes()"
        " for one in pack('generic'))).hexdigest())"
    )
    said = said_elsewhere(code)
    y, x = np.mgrid[:9, :7]
    here = ((x * y) % 5 / 5.0)[:, :, None]
    copies = b"".join(one(here, 4, "c", 9).tobytes() for one in pack("generic"))

    assert said.strip() == hashlib.sha256(copies).hexdigest()


def test_parameters_are_what_they_say():
    flat, numbers = np.full((64, 64, 1), 0.5), drawn(0)

    gain = bias_field(flat, 3.0, numbers) / flat
    assert gain.max() / gain.min() == pytest.approx(3.0)
    assert gain.max() * gain.min() == pytest.approx(1.0)
    # Of no signal the magnitude is Rayleigh: its mean is sd * sqrt(pi / 2).
    dark = rician_noise(np.zeros((200, 200, 1)), 0.1, numbers)
    assert dark.mean() == pytest.approx(0.1 * np.sqrt(np.pi / 2), rel=0.02)
    stripes = np.tile([0.0, 1.0], 32)[None, :, None].repeat(64, axis=0)
    assert low_resolution(stripes, 2.0, numbers) == pytest.approx(np.full((64, 64, 1), 0.5))
    spread = corruption("gaussian-noise")(flat, 3, "c", 1) - flat
    assert spread.std() == pytest.approx(0.08, rel=0.05)


def test_grey_pictures_of_three_channels_stay_grey_and_colour_gets_its_own_noise():
    noise = corruption("gaussian-noise")
    grey = np.repeat(picture(), 3, axis=2)
    colour = grey * [1.0, 0.8, 0.6]

    found = noise(grey, 3, "c", 1)
    assert np.array_equal(found[:, :, 0], found[:, :, 2])
    own = noise(colour, 1, "c", 1) - colour
    assert abs(np.corrcoef(own[:, :, 0].ravel(), own[:, :, 2].ravel())[0, 1]) < 0.2


def test_a_grey_picture_stays_grey_whose_channels_are_normalised_each_by_its_own(rng):
    """As of ImageNet: back from float32 the channels are no longer equal to the last digit."""
    declared = Input(
        size=(16, 16), colour="rgb",
        intensity=Intensity(scale=255, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
    )  # fmt: skip
    grey = np.repeat(rng.random((16, 16, 1)), 3, axis=2)
    back = to_unit(from_unit(grey, declared), declared)
    assert np.ptp(back, axis=2).max() > 0

    found = corruption("gaussian-noise")(back, 3, "c", 1)
    assert np.ptp(found, axis=2).max() == 0


@pytest.mark.parametrize("name", NAMES)
def test_what_resizing_took_beyond_the_range_stays_a_number(name):
    """Bicubic resizing overshoots, and zeros stand for an image that could not be read."""
    beyond = picture() * 1.4 - 0.2
    assert beyond.min() < 0 < 1 < beyond.max()

    assert np.isfinite(corruption(name)(beyond, 3, "c", 1)).all()


def test_a_pack_of_its_own_can_be_added_once():
    one = Corruption("test-none", "t", "p", (1.0, 2.0, 3.0, 4.0, 5.0), 0.0, lambda p, v, n: p, "x")
    if not pack("x"):
        add(one)

    assert pack("x") == (one,) or pack("x")[0].id == "test-none"
    with pytest.raises(ValueError, match="two corruptions"):
        add(one)
    with pytest.raises(ValueError, match="further from harmless"):
        Corruption("b", "t", "p", (1.0, 0.5, 3.0, 4.0, 5.0), 0.0, lambda p, v, n: p)
    with pytest.raises(LookupError, match="there is no corruption"):
        corruption("fog")
    with pytest.raises(ValueError, match="severity"):
        corruption("gamma")(picture(), 6, "c", 1)


@pytest.mark.parametrize(
    ("intensity", "layout", "colour"),
    [
        ({"scale": 255}, "NCHW", "gray"),
        ({"scale": 255, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]}, "NHWC", "rgb"),
        ({"window": (-100, 400), "mean": 0.5, "std": 0.25}, "NCHW", "gray"),
        ({"clip": (-1000, 1000), "scale": 1000}, "NCHW", "gray"),
    ],
)
def test_what_a_model_takes_goes_to_the_unit_range_and_back(intensity, layout, colour, rng):
    declared = Input(size=(4, 5), layout=layout, colour=colour, intensity=Intensity(**intensity))
    unit = rng.random((4, 5, declared.n_channels))
    prepared = from_unit(unit, declared)

    assert prepared.shape == declared.shape
    assert to_unit(prepared, declared) == pytest.approx(unit, abs=1e-6)
    low = from_unit(np.zeros_like(unit), declared)
    given = Intensity(**intensity)
    raw = (given.clip or (0.0, 0.0))[0] / given.scale
    expected = (raw - np.asarray(given.mean or 0.0)) / np.asarray(given.std or 1.0)
    assert np.unique(low) == pytest.approx(np.unique(expected), abs=1e-6)


def test_the_pass_gives_the_models_outputs_of_each_copy(tmp_path):
    """The network answers by mean brightness: gamma darkens, and so the score falls."""
    session, declared = session_of(tmp_path)
    cases = [Case(f"c{shade}", (stored_image(tmp_path, shade),)) for shade in (120, 160)]
    wanted = versions({"corruptions": ["gamma", "gaussian-blur"]})

    found = corrupt(session, declared, cases, wanted, seed=1, batch=2, reporter=QUIET)
    clean = predict(session, declared, cases, reporter=QUIET)

    for case, shade in (("c120", 120), ("c160", 160)):
        bright = np.array(found.rows[case])[:, 1]
        dark = (shade / 255) ** np.array(corruption("gamma").values)
        expected = 1 / (1 + np.exp(10 - 20 * dark))
        assert bright[:5] == pytest.approx(expected, abs=1e-5)
        assert bright[5:] == pytest.approx([clean.rows[case][1]] * 5, abs=1e-5)


@pytest.fixture
def job(tmp_path):
    cases = [
        {"case_id": f"c{shade}", "images": [str(stored_image(tmp_path, shade))]}
        for shade in (30, 200)
    ]
    cases.insert(1, {"case_id": "gone", "images": []})
    model = {"path": str(model_file(tmp_path)), "manifest": MANIFEST}
    return {"model": model, "cases": cases, **PASSES[CORRUPT].params}


def test_the_job_leaves_a_row_for_each_copy_and_keeps_its_form(job, tmp_path):
    result = corrupt_job(job, tmp_path, QUIET)
    data = (tmp_path / result["table"]).read_bytes()
    ids = ["c30", "gone", "c200"]

    check_of(CORRUPT, job, 2)(data, ids)
    found = outputs_of(table(data), ids)
    assert found.outputs.shape == (3, 30, 2)
    assert np.isnan(found.outputs[1]).all()
    assert found.failures == {"gone": "no_image"}
    assert found.version(corruption="gamma", severity=5).tolist() == [19]
    assert found.version(corruption="bias-field").size == 5
    assert result["failed"] == 1
    # Whatever shard a case is in, its copies are the same.
    alone = corrupt_job({**job, "cases": job["cases"][2:]}, tmp_path, QUIET)
    other = outputs_of(table((tmp_path / alone["table"]).read_bytes()), ["c200"])
    assert other.outputs[0] == pytest.approx(found.outputs[2], abs=1e-6)


def test_a_table_that_lies_is_refused(job, tmp_path):
    result = corrupt_job(job, tmp_path, QUIET)
    honest = table((tmp_path / result["table"]).read_bytes())
    ids = ["c30", "gone", "c200"]

    def refused(changed, match):
        write_table(changed, tmp_path / "lie")
        with pytest.raises(EvidenceError, match=match):
            check_of(CORRUPT, job, 2)((tmp_path / "lie").read_bytes(), ids)

    def put(name, at, value):
        values = honest[name].to_pylist()
        values[at] = value
        place = honest.column_names.index(name)
        return honest.set_column(place, name, [values])

    refused(honest.slice(0, 60), "60 rows")
    refused(put("severity", 3, 5), "its column severity")
    refused(put("corruption", 0, "gamma"), "its column corruption")
    refused(put("case_id", 0, "c200"), "its cases")
    refused(put("output_1", 0, float("nan")), "no number")
    refused(put("output_1", 0, None), "has not one value")
    refused(put("output_1", 30, 0.5), "has not one value")
    refused(honest.drop_columns("output_1"), "its columns")
    refused(honest.append_column("more", honest["output_0"]), "further columns")
