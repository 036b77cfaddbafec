"""Every public function of the statistics shows how it is used; the examples are run as tests."""

import importlib
import inspect
import pkgutil

import pytest

import ml.stats

MODULES = [one.name for one in pkgutil.walk_packages(ml.stats.__path__, "ml.stats.")]


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_has_a_runnable_example(name):
    module = importlib.import_module(name)
    bare = [
        key
        for key, function in vars(module).items()
        if inspect.isfunction(function)
        and function.__module__ == name
        and not key.startswith("_")
        and ">>>" not in (function.__doc__ or "")
    ]
    assert bare == []
