"""The folders are the architecture: each may import only what is below it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "ml": set(),
    "portal": {"ml"},
    "workers": {"ml", "portal"},
    "client": set(),
    "demo": {"ml", "portal"},
    "benchmarks": {"ml", "portal", "workers"},
}
# Inside ml: what each room may look into. Names not listed (such as estimate) are shared words.
ROOMS_OF_ML = {
    "stats": {"estimate"},
    "evidence": {"estimate", "version"},
    "imaging": {"estimate", "sandbox", "intake"},
    "checks": {"stats", "evidence", "estimate", "limits", "protocol"},
}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_point_downwards(folder):
    for path in (ROOT / folder).rglob("*.py"):
        rooms = {name.split(".")[0] for name in imported(path)} & set(MAY_IMPORT)
        assert rooms <= MAY_IMPORT[folder] | {folder}, path


@pytest.mark.parametrize("room", ROOMS_OF_ML)
def test_rooms_of_ml_look_only_where_they_may(room):
    for path in (ROOT / "ml" / room).rglob("*.py"):
        seen = {name.split(".")[1] for name in imported(path) if name.startswith("ml.")}
        assert seen <= ROOMS_OF_ML[room] | {room}, path


def test_numerics_know_nothing_of_the_web():
    for path in (ROOT / "ml").rglob("*.py"):
        text = path.read_text().lower()
        assert "django" not in text, path
        assert "celery" not in text, path


def test_the_client_needs_nothing_but_the_standard_library():
    import sys

    for path in (ROOT / "client" / "plumb").rglob("*.py"):
        outside = {name.split(".")[0] for name in imported(path)} - set(sys.stdlib_module_names)
        assert outside <= {"plumb"}, path


def test_a_new_folder_of_code_has_its_place_in_the_house():
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {"client"}
    assert folders - {"tests"} <= set(MAY_IMPORT)
