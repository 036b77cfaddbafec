"""What corruptions look like: drawn of a case exactly as the corrupt pass gives it a network."""

import io

import numpy as np
import pytest
from PIL import Image

from ml.corruptions import gallery
from ml.engine.cases import Case, prepare_case
from ml.engine.corrupt import corrupt, versions
from ml.engine.worsened import strips_left, worsened_job
from ml.imaging.declared import Input
from ml.imaging.intensity import to_unit
from ml.sandbox.results import ResultError
from tests.ml.imaging.test_mask import nifti
from tests.ml.intake.build import QUIET

GRAY = {"size": [24, 32], "intensity": {"window": [0, 200], "mean": 0.5, "std": 0.25}}
COLOUR = {"size": [24, 32], "colour": "rgb", "layout": "NHWC", "intensity": {"scale": 255}}
SEED = 7


@pytest.fixture
def image(tmp_path):
    """Waves in three colours that differ: what is drawn of one channel alone would show."""
    y, x = np.mgrid[:48, :64]
    waves = [100 + 80 * np.sin(x / 5 + k) * np.cos(y / 7) for k in range(3)]
    Image.fromarray(np.stack(waves, axis=2).astype(np.uint8)).save(tmp_path / "image.png")
    return tmp_path / "image.png"


def left(image, declared, wanted, out, case_id="a"):
    out.mkdir()
    inputs = {
        "input": declared,
        "cases": [{"case_id": case_id, "images": [str(image)]}],
        "seed": SEED,
        "strips": wanted,
    }
    return strips_left(out, worsened_job(inputs, out, QUIET), wanted)


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


class Remembers:
    """A session that keeps what it is given."""

    def __init__(self):
        self.given = []

    def run(self, batch):
        self.given += list(batch.copy())  # the pass may write to it again
        return np.zeros((len(batch), 2))


@pytest.mark.parametrize("declared", [GRAY, COLOUR])
def test_it_is_what_the_pass_gives_the_network(image, tmp_path, declared):
    names = ["gaussian-noise", "mr-motion", "dicom-left-right"]
    whole, case = Input.model_validate(declared), Case("a", (image,))
    session = Remembers()
    wanted = versions({"corruptions": names})
    corrupt(session, whole, [case], wanted, seed=SEED, reporter=QUIET)
    given = [to_unit(one, whole) for one in session.given]

    found = left(image, declared, [[name, "a"] for name in names], tmp_path / "out")

    assert len(given) == 3 * 5
    drawn = [pixels(data) for _, pictures in found for data in pictures[1:]]
    for one, picture in zip(drawn, given, strict=True):
        there = picture[:, :, 0] if one.ndim == 2 else picture
        assert one.shape[:2] == (24, 32)
        assert np.abs(one / 255 - there.clip(0, 1)).max() <= 0.5 / 255 + 1e-6
    assert {one.ndim for one in drawn} == ({2} if declared is GRAY else {3})


def test_the_first_is_the_case_as_it_is_and_all_have_one_black_and_white(image, tmp_path):
    whole = Input.model_validate(GRAY)
    unit = to_unit(prepare_case(Case("a", (image,)), whole), whole)
    (_, pictures), *_ = left(image, GRAY, [["gamma", "a"]], tmp_path / "out")

    rows = gallery(unit[:, :, 0].clip(0, 1), "gamma", case="a", seed=SEED)
    assert len(pictures) == 6
    for one, row in zip(pictures, rows, strict=True):
        assert np.array_equal(pixels(one), np.rint(row * 255).astype(np.uint8))
    means = [pixels(one).mean() for one in pictures]
    assert means == sorted(means, reverse=True), "gamma darkens, and no picture is stretched"


def test_the_case_draws_its_own_noise(image, tmp_path):
    one = left(image, GRAY, [["gaussian-noise", "a"]], tmp_path / "one")
    other = left(image, GRAY, [["gaussian-noise", "b"]], tmp_path / "other", case_id="b")

    assert one[0][1][0] == other[0][1][0]
    assert one[0][1][1] != other[0][1][1]


def test_an_image_that_cannot_be_prepared_costs_its_own_strips_alone(image, tmp_path):
    (tmp_path / "out").mkdir()
    cases = [
        {"case_id": "gone", "images": [str(tmp_path / "nothing")]},
        {"case_id": "a", "images": [str(image)]},
    ]
    wanted = [["gamma", "gone"], ["gamma", "a"]]
    inputs = {"input": GRAY, "cases": cases, "seed": SEED, "strips": wanted}

    found = strips_left(tmp_path / "out", worsened_job(inputs, tmp_path / "out", QUIET), wanted)

    (refused, none), (fine, pictures) = found
    assert (refused["code"], none) == ("image_missing", [])
    assert refused["message"]
    assert (fine["code"], len(pictures)) == ("", 6)


def lies():
    whole = {"pictures": [f"strip-0-{at}.png" for at in range(6)], "code": "", "message": ""}
    return [
        ({"strips": []}, "another number"),
        ({"strips": [whole | {"pictures": whole["pictures"][:5]}]}, "for each severity"),
        ({"strips": [whole | {"message": "refused"}]}, "for each severity"),
        ({"strips": [whole | {"code": 3}]}, "not as declared"),
        ({"strips": [whole | {"pictures": ["../image.png"] * 6}]}, "outside its folder"),
        ({"strips": [whole | {"pictures": ["text.png"] * 6}]}, "no PNG"),
    ]


@pytest.mark.parametrize(("result", "said"), lies())
def test_what_a_child_says_is_not_believed(image, tmp_path, result, said):
    out = tmp_path / "out"
    left(image, GRAY, [["gamma", "a"]], out)
    (out / "text.png").write_text("<script>")

    with pytest.raises(ResultError, match=said):
        strips_left(out, result, [["gamma", "a"]])


def test_of_a_volume_the_middle_slice_of_what_the_pass_gives_is_drawn(tmp_path):
    values = np.random.default_rng(1).integers(-900, 900, (10, 12, 7)).astype(np.int16)
    path = tmp_path / "volume.nii"
    path.write_bytes(nifti(values, np.diag([1.0, 1.0, 3.0, 1.0]), zipped=False))
    given = {"dims": 3, "size": [10, 12, 7], "intensity": {"window": [-1000, 1000]}}
    names = ["slice-thickness", "gaussian-noise", "dicom-left-right"]
    whole, session = Input.model_validate(given), Remembers()
    wanted = versions({"corruptions": names})
    corrupt(session, whole, [Case("a", (path,))], wanted, seed=SEED, reporter=QUIET)

    found = left(path, given, [[name, "a"] for name in names], tmp_path / "out")

    # Front above, the patient's right at the left; the fourth of seven slices.
    middle = [one[0, ::-1, ::-1, 3].T for one in session.given]
    drawn = [pixels(data) for _, pictures in found for data in pictures[1:]]
    assert len(drawn) == len(middle) == 15
    for one, there in zip(drawn, middle, strict=True):
        assert np.abs(one / 255 - there.clip(0, 1)).max() <= 0.5 / 255 + 1e-6
    first = (values[::-1, ::-1, 3].T + 1000) / 2000
    assert np.abs(pixels(found[0][1][0]) / 255 - first).max() <= 0.5 / 255 + 1e-6
