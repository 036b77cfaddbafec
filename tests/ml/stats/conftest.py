"""Published and recomputed values of other people's software, read where they lie."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REFDATA = Path(__file__).parents[4] / "shared" / "refdata"


class ReferenceCase:
    """One file: its input, and its expected values by metric and convention."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.input = document["input"]
        self.expected = document["expected"]

    @property
    def ratings(self) -> np.ndarray:
        return np.array(self.input["ratings"], dtype=float)

    def value(self, metric: str, **params: object) -> Any:
        found = [
            row["value"]
            for row in self.expected
            if row["metric"] == metric and params.items() <= row["params"].items()
        ]
        assert len(found) == 1, f"{metric} {params}: {len(found)} expected values"
        return found[0]


@pytest.fixture
def reference() -> Callable[[str], ReferenceCase]:
    def load(name: str) -> ReferenceCase:
        path = REFDATA / f"{name}.json"
        if not path.exists():
            pytest.skip(f"reference data is not beside this repository: {path}")
        return ReferenceCase(json.loads(path.read_text()))

    return load
