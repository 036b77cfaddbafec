"""Doubt moves with data and noise as it should: in the stored table, and trained again in small."""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from benchmarks.references.measuring import (
    BASE,
    CONDITIONS,
    IMAGES,
    LABELS,
    SIZES,
    Condition,
    measured,
)
from benchmarks.references.page import (
    EXPECTED,
    PAGE,
    STAYS,
    as_expected,
    change,
    column,
    interval,
    page,
    stored,
    verdict,
)
from benchmarks.references.pictures import Pictures, pictures_of
from ml.zoo.spots import spots
from ml.zoo.trained import Recipe, dropout_logits, features_of, logits_of, trained

STORED = stored()
SEEDS = sorted({row["seed"] for row in STORED["rows"]})
SMALL = Recipe(growth=8, blocks=(2,), steps=80, batch=32)


def test_every_condition_was_run_with_every_seed_and_nothing_else():
    there = [(row["condition"], row["seed"]) for row in STORED["rows"]]
    assert len(SEEDS) >= 3
    assert sorted(there) == sorted((one.name, seed) for one in CONDITIONS for seed in SEEDS)


def test_the_page_is_made_from_the_stored_results():
    assert PAGE.read_text(encoding="utf-8") == page(STORED)


@pytest.mark.parametrize(
    ("quantity", "ends", "want"),
    [one for one in EXPECTED if one[2] and not one[0].startswith("calibrated")],
)
def test_what_is_expected_is_shown_by_the_interval(quantity, ends, want):
    assert as_expected(change(STORED, quantity, ends), want)


def test_high_epistemic_cases_are_wrong_more_often_in_every_seed():
    for seed, low in zip(SEEDS, column(STORED, BASE, "failure_low"), strict=True):
        assert low > 0.5, seed
    assert interval(column(STORED, BASE, "failure"))[1] > 0.5


@pytest.mark.parametrize("noisy", [LABELS, IMAGES])
def test_aleatoric_rises_with_each_step_of_noise_in_every_seed(noisy):
    steps = np.diff([column(STORED, one, "aleatoric") for one in noisy], axis=0)
    assert (steps > 0).all()


def test_training_a_reference_stays_under_three_minutes():
    """Five members and the samples of one of them, on the most pictures; one processor."""
    rows = [row for row in STORED["rows"] if row["condition"] == BASE.name]
    assert max(row["processor_seconds"] for row in rows) < 180


@pytest.fixture(scope="session")
def small():
    """The same measurement on simulated pictures, with the smallest networks that show it."""
    pictures = Pictures(*spots(560, seed=5), "Simulated spots")
    conditions = {
        "few": Condition(40), "many": Condition(300), "noisy": Condition(300, label_noise=0.3),
    }  # fmt: skip
    return {
        name: measured(
            pictures, one, seed=0, members=4, samples=8, n_test=200, n_held=60, recipe=SMALL
        )
        for name, one in conditions.items()
    }


def test_a_new_training_in_small_shows_the_same_order(small):
    few, many, noisy = small["few"], small["many"], small["noisy"]
    assert few.epistemic > 2 * many.epistemic
    assert few.dropout_epistemic > many.dropout_epistemic
    assert noisy.aleatoric > many.aleatoric + 0.2
    assert few.aleatoric < many.aleatoric + 0.1
    assert many.failure_low > 0.5


def test_the_parts_of_each_measurement_sum_to_the_whole(small):
    for one in small.values():
        assert one.aleatoric + one.epistemic == pytest.approx(one.total)
        assert one.total < 1
        assert one.wrong_high <= min(one.wrong, one.n_high)


@pytest.fixture(scope="session")
def network():
    return trained(*spots(60, seed=1), 3, Recipe(growth=4, blocks=(1,), steps=8))


def test_a_seed_gives_one_network_and_another_seed_another(network):
    pictures, labels = spots(60, seed=1)
    recipe = Recipe(growth=4, blocks=(1,), steps=8)
    first = logits_of(network, pictures)
    assert np.array_equal(first, logits_of(trained(pictures, labels, 3, recipe), pictures))
    assert not np.allclose(first, logits_of(trained(pictures, labels, 4, recipe), pictures))


