"""Two pieces of work at once, where both release the interpreter's lock."""

import threading
from collections.abc import Callable
from typing import TypeVar

Input = TypeVar("Input")
Output = TypeVar("Output")


def side_by_side(
    work: Callable[[Input], Output], first: Input, second: Input
) -> tuple[Output, Output]:
    """The results of the same work on two inputs; the second is worked on by this thread.

    A thread is started for the first only: for work of a millisecond a pool would cost too much.

    Raises:
        Exception: what either piece of work raised.

    Example:
        >>> side_by_side(abs, -1, -2)
        (1, 2)
    """
    done: list[Output] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work(first))
        except BaseException as error:  # handed over to the thread that waits
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        other = work(second)
    finally:
        thread.join()
    if failed:
        raise failed[0]
    return done[0], other
