"""Masks for tests: boxes by hand, and any small masks."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays


def box(shape, low, high):
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return mask


def drawn(primitives, shape):
    """The mask that boxes and balls of the reference data make, later ones over earlier ones."""
    mask, index = np.zeros(shape, dtype=bool), np.indices(shape)
    for one in primitives:
        if one["type"] == "box":
            ends = zip(index, one["lo"], one["hi"], strict=True)
            inside = np.all([(at >= low) & (at < high) for at, low, high in ends], axis=0)
        else:
            parts = zip(index, one["center"], one["scale"], strict=True)
            inside = sum(((at - c) * scale) ** 2 for at, c, scale in parts) <= one["r"] ** 2
        mask[inside] = bool(one["value"])
    return mask


shapes = st.one_of(
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)),
)
mask_pairs = shapes.flatmap(
    lambda shape: st.tuples(arrays.arrays(bool, shape), arrays.arrays(bool, shape))
)
