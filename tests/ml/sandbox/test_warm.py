"""A child that is kept: its start is paid once, and no job can spoil the next."""

import os
import signal
import time
from pathlib import Path

import pytest

from ml.sandbox import levels
from ml.sandbox.messages import GIB, Job, Limits
from ml.sandbox.warm import WarmChild

HOSTILE = "tests.ml.sandbox.hostile"


@pytest.fixture(params=levels.LEVELS)
def child(request, tmp_path):
    try:
        levels.choose(request.param)
    except levels.Unavailable as why:
        pytest.skip(str(why))
    limits = Limits(wall_seconds=60, cpu_seconds=20, memory_bytes=2 * GIB, isolation=request.param)
    kept = WarmChild(tmp_path, limits, module=HOSTILE, idle_seconds=30)
    yield kept
    kept.close()


def do(child, kind, inputs=None):
    with child.place() as place:
        return child.run(Job(kind, inputs or {}, place.out))


def test_the_second_job_finds_what_the_first_has_loaded(child):
    first, second = do(child, "count"), do(child, "count")

    assert [first.state, second.state] == ["done", "done"]
    assert [first.result["used"], second.result["used"]] == [1, 2]
    assert first.result["pid"] == second.result["pid"]
    assert second.seconds < first.seconds
    assert second.isolation["level"] == child.limits.isolation


def test_a_job_reads_its_inputs_and_the_shared_ones_and_no_earlier_jobs(child):
    do(child, "count")
    (child.shared / "model").write_text("shared")
    with child.place() as place:
        (place.inputs / "image").write_text("of this job")
        result = child.run(Job("count", {}, place.out)).result
    assert result["seen"] == [str(place.out)]  # where it works, beside no earlier folder
    assert not place.out.exists()


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("kill_self", "crashed"),
        ("segfault", "crashed"),
        ("break_down", "crashed"),
        ("memory_bomb", "out_of_memory"),
    ],
)
def test_after_a_job_that_went_wrong_comes_a_new_child(child, kind, state):
    assert do(child, "count").result["used"] == 1
    assert do(child, kind).state == state
    assert do(child, "count").result["used"] == 1


def test_a_job_cannot_close_the_next(child):
    assert do(child, "remember").result == {"true": True}  # nor its own, before it is done

    after = do(child, "count")

    assert after.state == "done"
    assert after.result["used"] == 1


def test_each_job_has_its_own_time(child, monkeypatch):
    child.limits = Limits(wall_seconds=30, cpu_seconds=1, isolation=child.limits.isolation)
    assert do(child, "count").state == "done"

    assert do(child, "loop").state == "timed_out"


def test_one_that_died_while_it_waited_is_replaced(child):
    do(child, "count")
    os.killpg(child.child.process.pid, signal.SIGKILL)
    wait_for(lambda: not child.child.runs())

    assert do(child, "count").result["used"] == 1


def test_it_is_ended_when_idle_and_after_many_jobs(tmp_path, monkeypatch):
    idle = WarmChild(tmp_path, Limits(wall_seconds=60), module=HOSTILE, idle_seconds=0.2)
    do(idle, "count")
    wait_for(lambda: idle.child is None)

    monkeypatch.setattr("ml.sandbox.warm.MOST_JOBS", 2)
    used = [do(idle, "count").result["used"] for _ in range(3)]
    idle.close()
    assert used == [1, 2, 1]


def test_nothing_is_left_open(tmp_path):
    before = sorted(entry.name for entry in Path("/proc/self/fd").iterdir())
    for _ in range(2):
        kept = WarmChild(tmp_path, Limits(wall_seconds=60), module=HOSTILE)
        do(kept, "count")
        kept.close()
    assert sorted(entry.name for entry in Path("/proc/self/fd").iterdir()) == before


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
