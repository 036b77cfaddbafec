"""Every benchmark runs and its two sides agree. How fast they are is not tested."""

import json
from collections.abc import Iterable

import pytest

from benchmarks import engine, ood
from benchmarks.__main__ import GROUPS
from benchmarks.measuring import Result, Skipped, attempted
from benchmarks.statistics import agreement, discrimination, mrmc, segmentation

AREAS = {area.__name__.rpartition(".")[2]: area.run for area in
         (agreement, discrimination, mrmc, segmentation)}  # fmt: skip


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Sizes at which it only matters that both sides give the same answer."""
    for name, size in {"CASES": 24, "NETWORK": "ResNet18", "WHOLE": 60, "SHARDS": (8, 16)}.items():
        monkeypatch.setattr(f"benchmarks.audit.{name}", size)
    for name, size in {"SIDE": 64, "BATCH": 2, "SAMPLES": 3, "RUNS": 1}.items():
        monkeypatch.setattr(f"benchmarks.engine.{name}", size)
    # The others by the same code; compiling takes half a minute for each.
    monkeypatch.setattr("benchmarks.engine.NETWORKS", ("ResNet18", "ViT-S/16", "UNet"))
    monkeypatch.setattr("benchmarks.engine.COMPILED", ())
    monkeypatch.setattr("benchmarks.engine.OF_THE_LIMIT", {"ResNet18": 0.85})
    engine.chosen.cache_clear()
    explained = {
        "CASES": 2, "RUNS": 1, "SHORT_RUNS": 1, "NETWORKS": ("ResNet18", "ViT-S/16"),
        "OCCLUDED": ("ResNet18",),
    }  # fmt: skip
    monkeypatch.setattr("benchmarks.occluded.RUNS", 1)
    for name, value in explained.items():
        monkeypatch.setattr(f"benchmarks.explain.{name}", value)
    for name, value in {"NETWORK": "ResNet18", "RUNS": 1}.items():
        monkeypatch.setattr(f"benchmarks.ood.{name}", value)
    ood.seconds_of_a_forward.cache_clear()
    for name, value in {"CASES": 400, "WIDTH": 24, "RUNS": 1, "OF_SHORT": 1}.items():
        monkeypatch.setattr(f"benchmarks.detectors.{name}", value)
    monkeypatch.setattr("benchmarks.statistics.segmentation.SIZE", 48)
    monkeypatch.setattr("benchmarks.statistics.agreement.N", 500)
    monkeypatch.setattr("benchmarks.statistics.agreement.DRAWS", 400)
    monkeypatch.setattr("benchmarks.statistics.agreement.PEER_DRAWS", 400)
    monkeypatch.setattr("benchmarks.statistics.agreement.TOLERANCE", 0.02)


def check(results: Iterable[Result | Skipped]) -> None:
    seen = list(results)
    assert seen
    for result in seen:
        line = json.loads(result.json())
        if isinstance(result, Skipped):
            assert "make bench" in line["skipped"]
            continue
        assert line["agree"] is True
        assert line["ratio"] == pytest.approx(line["peer"] / line["ours"])


@pytest.mark.filterwarnings("ignore::FutureWarning:monai")  # theirs
@pytest.mark.parametrize("area", AREAS)
def test_statistics_agree_with_their_peers(area):
    check(AREAS[area]())


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # theirs, of the older exporter
@pytest.mark.filterwarnings("ignore::DeprecationWarning:benchmarks")
@pytest.mark.parametrize("name", sorted(set(GROUPS) - {"statistics"}))
def test_answers_agree(name):
    check(GROUPS[name]())


@pytest.mark.parametrize(
    ("ratio", "said"), [(0.847, "0.847x"), (0.84996, "0.84996x"), (0.85, "0.85x"), (1.5, "1.50x")]
)
def test_a_missed_goal_never_looks_met(ratio, said):
    line = Result("x", 1.0, ratio, "peer", ratio, 0.85, "s", "n", True).words()

    assert f" {said} peer (goal 0.85x)" in line
    assert (float(said.removesuffix("x")) >= 0.85) == (ratio >= 0.85)


def test_a_missing_peer_is_skipped_aloud_and_the_next_comparison_runs():
    def lacks_its_peer():
        import no_such_peer  # noqa: F401

    made = Result("x", 1.0, 2.0, "peer", 2.0, 1.0, "s", "n", True)
    skipped, result = attempted(lacks_its_peer, lambda: made)

    assert "no_such_peer is not installed" in skipped.words()
    assert result is made


def test_without_a_compiler_the_compiled_peer_is_skipped_aloud(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)

    skipped = engine.against_compiled("ResNet18")

    assert isinstance(skipped, Skipped)
    assert "C++ compiler" in skipped.words()
