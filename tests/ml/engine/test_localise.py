"""Maps on masks of findings: geometry, known truths, and what a child is handed."""

import numpy as np
import pytest
from PIL import Image

from ml.engine.cases import Case
from ml.engine.explain import Maps
from ml.engine.localise import (
    Localiser,
    localise,
    mask_on_input,
    measured,
    orders_without_network,
    tolerance_of,
)
from ml.engine.localise_form import (
    MOST_READERS,
    PARAMS,
    localise_form,
    localise_rows,
    masks_in,
    readers_in,
)
from ml.evidence.localised import AREA, MARKED, MASS, POINTING, POSITIVE, TIMES, localised_of
from ml.evidence.store import table, write_table
from ml.imaging.declared import Input
from ml.imaging.decode import decode
from ml.imaging.mask import Mask, pack
from ml.imaging.picture import ImageError
from ml.imaging.prepare import prepare_picture
from tests.ml.intake.build import QUIET

SIDES = (16, 16)


def declared(size=SIDES, **more):
    return Input.model_validate({"size": list(size), "colour": "gray", **more})


def placed_of(folder, sides, size):
    path = folder / "picture.png"
    Image.new("L", sides[::-1]).save(path)
    return prepare_picture(decode(path.read_bytes()), declared(size))[1]


