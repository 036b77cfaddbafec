"""Where a batch does not fit into memory every pass goes on with halves, with the same rows."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from ml.engine import predict
from ml.engine.fused import FusedWalker
from ml.engine.segment import by_patches
from ml.engine.session import Session
from ml.engine.smoke import noise
from ml.evidence.store import table
from ml.imaging.declared import Patch
from ml.program.walk import Walker
from tests.ml.engine.test_device import CLOSE, PASSED, job, numbers  # noqa: F401 - a fixture
from tests.ml.intake.build import QUIET


@contextmanager
def memory_for(most, *, rows=None):
    """No walk takes more than some cases at once; nor, behind drawn masks, more than some rows."""
    whole = {one: one.run for one in (Walker, FusedWalker)}
    refused = []

    def limited(kind):
        def run(self, inputs, **options):
            sizes = [len(one) for one in inputs if isinstance(one, torch.Tensor)]
            behind = len(self.program.inputs) > 1
            if max(sizes) > (most if rows is None or not behind else rows):
                refused.append(max(sizes))
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            return whole[kind](self, inputs, **options)

        return run

    try:
        for kind in whole:
            kind.run = limited(kind)
        yield refused
    finally:
        for kind, run in whole.items():
            kind.run = run


# Networks that are opened on the way are tried on three cases.
@pytest.mark.parametrize(
    ("name", "most"), [(name, 2 if name != "randomise" else 3) for name in PASSED]
)
def test_every_pass_halves_what_does_not_fit(name, most, job, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(predict, "_kept", {})
    run, params = PASSED[name]
    asked = job("densenet", **params, device="cpu") | {"batch": 5}
    expected = run(asked, tmp_path, QUIET)
    whole = numbers(table((tmp_path / expected["table"]).read_bytes()))

    with memory_for(most, rows=7) as refused:
        result = run(asked, tmp_path, QUIET)
    found = numbers(table((tmp_path / result["table"]).read_bytes()))

    assert refused
    assert result["failed"] == expected["failed"]
    assert len(found) == len(whole)
    assert np.abs(found - whole).max() <= CLOSE * np.abs(whole).max()
    # The runtime of perturb is that of the outputs and its maps'; attack runs copies of one case.
    if name not in ("perturb", "attack"):
        assert result["runtime"]["cases_at_once"] <= most


def test_samples_of_one_case_are_drawn_in_fewer_at_once(job, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(predict, "_kept", {})
    run, params = PASSED["samples"]
    asked = job("densenet", **params | {"samples": 30}, device="cpu")
    whole = numbers(table((tmp_path / run(asked, tmp_path, QUIET)["table"]).read_bytes()))
    with memory_for(8, rows=4) as refused:
        result = run(asked, tmp_path, QUIET)
    found = numbers(table((tmp_path / result["table"]).read_bytes()))

    assert refused
    assert result["runtime"]["samples_at_once"] == 4
    assert np.abs(found - whole).max() <= CLOSE * np.abs(whole).max()
    with memory_for(8, rows=0), pytest.raises(MemoryError):
        run(asked, tmp_path, QUIET)


def test_windows_are_halved_too():
    class Windows(Session):
        runtime_json: dict[str, str] = {}

        def _raw(self, piece):
            seen.append(len(piece))
            if len(piece) > 1:
                raise MemoryError
            return piece

    seen: list[int] = []
    image = np.random.default_rng(1).random((1, 8, 8), dtype=np.float32)
    found = by_patches(Windows(None, 1, maps="NCHW"), image, Patch(size=[4, 4], overlap=0))
    assert np.allclose(found, image)
    assert seen[:3] == [4, 2, 1]
    assert set(seen[3:]) == {1}


def test_features_of_a_batch_in_pieces_are_those_of_its_cases(job, monkeypatch):  # noqa: F811
    """A piece that fitted is not computed again, or its features would be there twice."""
    from ml.engine.features import tapped
    from ml.engine.program_session import as_session
    from ml.intake.pt2 import read_pt2
    from tests.ml.engine.small import small
    from tests.ml.engine.test_features import manifest_of

    program, manifest = read_pt2(small("densenet").path), manifest_of("densenet")
    taps = tapped(as_session(program, manifest), program, manifest, ["penultimate"])
    cases = noise(manifest.input, 8)
    _, whole = taps.run(cases)
    calls, run = [], FusedWalker.run

    def sometimes(self, inputs, **options):
        calls.append(len(inputs[0]))
        if len(inputs[0]) > 4 or (len(calls) == 3 and len(inputs[0]) > 2):
            raise MemoryError  # the second piece of four does not fit, as others came in between
        return run(self, inputs, **options)

    monkeypatch.setattr(FusedWalker, "run", sometimes)
    _, found = taps.run(cases)
    assert calls == [8, 4, 4, 2, 2]
    assert np.abs(found["penultimate"] - whole["penultimate"]).max() <= 1e-5
