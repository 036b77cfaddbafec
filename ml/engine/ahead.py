"""The next batch is read and prepared while the device computes the one before."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Ready = TypeVar("Ready")


def ahead(
    items: Sequence[Item], prepare: Callable[[Item], Ready], *, on: bool
) -> Iterator[tuple[Item, Ready]]:
    """Every item with what is prepared of it, in order; one item is prepared ahead, no more.

    Decoders and compressors let other threads run while they work.

    Args:
        prepare: called in a thread of its own, one item at a time. What it raises is raised here
            when the item's turn comes.
        on: else every item is prepared when its turn comes.
    """
    if not on:
        yield from ((item, prepare(item)) for item in items)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        waiting = [pool.submit(prepare, item) for item in items[:1]]
        try:
            for at, item in enumerate(items):
                ready = waiting.pop().result()
                waiting += [pool.submit(prepare, one) for one in items[at + 1 : at + 2]]
                yield item, ready
                del ready
        finally:
            for one in waiting:
                one.cancel()
