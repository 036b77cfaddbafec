"""Uncertainty beside noise and blur: by what it is measured, and that it finds what was planted."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, stats

from ml.checks.registry import State
from ml.checks.uncertainty import uncertainty
from ml.evidence.described import CaseImages
from ml.imaging.handcrafted import of_picture
from ml.imaging.picture import Picture
from ml.zoo.pictures import drawn_picture
from tests.ml.checks.wavering import wavering

ID = "uncertainty.{}_correlation:total"
NUMBERS = ("fine detail", "edge strength")


def described(pictures):
    """Pictures (n, h, w) of 0..1 as the pass over images measures them."""
    found = [of_picture(_picture(one), one.size) for one in pictures]
    numbers = np.array([[one.numbers[name] for name in NUMBERS] for one in found])
    n = len(pictures)
    return CaseImages(NUMBERS, numbers, np.zeros((n, 1024), np.float32), ("x",) * n)


def _picture(values):
    shown = Image.fromarray((values.clip(0, 1) * 255).astype(np.uint8))
    return Picture("image/png", shown.width, shown.height, 1, 8, "L", shown)


@pytest.fixture(scope="module")
def pictures():
    """One picture, 60 times."""
    return np.stack([drawn_picture("chest", 96)[..., 0]] * 60)


def found_of(result):
    return {one.id: one for one in result.estimates}, {one.id: one for one in result.findings}


def test_noise_and_blur_that_grow_with_doubt_are_found(make_sampled, quick, rng, pictures):
    samples, present = wavering(rng, n=60)
    evidence = make_sampled(samples, present)
    doubt = stats.entropy([samples.mean(axis=0), 1 - samples.mean(axis=0)], base=2)
    grain = rng.normal(size=pictures.shape)
    noisy = pictures + 0.2 * doubt[:, None, None] * grain
    widths = 2 * doubt * rng.uniform(0.8, 1.25, 60)  # pixels
    blurred = np.stack(
        [ndimage.gaussian_filter(one, by) for one, by in zip(pictures, widths, strict=True)]
    )

    for planted, amount, name, more in (
        (noisy, doubt, "noise", "grainier"),
        (blurred, widths, "blur", "smoother"),
    ):
        estimates, findings = found_of(
            uncertainty(replace(evidence, described=described(planted)), quick)
        )
        one = estimates[f"{name}_correlation:total"]
        assert one.value == pytest.approx(stats.spearmanr(doubt, amount).statistic, abs=0.02)
        assert findings[ID.format(name)].claim.startswith(
            f"In {more} images its total uncertainty is higher: rank correlation 0."
        )
        assert findings[ID.format(name)].state is State.INFO


def test_they_are_spearmans_of_the_measured_cases(make_sampled, quick, rng):
    samples, present = wavering(rng, n=80)
    numbers = rng.uniform(0.1, 1, (80, 2))
    numbers[:, 0] *= np.linspace(2, 1, 80)  # the wider apart the samples, the less noise
    numbers[5] = np.nan
    images = CaseImages(NUMBERS, numbers, np.zeros((80, 1024), np.float32), ("x",) * 80)

    estimates, findings = found_of(
        uncertainty(replace(make_sampled(samples, present), described=images), quick)
    )

    mean = np.delete(samples.mean(axis=0), 5)
    doubt, left = stats.entropy([mean, 1 - mean], base=2), np.delete(numbers, 5, axis=0)
    for name, beside in (("noise", left[:, 0]), ("blur", left[:, 1] / left[:, 0])):
        one = estimates[f"{name}_correlation:total"]
        assert one.value == pytest.approx(stats.spearmanr(doubt, beside).statistic)
        assert one.n == 79
    assert "total uncertainty is lower" in findings[ID.format("noise")].claim


def test_without_measured_images_it_is_not_assessed_once(make_sampled, quick, rng):
    samples, present = wavering(rng, n=60)

    estimates, findings = found_of(uncertainty(make_sampled(samples, present), quick))

    assert estimates["blur_correlation:epistemic"].value is None
    assert findings[ID.format("noise")].state is State.NOT_ASSESSED
    assert "handcrafted-baseline" in findings[ID.format("noise")].claim
    assert ID.format("blur") not in findings
