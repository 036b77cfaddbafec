"""The examples in the docstrings of the component library hold."""

import doctest
import importlib

import pytest

MODULES = (
    "numbers",
    "states",
    "measures",
    "estimates",
    "charts.scale",
    "charts.ratings",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"portal.ui.{name}"))
    assert result.attempted
    assert not result.failed
