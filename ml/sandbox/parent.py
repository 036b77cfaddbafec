"""The parent's side: start a child for one job, watch it, end it, say how it went."""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from ml.sandbox import levels
from ml.sandbox.ears import Ears
from ml.sandbox.launch import CannotStart, Child, environment
from ml.sandbox.messages import Answers, Event, Job, Limits, Outcome, job_line
from ml.sandbox.results import use_of
from ml.sandbox.view import PROJECT_ROOT

__all__ = ["CHILD_MODULE", "PROJECT_ROOT", "environment", "run", "work"]

CHILD_MODULE = "ml.sandbox.child"
TICK_SECONDS = 0.5
_LOOK_SECONDS = 2.0  # between looks at how much it has written


def run(
    job: Job,
    *,
    limits: Limits | None = None,
    on_event: Callable[[Event], None] | None = None,
    tick: Callable[[], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    module: str = CHILD_MODULE,
    answers: Answers | None = None,
) -> Outcome:
    """Run one job in a child process and wait for its end.

    Args:
        job: what to do; its inputs and results are JSON, never pickled.
        limits: what the child may use, and how it is locked in.
        on_event: called with every log line and progress report, within bounds.
        tick: called at least once a second; what it raises ends the child and goes on up.
        should_stop: asked at every tick; True ends the child.
        module: the child's entry; another one only in tests.
        answers: who answers what the child asks; without, a question ends it.

    Returns:
        The outcome; a child that misbehaves is an outcome, not an exception.
    """
    limits = limits or Limits()
    started = time.monotonic()
    try:
        isolation = levels.choose(limits.isolation)
        with Child(
            isolation, limits, module, read=job.readable(), write=[job.out_dir.absolute()]
        ) as child:
            return work(
                child, job, isolation, limits, started, on_event, tick, should_stop, answers=answers
            )
    except (levels.Unavailable, CannotStart) as problem:
        return Outcome("crashed", reason=f"{problem} Nothing was opened.")


def work(
    child: Child,
    job: Job,
    isolation: levels.Isolation,
    limits: Limits,
    started: float,
    on_event: Callable[[Event], None] | None,
    tick: Callable[[], None] | None,
    should_stop: Callable[[], bool] | None,
    *,
    ready: bool = False,
    keep: bool = False,
    answers: Answers | None = None,
) -> Outcome:
    """Have a child do a job, and watch it.

    Args:
        answers: who answers what it asks.
        ready: it has already said that its walls stand.
        keep: it is to wait for another job afterwards; the caller ends it if this one goes wrong.
    """
    number = secrets.token_hex(8)  # so that nothing said before can close this job
    ears = Ears(limits, on_event, number, isolation.walls)
    ears.ready = ready
    child.send(job_line(job, number), last=not keep and answers is None)
    ended_because = _watch(child, ears, job, started, limits, tick, should_stop, answers, keep)
    exit_code = 0
    if not (keep and ears.last and ended_because is None and child.runs()):
        exit_code = child.end()
        ears.finish(child.rest())
    problem = use_of(job.out_dir, most_bytes=limits.out_bytes, most_files=limits.out_files)
    outcome = ears.outcome(
        ended_because,
        exit_code,
        time.monotonic() - started,
        problem=problem,
        oom_killed=child.out_of_memory(),
    )
    return replace(outcome, isolation=isolation.to_json())


def _watch(
    child: Child,
    ears: Ears,
    job: Job,
    started: float,
    limits: Limits,
    tick: Callable[[], None] | None,
    should_stop: Callable[[], bool] | None,
    answers: Answers | None,
    keep: bool,
) -> str | None:
    """Listen until the child ends or has closed the job; why we ended it, or None."""
    next_tick, next_look = started, started + _LOOK_SECONDS
    while child.runs():
        now = time.monotonic()
        if now - started > limits.wall_seconds:
            return "timed_out"
        if now >= next_tick:
            next_tick = now + TICK_SECONDS
            if tick is not None:
                tick()
            if should_stop is not None and should_stop():
                return "stopped"
        if now >= next_look:
            problem = use_of(job.out_dir, most_bytes=limits.out_bytes, most_files=limits.out_files)
            if problem:
                return problem
            # A large folder takes a while to look through: not more than a tenth of the time.
            next_look = time.monotonic() + max(_LOOK_SECONDS, 10 * (time.monotonic() - now))
        wait = min(next_tick - now, started + limits.wall_seconds - now)
        if ears.asked is not None or (answers is not None and answers.busy):
            if answers is None:
                return "It asked for something that it is not given."
            _answer(child, ears, job, answers, max(wait, 0.0))
            wait = 0.0
        for source, piece in child.read(max(wait, 0.0)):
            ears.hear(source, piece)
        if ears.too_much:
            return "too_much"
        if ears.last and not child.closing:
            if keep:
                return None  # it waits for the next job
            child.send(b"", last=True)
    return None


def _answer(child: Child, ears: Ears, job: Job, answers: Answers, wait: float) -> None:
    """Take up what the child asked, or give it the answer once that is there."""
    if not answers.busy:
        assert ears.asked is not None
        question, ears.asked = ears.asked, None
        answers.ask(question, job.out_dir)
    answer = answers.wait(wait)
    if answer is not None:
        child.send(json.dumps(answer).encode() + b"\n")
