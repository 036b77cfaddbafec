"""Evidence of simulated pictures that were really measured, without a child process."""

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from ml.engine.describe import images_table
from ml.evidence.described import case_images_of
from ml.evidence.tables import Evidence, Prediction
from ml.imaging.handcrafted import described
from ml.zoo import stripes

CLASSES = ("falling", "rising")


def png(pixels):
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG", compress_level=0)
    return written.getvalue()


def measured(ids, pictures):
    """As the pass leaves it; None stands for a case that could not be read."""
    found = ["image_unreadable" if one is None else described([png(one)]) for one in pictures]
    return case_images_of(images_table(ids, found), ids)


def answers(score):
    score = np.asarray(score, dtype=np.float64)
    both = np.stack([1 - score, score], axis=1)
    return Prediction(CLASSES, ("rising",), "probabilities", both, score)


def cohort(n=80, *, planted="", network=stripes.score, seed=5, prefix="s"):
    """Pictures of stripes, two to a patient, and what a network says of them."""
    numbers = np.random.default_rng(seed)
    rises = np.arange(n) // 2 % 2 == 1
    pictures = [stripes.picture(one, numbers, planted=planted) for one in rises]
    ids = tuple(f"{prefix}{at:04d}" for at in range(n))
    modes = ["RGB" if one.ndim == 3 else "L" for one in pictures]
    return Evidence(
        ids, np.arange(n) // 2, "patient", tuple(CLASSES[int(one)] for one in rises),
        rises.astype(np.int64), CLASSES, ("rising",),
        prediction=answers([network(one) for one in pictures]),
        facts={"colour mode": tuple(modes), "width": (32.0,) * n},
        described=measured(ids, pictures),
    )  # fmt: skip


def without_scores(evidence, rows):
    """Some cases that the model failed on."""
    assert evidence.prediction is not None
    score = evidence.prediction.score.copy()
    score[rows] = np.nan
    failures = {evidence.case_ids[row]: "non_finite_output" for row in rows}
    return replace(evidence, prediction=replace(answers(score), failures=failures))
