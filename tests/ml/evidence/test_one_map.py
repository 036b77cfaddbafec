"""One map out of a table, or why there is none."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.evidence.one_map import map_of
from ml.evidence.packed import packed


def bytes_of(**columns):
    out = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), out)
    return out.getvalue().to_pybytes()


MAPS = [np.arange(12, dtype=np.float32) - 5, None, np.ones(12, np.float32)]
VOLUMES = {
    "case_id": ["a", "b", "c"],
    "score": [1.5, None, 2.5],
    "depth": [2, None, 2],
    "rows": [3, None, 3],
    "columns": [2, None, 2],
    "map": packed(MAPS),
    "error": [None, "no_image", None],
}


def test_a_map_comes_with_its_sides_and_score():
    found = map_of(bytes_of(**VOLUMES), "a")

    assert (found.sides, found.score, found.error) == ((2, 3, 2), 1.5, "")
    np.testing.assert_array_equal(np.frombuffer(found.values, "<f4"), MAPS[0])
    pictures = {name: column for name, column in VOLUMES.items() if name != "depth"}
    pictures |= {"rows": [3, None, 3], "columns": [4, None, 4]}
    assert map_of(bytes_of(**pictures), "c").sides == (3, 4)


def test_without_a_map_it_says_why_or_knows_no_such_case():
    found = map_of(bytes_of(**VOLUMES), "b")

    assert (found.sides, found.values, found.score, found.error) == ((), b"", None, "no_image")
    assert map_of(bytes_of(**VOLUMES), "d") is None
    assert map_of(bytes_of(**VOLUMES), "a", 0) is None, "it is of no structure"


@pytest.mark.parametrize("structure", [0, 1])
def test_of_a_structure_it_is_the_structures_own(structure):
    table = {**VOLUMES, "case_id": ["a", "b", "a"], "structure": [0, 0, 1]}
    found = map_of(bytes_of(**table), "a", structure)

    assert found.score == [1.5, 2.5][structure]
    assert map_of(bytes_of(**table), "a") is None
    assert map_of(bytes_of(**table), "a", 2) is None
