"""The table of networks is whole and of this code, and a part of it is measured anew."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.networks.comparing import CLOSE, apart, compared, held_against
from benchmarks.networks.page import (
    FORMATS,
    OF_SIZE,
    PAGE,
    close_enough,
    key,
    made_with,
    page,
    stored,
)
from benchmarks.networks.real import REAL, NotThere
from benchmarks.networks.rows import ROWS, Row
from ml.intake.architectures import TABLE
from tests.ml.program.networks import network

VARIABLE = "PLUMBLINE_NETWORK_PACKAGES"
BY_TITLE = {row.title: row for row in ROWS}
CELLS = [(row, size, kind) for row in ROWS for size in row.sizes for kind in OF_SIZE[size]]
QUICK = ("ViT", "UNet, 2-D", "UNet, 3-D", "SegResNet, 3-D")
# Half a minute for each format: the others are measured anew by `python -m benchmarks.networks`.
HEAVY = ("SwinUNETR, 3-D",)
# What a format cannot express; everything else is there with all its numbers.
LOST = "dropout of whole channels"


def words(cell: tuple[Row, str, str]) -> str:
    return "-".join([cell[0].title, *cell[1:]])


def test_the_networks_asked_for_are_in_the_table():
    assert {row.network for row in ROWS} == {
        "DenseNet121", "resnet18", "resnet50", "SEResNet50", "EfficientNetBN", "ViT", "UNet",
        "BasicUNet", "SegResNet", "SwinUNETR", "DynUNet", "AttentionUnet", "VNet",
    }  # fmt: skip
    assert {f"monai.{row.network}" for row in ROWS} <= set(TABLE)


def test_the_page_is_made_from_the_stored_results_and_those_are_of_these_networks():
    results = stored()

    assert list(results) == [key(*cell) for cell in CELLS] + [one.title for one in REAL]
    for row, size, kind in CELLS:
        assert results[key(row, size, kind)].items() >= made_with(row, size).items()
    assert PAGE.read_text(encoding="utf-8") == page(results)


@pytest.mark.parametrize("cell", CELLS, ids=words)
def test_every_stored_number_is_small_enough_or_says_why_it_is_not_there(cell):
    row, size, kind = cell
    result = stored()[key(row, size, kind)]
    assert close_enough(result)
    assert result["outputs"] is not None
    assert result["gradients"] is not None
    drops = stored()[key(row, size, "pt2")]["dropout"] is not None
    lost = kind == "onnx" and LOST in str(result["why"])
    assert (result["dropout"] is not None) == (drops and not lost)


@pytest.mark.parametrize("one", REAL, ids=lambda one: one.title)
def test_the_stored_numbers_of_packages_are_of_the_pinned_ones(one):
    result = stored()[one.title]

    assert result["sha256"] == one.sha256
    assert close_enough(result)
    assert None not in (result["outputs"], result["gradients"])


def measured_as_stored(row, kind):
    found, known = compared(row, "small", kind).to_json(), stored()[key(row, "small", kind)]
    assert close_enough(found)
    for name in ("outputs", "gradients", "dropout"):
        assert (found[name] is None) == (known[name] is None)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("title", QUICK)
def test_a_part_of_the_table_measured_anew(title, kind):
    measured_as_stored(BY_TITLE[title], kind)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("title", "kind"),
    [
        (title, kind)
        for title in BY_TITLE
        if title not in QUICK
        for kind in (tuple(FORMATS)[:1] if title in HEAVY else FORMATS)
    ],
)
def test_the_rest_of_the_table_measured_anew(title, kind):
    measured_as_stored(BY_TITLE[title], kind)


@pytest.mark.slow
@pytest.mark.parametrize("one", REAL, ids=lambda one: one.title)
def test_networks_of_packages_measured_anew(one):
    folder = os.environ.get(VARIABLE)
    if not folder:
        pytest.skip(f"{VARIABLE} names no folder with {one.package}")
    try:
        found = one.compared(Path(folder))
    except NotThere as missing:
        pytest.skip(str(missing))

    assert close_enough(found.to_json())


def test_a_package_that_is_not_the_pinned_one_is_not_opened(tmp_path):
    one = REAL[0]
    with pytest.raises(NotThere, match="holds no"):
        one.bytes_of(tmp_path)
    (tmp_path / one.file).write_bytes(b"PK")
    with pytest.raises(NotThere, match="SHA-256"):
        one.bytes_of(tmp_path)


def test_a_network_that_is_another_is_seen():
    """The comparison would find a wrong weight, and a sample that does not drop."""
    from ml.intake.pt2 import read_pt2

    net = network("unet-2d")
    program = read_pt2(net.path)
    name = next(name for name, value in program.weights.items() if value.ndim == 4)
    wrong = {**program.weights, name: program.weights[name].copy()}
    wrong[name][0, 0, 0, 0] += 0.1  # a factor would be taken out again by the normalisation

    other = replace(program, weights=wrong)
    found = held_against(net.module, other, net.shape, every=True)

    assert found["outputs"] > CLOSE
    assert found["dropout"] > CLOSE
    assert apart(torch.zeros(2), torch.zeros(2)) == float("inf")
