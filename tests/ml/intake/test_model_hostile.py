"""Archives that read well and behave badly: each ends as a code or a state, and none as an error.

What a child may do besides, whatever made it do so, is held in ``tests/ml/sandbox``.
"""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
import yaml

from ml.sandbox.messages import GIB, Job, Limits
from ml.sandbox.parent import run
from tests.ml.intake.build import MANIFEST, codes, merged
from tests.ml.intake.test_model import refused

ROOT = Path(__file__).parents[3]
CODES = {
    "ran", "memory", "model_corrupt", "model_limit", "model_shape", "model_failed", "custom_op",
    "model_unloadable", "opset_unsupported", "archive_corrupt", "archive_path", "archive_limit",
    "pickle_refused",
}  # fmt: skip


def test_damaged_archives_are_run_or_refused_and_nothing_else(tmp_path):
    found = subprocess.run(
        [sys.executable, "-m", "tests.ml.intake.pt2_mutants", "3", "300", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=280,
    )  # fmt: skip

    assert found.returncode == 0, found.stderr[-2000:]
    counts = json.loads(found.stdout)
    assert sum(counts.values()) == 300
    assert set(counts) <= CODES
    assert counts["ran"] >= 15
    assert counts["model_corrupt"] >= 15
    assert not (tmp_path / "marker").exists()


class Says(torch.nn.Module):
    """Answers what a function makes of the picture; one weight, as any network has."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.one = answer, torch.nn.Parameter(torch.ones(1))

    def forward(self, image):
        return self.answer(image * self.one)


def folder_of(answer, folder):
    folder.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        free = ({0: torch.export.Dim("batch")},)
        exported = torch.export.export(
            Says(answer), (torch.zeros(2, 1, 8, 8),), dynamic_shapes=free
        )
        torch.export.save(exported, folder / "model.pt2")
    manifest = merged(MANIFEST, {"format": "pt2", "file": "model.pt2"})
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest))
    return folder


def pooled(image):
    return image.mean((2, 3))


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda image: (pooled(image) * 0 / 0).expand(-1, 2), "non_finite_output"),
        (lambda image: torch.softmax(pooled(image).expand(-1, 10**6), 1), "model_shape"),
        (lambda image: torch.softmax(pooled(image).expand(-1, 2), 1)[:1], "model_shape"),
        (lambda image: image, "model_shape"),
        (lambda image: torch.softmax(pooled(image).expand(-1, 2), 0), "output_kind"),
    ],
    ids=["nan", "a million classes", "one row for all", "the picture", "over the batch"],
)
def test_answers_that_are_none_are_refused(answer, code, tmp_path):
    assert codes(refused(folder_of(answer, tmp_path / "m"), tmp_path)) == [code]


def without_end(image):
    """A hundred terabytes, asked for by three numbers."""
    wide = pooled(image)[:, :, None].expand(-1, 2, 10**13) + 1
    return torch.softmax(wide.mean(2), 1)


def never(image):
    """No loop is needed: fifty products of matrices are 10^13 multiplications."""
    matrix = pooled(image)[:1].expand(6_000, 6_000).contiguous()
    for _ in range(50):
        matrix = torch.tanh(matrix @ matrix)
    return torch.softmax(pooled(image) + matrix[:1, :2], 1)


@pytest.mark.parametrize(
    ("answer", "state", "says"),
    [(without_end, "out_of_memory", "memory"), (never, "timed_out", "seconds")],
)
def test_a_network_that_takes_what_it_can_get_ends_with_its_child(answer, state, says, tmp_path):
    folder, out = folder_of(answer, tmp_path / "m"), tmp_path / "out"
    out.mkdir()
    limits = Limits(wall_seconds=60, cpu_seconds=6, memory_bytes=8 * GIB)

    outcome = run(Job("intake-model", {"path": str(folder)}, out), limits=limits)

    assert outcome.state == state, outcome.reason
    assert says in outcome.reason
    assert not list(out.rglob("files/*"))
