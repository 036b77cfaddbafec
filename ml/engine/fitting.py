"""What does not fit into memory is computed in halves, and the number that fits is remembered."""

from collections.abc import Callable
from typing import TypeVar

Piece = TypeVar("Piece")
# How runtimes say it: allocators of torch and onnxruntime, the C++ library, CUDA.
_SAID = ("alloc", "out of memory")


def short_of_memory(error: BaseException) -> bool:
    """Whether a runtime's complaint is about memory; torch has no class of its own for it."""
    return isinstance(error, MemoryError) or any(said in str(error).lower() for said in _SAID)


def in_pieces(
    n: int,
    compute: Callable[[int, int], Piece],
    fitted: list[int],
    free: Callable[[], None] = lambda: None,
) -> list[Piece]:
    """Compute n things in as few pieces as fit. What was computed is not computed again.

    Args:
        compute: of the things from a place up to another; raises MemoryError where they are too
            many at once.
        fitted: empty, or how many fitted last time; written to.
        free: called before a smaller piece is tried.

    Raises:
        MemoryError: where a single one does not fit.
    """
    at, size, pieces = 0, min([n, *fitted]), []
    while at < n:
        piece = min(size, n - at)
        try:
            pieces.append(compute(at, at + piece))
        except MemoryError:
            if piece == 1:
                raise
            size = (piece + 1) // 2
            fitted[:] = [size]
        else:
            at += piece
            continue
        free()  # out here nothing holds what was computed in vain any more
    return pieces
