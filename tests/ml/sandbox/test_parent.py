"""A child may do anything; the parent keeps its memory, its time and its temper."""

import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ml.sandbox.messages import GIB, MIB, Event, Job, Limits
from ml.sandbox.parent import PROJECT_ROOT, environment, run

HOSTILE = "tests.ml.sandbox.hostile"
QUICK = Limits(wall_seconds=30, cpu_seconds=20, memory_bytes=2 * GIB)


def start(kind, tmp_path, limits=QUICK, **options):
    return run(Job(kind, {"a": [1, None]}, tmp_path), limits=limits, module=HOSTILE, **options)


def inside(folder):
    """The processes that work in a folder; a child's own number means nothing outside it."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            here = entry.name.isdigit() and (entry / "cwd").readlink() == folder
            if here and (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_job_is_done_and_its_result_comes_back(tmp_path):
    outcome = start("echo", tmp_path)

    assert outcome.state == "done"
    assert outcome.result == {"inputs": {"a": [1, None]}, "out_dir": str(tmp_path)}
    assert outcome.exit_code == 0
    assert outcome.seconds > 0


def test_a_refusal_comes_back_with_file_and_row(tmp_path):
    outcome = start("refuse", tmp_path)

    assert outcome.state == "refused"
    assert [r.to_json() for r in outcome.refusals] == [
        {"code": "label_value", "message": "No number.", "file": "cases.csv", "row": 3}
    ]


def test_the_child_sees_no_secret(tmp_path, monkeypatch):
    for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "hush")

    outcome = start("environment", tmp_path)

    allowed = {*environment({}), "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "LC_CTYPE", "PWD"}
    allowed |= {
        "OPENBLAS_CORETYPE",
        "OPENBLAS_L2_SIZE",
        "ORT_DISABLE_TELEMETRY",
    }  # ml sets the last
    assert set(outcome.result["names"]) <= allowed
    assert outcome.result["cwd"] == str(tmp_path)
    assert outcome.result["group"] != os.getpgrp()


def test_kernels_that_were_chosen_for_this_processor_are_those_of_the_child_too():
    chosen = {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_L2_SIZE": "512"}

    assert environment({**chosen, "OPENBLAS_VERBOSE": "2"}).items() >= chosen.items()
    assert not {"OPENBLAS_CORETYPE", "OPENBLAS_VERBOSE"} & set(environment({}))
    assert "OPENBLAS_VERBOSE" not in environment({"OPENBLAS_VERBOSE": "2"})


def test_the_limits_hold_in_the_child(tmp_path):
    limits = Limits(cpu_seconds=7, memory_bytes=GIB, file_bytes=MIB, open_files=100)

    assert start("limits", tmp_path, limits).result == {
        "RLIMIT_AS": GIB,
        "RLIMIT_CPU": 7,
        "RLIMIT_FSIZE": MIB,
        "RLIMIT_NOFILE": 100,
        "RLIMIT_CORE": 0,
    }


@pytest.mark.parametrize("kind", ["memory_bomb", "abort"])
def test_too_much_memory_is_named(kind, tmp_path):
    outcome = start(kind, tmp_path)

    assert outcome.state == "out_of_memory"
    assert outcome.reason == "It needed more memory than is allowed (2 GiB)."


def test_an_endless_loop_ends_with_its_processor_time(tmp_path):
    outcome = start("loop", tmp_path, Limits(wall_seconds=60, cpu_seconds=1))

    assert outcome.state == "timed_out"
    assert outcome.exit_code == -signal.SIGXCPU


@pytest.mark.parametrize("kind", ["sleep", "claim_and_hang"])
def test_the_wall_limit_ends_a_child_that_waits(kind, tmp_path):
    outcome = start(kind, tmp_path, Limits(wall_seconds=1.5))

    assert outcome.state == "timed_out"
    assert outcome.seconds < 5
    assert outcome.result == {}


def test_a_killed_child_is_a_crash_with_a_sentence(tmp_path):
    outcome = start("kill_self", tmp_path)

    assert (outcome.state, outcome.exit_code) == ("crashed", -signal.SIGKILL)
    assert "killed from outside" in outcome.reason


def test_an_error_is_told_and_its_trace_is_in_the_log(tmp_path):
    outcome = start("break_down", tmp_path)

    assert outcome.state == "crashed"
    assert outcome.reason == "It failed: a screw came loose"
    assert any("RuntimeError: a screw came loose" in line for line in outcome.log)


@pytest.mark.parametrize("kind", ["leave_early", "nan_result"])
def test_no_result_is_a_crash(kind, tmp_path):
    assert start(kind, tmp_path).state == "crashed"


def test_garbage_is_log_and_cannot_forge_a_result(tmp_path):
    outcome = start("garbage", tmp_path)

    assert outcome.state == "done"
    assert outcome.result == {"true": True}
    assert "(the child sent a message that cannot be read)" in outcome.log
    assert all(line.isprintable() for line in outcome.log)
    assert not any("[31m" in line for line in outcome.log)  # the colour of a terminal


@pytest.mark.parametrize("kind", ["shout", "endless_line"])
def test_a_gigabyte_of_noise_stays_bounded(kind, tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    heard = []

    outcome = start(kind, tmp_path, on_event=heard.append)

    assert outcome.state == "crashed"
    assert "more than is allowed" in outcome.reason
    assert len(outcome.log) <= QUICK.log_lines
    assert sum(len(str(event.fields["line"])) for event in heard) < 2 * MIB
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200 * 1024  # kB


def test_a_file_over_the_limit_is_an_error(tmp_path):
    outcome = start("big_file", tmp_path, Limits(file_bytes=10 * MIB))

    assert outcome.state == "crashed"
    assert (tmp_path / "big").stat().st_size <= 10 * MIB


def test_a_grandchild_does_not_outlive_the_job(tmp_path, monkeypatch):
    """Where no filter keeps it from starting one."""
    monkeypatch.setattr("ml.sandbox.seccomp.available", lambda: False)
    outcome = start("spawn", tmp_path)

    assert outcome.state == "done"
    assert outcome.isolation == {"level": "limits", "walls": ["limits"]}
    wait_for(lambda: not inside(tmp_path))


def test_events_and_ticks_come_while_it_works(tmp_path):
    events, ticks = [], []

    outcome = start("talk", tmp_path, on_event=events.append, tick=lambda: ticks.append(1))

    assert outcome.state == "done"
    assert Event("log", {"line": "hello"}) in events
    assert [e.fields["done"] for e in events if e.kind == "progress"] == [1, 2]
    assert len(ticks) >= 3


def test_it_stops_on_request(tmp_path):
    outcome = start("sleep", tmp_path, should_stop=lambda: True)

    assert outcome.state == "stopped"
    assert outcome.seconds < 5


def test_what_tick_raises_ends_the_child(tmp_path):
    class LeaseLost(Exception):
        pass

    heard = []

    def tick():
        if heard:
            assert inside(tmp_path)
            raise LeaseLost

    with pytest.raises(LeaseLost):
        start("sleep", tmp_path, on_event=heard.append, tick=tick)
    wait_for(lambda: not inside(tmp_path))


def test_a_killed_parent_takes_its_child_along(tmp_path):
    script = textwrap.dedent(f"""
        from pathlib import Path
        from ml.sandbox.messages import Job
        from ml.sandbox.parent import run
        job = Job("sleep", {{}}, Path({str(tmp_path)!r}))
        run(job, module={HOSTILE!r}, on_event=lambda e: print(e.fields["line"], flush=True))
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout.readline().startswith("pid ")
        assert inside(tmp_path)
        parent.send_signal(signal.SIGKILL)
        wait_for(lambda: not inside(tmp_path))


def test_no_descriptor_is_left_open(tmp_path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        start("echo", tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