def test_dropout_is_switched_on_for_samples_alone(network):
    pictures, _ = spots(20, seed=2)
    at_rest = logits_of(network, pictures)
    samples = dropout_logits(network, pictures, 3, seed=1)
    assert np.array_equal(samples, dropout_logits(network, pictures, 3, seed=1))
    assert samples.std(axis=0).max() > 0
    assert np.array_equal(logits_of(network, pictures), at_rest)


def test_normalisation_has_the_statistics_of_the_training_pictures(network):
    """Of what enters its first normalisation, under the weights it ended with."""
    import torch

    pictures, _ = spots(60, seed=1)
    first = next(one for one in network.modules() if isinstance(one, torch.nn.BatchNorm2d))
    with torch.no_grad():
        entering = network.features.conv0(torch.from_numpy(pictures))
    assert torch.allclose(first.running_mean, entering.mean((0, 2, 3)), atol=1e-5)


def test_features_are_what_the_last_layer_reads(network):
    pictures, _ = spots(20, seed=2)
    out = network.class_layers.out
    again = features_of(network, pictures) @ out.weight.detach().double().numpy().T
    assert again + out.bias.detach().double().numpy() == pytest.approx(
        logits_of(network, pictures), abs=1e-5
    )


def test_training_stops_at_its_loss_and_refuses_nothing():
    pictures, labels = spots(20, seed=1)
    with pytest.raises(ValueError, match="expected"):
        trained(pictures, labels[:5], 0)


def test_one_picture_of_each_group_is_taken_and_labels_are_read(tmp_path):
    (tmp_path / "images").mkdir()
    rows = [("a", "g1", "tumour", 255), ("b", "g1", "tumour", 0), ("c", "g2", "none", 51)]
    lines = ["case_id,image,label,group"]
    for name, group, label, grey in rows:
        Image.new("L", (40, 50), grey).save(tmp_path / "images" / f"{name}.png")
        lines.append(f"{name},images/{name}.png,{label},{group}")
    (tmp_path / "cases.csv").write_text("\n".join(lines))
    described = {"title": "Made up", "positive": ["tumour"]}
    (tmp_path / "cohort.yaml").write_text(yaml.safe_dump(described))

    found = pictures_of(tmp_path)

    assert found.labels.tolist() == [1, 0]
    assert found.values.shape == (2, 1, 32, 32)
    assert found.values[:, 0, 0, 0] == pytest.approx([1.0, 0.2])
    assert found.sha256 != pictures_of(tmp_path, side=16).sha256


def test_asking_for_more_pictures_than_are_left_is_refused():
    pictures = Pictures(*spots(60, seed=1), "Simulated spots")
    with pytest.raises(ValueError, match="20 pictures are left"):
        measured(pictures, Condition(21), 0, n_test=30, n_held=10)


def test_verdicts_need_the_whole_interval():
    assert verdict((0.1, 0.02, 0.2)) == "rises"
    assert verdict((-0.1, -0.2, -0.02)) == "falls"
    assert verdict((0.1, -0.02, 0.2)) == "neither is shown"
    assert as_expected((-0.1, -0.2, -0.02), STAYS)
    assert not as_expected((0.1, 0.02, 0.2), STAYS)
    middle, low, high = interval(np.array([1.0, 2.0, 3.0]))
    assert (middle, low, high) == pytest.approx((2.0, 2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5))


@pytest.mark.slow
def test_one_condition_trained_again_gives_the_stored_numbers():
    folder = os.environ.get("PLUMBLINE_REFERENCES")
    if not folder:
        pytest.skip("PLUMBLINE_REFERENCES names no cohort folder")
    pictures = pictures_of(Path(folder))
    assert pictures.sha256 == STORED["sha256"]
    again = measured(pictures, SIZES[0], 0)
    assert again.epistemic == pytest.approx(column(STORED, SIZES[0], "epistemic")[0], abs=0.05)
