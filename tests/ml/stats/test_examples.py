"""Every public function of the statistics shows how it is used; the examples are run as tests.

So does every way to make an object of a public class: its class and static methods.
"""

import importlib
import inspect
import pkgutil

import pytest

import ml.stats

MODULES = [one.name for one in pkgutil.walk_packages(ml.stats.__path__, "ml.stats.")]


def public(module):
    """Functions, and class and static methods of classes, that a module itself defines."""
    for key, one in vars(module).items():
        if key.startswith("_") or getattr(one, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(one):
            yield key, one
        elif inspect.isclass(one):
            for name, method in vars(one).items():
                if isinstance(method, classmethod | staticmethod) and not name.startswith("_"):
                    yield f"{key}.{name}", method.__func__


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_has_a_runnable_example(name):
    module = importlib.import_module(name)
    bare = [key for key, function in public(module) if ">>>" not in (function.__doc__ or "")]
    assert bare == []


def test_makers_of_objects_are_looked_at():
    """A test that looks at nothing passes."""
    makers = {key for name in MODULES for key, _ in public(importlib.import_module(name))}
    assert {"Calls.of", "Calls.table", "Clusters.singles", "auroc"} <= makers


@pytest.mark.parametrize("name", MODULES)
def test_what_returns_says_starts_in_one_column(name):
    """A second line that is indented reads as if it belonged to a name on the first."""
    lines = inspect.getsource(importlib.import_module(name)).splitlines()
    for at, line in enumerate(lines):
        if line.strip() != "Returns:":
            continue
        column = len(line) - len(line.lstrip()) + 4
        for said in lines[at + 1 :]:
            if len(said) - len(said.lstrip()) < column:
                break
            assert not said[column:].startswith(" "), f"{name}: {said.strip()}"
