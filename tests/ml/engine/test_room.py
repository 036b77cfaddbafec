"""Cases at once, and threads against processes: what is not clearly better is not taken."""

import threading
import time
from dataclasses import dataclass, field

import numpy as np
import pytest

from ml.engine import room
from ml.engine.fitting import in_pieces, short_of_memory
from ml.engine.plan import threads_of
from ml.engine.runtime import FUSED
from ml.engine.session import Session

CASES = np.ones((8, 4), dtype=np.float32)


@dataclass(frozen=True)
class Paced(Session):
    """Takes some seconds for a batch and some for each case, of the processor or asleep."""

    for_batch: float = 0.0
    for_case: float = 0.0
    most: int = 100
    asleep: bool = False
    sizes: list[int] = field(default_factory=list)
    side_by_side: list[int] = field(default_factory=list)
    fixed_batch: int | None = None
    n_classes: int = 1
    name: str = FUSED

    @property
    def runtime(self):
        return self.name

    @property
    def runtime_json(self):
        return {}

    def _raw(self, piece):
        self.sizes.append(len(piece))
        self.side_by_side.append(threading.active_count())
        if len(piece) > self.most:
            raise MemoryError
        seconds = self.for_batch + len(piece) * self.for_case
        until = time.process_time() + seconds
        if self.asleep:
            time.sleep(seconds)
        while not self.asleep and time.process_time() < until:
            pass
        return piece.mean(1, keepdims=True)


def test_every_size_that_there_is_time_for_is_measured():
    session = Paced(for_batch=0.02)
    found = room.by_batch(session, CASES, 0.0005)

    assert set(found) == {1, 2, 4, 8, 16, 32}
    assert found[1] > found[4] > found[32]
    assert room.chosen_batch(found) == 32
    assert room.chosen_batch({8: 1.0, 4: 0.96, 16: 1.2}) == 8
    assert room.chosen_batch({8: 1.0, 1: 0.8}) == 1
    assert room.chosen_batch({8: 1.0, 2: 0.91}) == 2
    assert room.chosen_batch({}) == 8
    assert room.by_batch(Paced(), CASES, room.SECONDS) == {}
    assert room.by_batch(Paced(fixed_batch=2), CASES, 0.001) == {}


def test_of_a_slow_network_few_cases_are_held_against_the_usual_number():
    """As of a network whose values of eight cases fit into no cache."""
    slow = Paced(for_case=0.001)
    found = room.by_batch(slow, CASES, room.SECONDS / 5)

    assert set(found) == {2, 8}
    assert set(slow.sizes) == {2, 8}
    assert room.chosen_batch({8: 0.155, 2: 0.122}) == 2


def test_what_does_not_fit_is_not_measured_and_not_chosen():
    session = Paced(most=11)
    found = room.by_batch(session, CASES, 0.0001)

    assert set(found) == {1, 2, 4, 8}
    assert session.fitted == [8]


def test_what_would_take_too_much_memory_is_not_tried(monkeypatch):
    monkeypatch.setattr(room._Memory, "would_be_short", lambda self, n: n > 8)
    session = Paced()
    room.by_batch(session, CASES, 0.0001)
    assert max(session.sizes) == 8


def test_memory_of_a_larger_batch_is_foretold_from_the_last(monkeypatch):
    held = room._Memory()
    held.note(8)
    assert not held.would_be_short(32), "no more was taken than this process ever held"
    held.at_rest = held.peak  # whatever the process that runs this test has held before
    monkeypatch.setattr(room, "_peak", lambda: held.at_rest + held.room // 2)
    held.note(8)
    assert held.would_be_short(32)
    assert not held.would_be_short(8)


def test_threads_are_taken_where_they_beat_as_many_processes(monkeypatch):
    alone = Paced(for_batch=0.2, asleep=True)

    quick = room.processes_or_threads(
        lambda threads: Paced(for_batch=0.02, asleep=True), alone, CASES, 0.001, 2
    )
    assert quick["quicker"] == "threads"
    assert 0.01 <= quick["all_threads"] < quick["one_thread_each"]
    assert max(alone.side_by_side) > threading.active_count(), "they run side by side"
    usual = room.processes_or_threads(
        lambda threads: Paced(for_batch=0.1, asleep=True), alone, CASES, 0.001, 2
    )
    assert usual["quicker"] == "processes", "two threads halve the time, two processes do as much"


def test_what_is_not_measured_says_why():
    def broken(threads):
        raise MemoryError

    one, two = Paced(), Paced(name="program")
    cases = [
        (1, lambda n: one, 0.0),
        (2, lambda n: one, 9.0),
        (2, broken, 0.0),
        (2, lambda n: two, 0),
    ]
    whys = [room.processes_or_threads(make, one, CASES, s, n)["reason"] for n, make, s in cases]
    assert ["one core" in whys[0], "too long" in whys[1], "cannot be run" in whys[2]] == [True] * 3
    assert "another runtime" in whys[3]


def test_the_card_says_how_many_threads_a_worker_takes():
    assert threads_of({"runtime": {"threads": 2}}) == 2
    for card in ({}, {"runtime": "x"}, {"runtime": {"threads": 99}}, {"runtime": {"threads": "2"}}):
        assert threads_of(card) == 1


def test_pieces_go_on_where_they_were_when_something_did_not_fit():
    asked, freed, fitted = [], [], []

    def compute(start, stop):
        asked.append((start, stop))
        if stop - start > (4 if start < 4 else 2):
            raise MemoryError
        return (start, stop)

    pieces = in_pieces(10, compute, fitted, lambda: freed.append(1))

    assert pieces == [(0, 3), (3, 6), (6, 8), (8, 10)]
    assert [asked.count(one) for one in pieces] == [1] * 4, "nothing is computed twice"
    assert (fitted, len(freed)) == ([2], 3)
    assert in_pieces(3, lambda start, stop: stop, [2]) == [2, 3]
    with pytest.raises(MemoryError):
        in_pieces(2, lambda start, stop: compute(0, 9), [])


@pytest.mark.parametrize(
    "said",
    [
        "std::bad_alloc",
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory",
        "CUDA failure 2: out of memory",
    ],
)
def test_complaints_about_memory_are_known_as_such(said):
    assert short_of_memory(RuntimeError(said))
    assert not short_of_memory(RuntimeError("shapes do not fit"))
    assert short_of_memory(MemoryError())