def quadrant(sides, *, top=True, left=True):
    mask = np.zeros(sides, np.uint8)
    rows = slice(0, sides[0] // 2) if top else slice(sides[0] // 2, None)
    columns = slice(0, sides[1] // 2) if left else slice(sides[1] // 2, None)
    mask[rows, columns] = 1
    return mask


@pytest.mark.parametrize("sides", [(16, 16), (64, 32), (8, 24), (100, 70), (15, 17)])
@pytest.mark.parametrize(("top", "left"), [(True, True), (True, False), (False, True)])
def test_a_mask_goes_the_way_of_its_picture(sides, top, left, tmp_path):
    """Larger, smaller, other proportions: the quadrant stays the quadrant."""
    placed = placed_of(tmp_path, sides, SIDES)

    found = mask_on_input(quadrant(sides, top=top, left=left), placed, SIDES)

    wrong = found != (quadrant(SIDES, top=top, left=left) == 1)
    edge = sides[0] % 2 + sides[1] % 2 + int(sides == (100, 70))
    assert wrong.sum() <= 16 * edge
    assert found.shape == SIDES


def test_pixels_of_a_mask_lie_where_the_pixels_of_the_picture_lie(tmp_path):
    """A picture that is its own mask: both are resized to the same place."""
    rng = np.random.default_rng(4)
    for sides in ((40, 80), (9, 33), (64, 64)):
        mask = np.zeros(sides, np.uint8)
        at = [int(rng.integers(0, side - side // 3)) for side in sides]
        mask[at[0] : at[0] + sides[0] // 3, at[1] : at[1] + sides[1] // 3] = 1
        path = tmp_path / "own.png"
        Image.fromarray(mask * 255).save(path)
        array, placed = prepare_picture(decode(path.read_bytes()), declared())
        found = mask_on_input(mask, placed, SIDES)
        picture = array.squeeze() > 127
        assert (found != picture).sum() <= 0.25 * max(found.sum(), 8)
        centre = [np.argwhere(one).mean(axis=0) for one in (found, picture)]
        assert np.abs(centre[0] - centre[1]).max() < 0.75


def test_a_mask_of_another_size_is_no_mask_of_the_picture(tmp_path):
    placed = placed_of(tmp_path, (64, 32), SIDES)

    with pytest.raises(ImageError) as caught:
        mask_on_input(np.zeros((32, 64), np.uint8), placed, SIDES)
    assert caught.value.code == "mask_grid"


def test_measures_by_hand():
    shown = np.array([[4.0, 2.0, 0.0], [1.0, 1.0, -8.0]])
    mask = np.array([[False, True, True], [False, True, False]])

    found = measured(shown, mask, 0.0)

    # Positive in all: 8; in the mask 2 + 1. The mask is half of the picture. The three most
    # relevant are 4, 2 and one of two ones, of which half counts.
    assert found[MASS] == 3 / 8
    assert found[TIMES] == (3 / 8) / (3 / 6)
    assert found["relevance_rank"] == 1.5 / 3
    assert found[POINTING] == 0
    assert measured(shown, mask, 1.0)[POINTING] == 1
    assert found["map_iou"] == 1 / 4  # at 2 and above: two pixels, one in the mask
    assert measured(-np.abs(shown), mask, 0.0) == {}
    assert measured(shown, np.zeros_like(mask), 0.0) == {}
    assert measured(shown, np.ones_like(mask), 0.0) == {}


def test_orders_without_a_network_have_positive_evidence():
    found = orders_without_network(
        np.zeros((4, 4), np.float32), np.random.default_rng(1).random((16, 12, 1)), "a", 3
    )

    assert {name: one.shape for name, one in found.items()} == dict.fromkeys(
        ("random", "centre", "edges"), (16, 12)
    )
    assert all(one.min() >= 0 < one.max() for one in found.values())
    again = orders_without_network(np.ones((4, 4), np.float32), np.zeros((16, 12, 1)), "a", 3)
    assert np.array_equal(found["random"], again["random"])


class Fixed:
    """An explainer whose map is 1 in one quadrant, whatever it is shown; at 8 x 8."""

    def __init__(self, top=True, left=True, sign=1.0):
        self.map = (sign * quadrant((8, 8), top=top, left=left)).astype(np.float32)

    def maps(self, arrays):
        n = len(arrays)
        return Maps(np.stack([self.map] * n), np.zeros(n), np.full(n, np.nan))


@pytest.fixture
def run(tmp_path):
    """The pass over three pictures of 32 x 64 pixels: with a mask and a reader, empty, without."""

    def made(explainer, mask=None, readers=("anna",), declared_as=None):
        sides, cases, masks = (32, 64), [], {}
        for at, name in enumerate(("marked", "empty", "none")):
            path = tmp_path / f"{name}.png"
            pixels = np.random.default_rng(at).integers(0, 255, sides, dtype=np.uint8)
            Image.fromarray(pixels).save(path)
            cases.append(Case(name, (path,)))
        own = quadrant(sides) if mask is None else mask
        kept = {
            "own": own,
            "no": np.zeros(sides, np.uint8),
            "half": own * (np.arange(own.shape[1]) < 16),
        }
        for name, labels in kept.items():
            (tmp_path / name).write_bytes(pack(Mask(labels.astype(np.uint8), None)))
        masks["marked"] = {"reference": str(tmp_path / "own")}
        masks["marked"] |= {f"reader:{one}": str(tmp_path / "half") for one in readers}
        masks["empty"] = {"reference": str(tmp_path / "no")}
        params = PARAMS | {"readers": list(readers)}
        input_as = declared_as or declared()
        localiser = Localiser(explainer, input_as, masks, localise_rows(params), 5)
        found = localise(localiser, cases, reporter=QUIET)
        from ml.engine.localise import _table

        ids = [case.case_id for case in cases]
        write_table(_table(ids, params, found), tmp_path / "t.parquet")
        data = (tmp_path / "t.parquet").read_bytes()
        localise_form(params, 2).check(data, ids)
        return localised_of(table(data), ["none", *ids, "never run"])

    return made


@pytest.mark.parametrize(
    ("top", "left", "mass"), [(True, True, (7.75 / 8) ** 2), (False, False, (0.25 / 8) ** 2)]
)
def test_a_map_of_one_quadrant_lies_in_it_or_nowhere_near(run, top, left, mass):
    found = run(Fixed(top, left))

    own = {name: found.of(name, "map", "reference") for name in (MASS, AREA, MARKED, POINTING)}
    assert own[MASS][1] == pytest.approx(mass)  # the border of the map's cells is interpolated
    assert own[POINTING][1] == float(top)
    assert own[AREA][1] == 0.25
    assert own[MARKED][1] == 16 * 32  # of the picture as it was handed in
    assert own[MARKED][2] == 0
    assert np.isnan(own[MASS][[0, 2, 3, 4]]).all()
    assert np.isnan(own[MARKED][[0, 3, 4]]).all()
    assert found.failures == {}


def test_readers_are_held_against_each_other_as_maps_of_0_and_1(run):
    found = run(Fixed())

    # The reader marked the left half of the reference: all of hers lies in it.
    assert found.of(MASS, "reader:anna", "reference")[1] == 1.0
    assert found.of(MASS, "map", "reader:anna")[1] == pytest.approx(0.5, abs=0.05)
    assert found.of("map_iou", "reader:anna", "reference")[1] == 0.5
    assert found.readers == ("reader:anna",)


def test_a_map_without_positive_evidence_is_a_state(run):
    found = run(Fixed(sign=-1.0))

    assert found.of(POSITIVE, "map", "reference")[1] == 0
    assert np.isnan(found.of(MASS, "map", "reference")[1])
    assert np.isfinite(found.of(MASS, "random", "reference")[1])


def test_a_mask_of_the_wrong_size_costs_its_case_alone(run):
    found = run(Fixed(), mask=quadrant((64, 32)), readers=())

    assert found.failures == {"marked": "mask_grid"}
    assert found.of(MARKED, "map", "reference")[2] == 0


def test_a_mark_that_vanishes_in_resizing_is_told_from_an_empty_mask(run):
    small = np.zeros((32, 64), np.uint8)
    small[0, 0] = 1
    found = run(Fixed(), mask=small, readers=(), declared_as=declared((4, 4)))

    assert found.of(MARKED, "map", "reference")[1] == 1
    assert found.of(AREA, "map", "reference")[1] == 0


def test_the_tolerance_is_half_a_cell():
    assert tolerance_of((16, 32), (8, 8)) == 2.0


def test_the_readers_of_most_cases_are_compared():
    def case(name, *readers):
        return {
            "case_id": name, "mask": None,
            "reader_masks": {one: {"sha256": f"{one}{name}"} for one in readers},
        }  # fmt: skip

    many = [f"r{at:02d}" for at in range(MOST_READERS + 3)]
    catalogue = {"cases": [case("a", *many), case("b", "r12"), {"case_id": "c"}]}

    assert readers_in(catalogue) == {"readers": [*many[: MOST_READERS - 1], "r12"]}
    assert list(masks_in(catalogue)) == ["a", "b"]
