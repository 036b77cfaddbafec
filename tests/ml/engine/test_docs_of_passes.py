"""The page of passes says what the code does."""

import re

from ml.checks.registry import _NEEDS
from ml.corruptions import pack
from ml.engine import attribute
from ml.engine.cost import Sizes
from ml.engine.explain_form import CLASS_MAPS, METHODS, map_cost, map_params, methods_there
from ml.engine.passes import PASSES
from ml.moves import MIRRORS, MOVES


def test_the_page_of_explanations_has_every_method_with_its_cost(repo_root):
    page = (repo_root / "docs" / "explanations.md").read_text()
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in page.splitlines()
        if line.startswith("| `")
    ]

    assert [row[0].strip("`") for row in rows] == list(methods_there())
    for name, title, of, forwards, backwards, params in rows:
        method, cost = METHODS[name.strip("`")], map_cost(map_params(name.strip("`")), Sizes())
        assert (title, of) == (method.title, method.of)
        assert (float(forwards), float(backwards)) == (cost.forwards, cost.backwards)
        assert params == ", ".join(f"`{key}` {value}" for key, value in method.params.items())
        assert f"\n**{title}** (" in page


def test_the_page_lists_passes_needs_methods_and_severities(repo_root):
    page = (repo_root / "docs" / "passes.md").read_text()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| `")
    ]
    table = {row[0].strip("`"): row[1:] for row in rows}

    for one in PASSES.values():
        assert table[one.need][0] == f"`{one.name}`"
        assert table[one.need][3].startswith("a program") == one.walks
        assert one.need in _NEEDS
    for method in methods_there():
        assert f"`{method}`" in page
    assert tuple(attribute.CLASS_MAPS) == CLASS_MAPS, "plans know them without torch"
    assert {one for one in CLASS_MAPS if METHODS[one].gradient} == set(CLASS_MAPS)
    for one in pack("generic"):
        parameter, *values = table[one.id]
        assert parameter == one.parameter
        assert tuple(map(float, values)) == one.values
    moves = {
        line.split("|")[1].strip(): line.split("|")[3]
        for line in page[page.index("## move") :].splitlines()
        if line.count("|") == 4
    }
    for one in MOVES:
        assert tuple(map(float, moves[one.id].split(","))) == one.values
    assert ", ".join(one.id for one in MIRRORS) in moves
    steps = PASSES["perturb"].params["steps"]
    assert re.search(rf"in {steps} equal steps", page)
    assert f"into {PASSES['randomise'].params['stages']} groups" in page
