"""Random numbers that depend on named things alone: never on a process, a batch or a shard."""

import hashlib

import numpy as np


def drawn(*parts: object) -> np.random.Generator:
    """A source of random numbers that depends on the parts alone, in any process.

    Args:
        parts: a seed, and what the numbers are for: a case's id, the number of a sample.

    Example:
        >>> [int(drawn(1, "a").integers(1000)) for _ in range(2)]
        [618, 618]
    """
    text = "|".join(map(str, parts))
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.SFC64(int.from_bytes(digest, "big")))
