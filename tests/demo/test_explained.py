"""The demo's audit of explanations: as dear as it says, and not dearer."""

from demo import explained
from ml.engine.cost import Sizes
from ml.engine.passes import PASSES
from ml.engine.plan import plan
from ml.protocol import Protocol

CLASSES = {"task": "classification", "classes": ["tumour", "no tumour"], "positive": ["tumour"],
           "cases": []}  # fmt: skip


def test_it_asks_for_what_its_report_is_about():
    found = Protocol.parse(explained.protocol(Protocol.default(), 12))

    assert found.checks == explained.CHECKS
    assert {"explanation-faithfulness", "explanation-sanity", "shortcut"} < set(found.checks)
    assert (found.explanation_cases, found.shortcut_cases) == (12, explained.PLACES_CASES)
    assert not found.is_default


def test_it_runs_what_the_page_about_the_demo_counts():
    """docs/demo-data.md says how many forwards a case takes, and of how many."""
    rules = Protocol.parse(explained.protocol(Protocol.default()))
    planned = plan(rules, has_model=True, modality="MR", colour="rgb", catalogue=CLASSES)
    sizes = Sizes(outputs=4, positions=49, features=1000)
    counted = {
        one.name: (one.params.get("most_cases"), PASSES[one.name].cost(one.params, sizes).forwards)
        for one in planned
        if one.name in PASSES
    }

    assert counted == {
        "attribute": (None, 1), "perturb": (10, 212), "randomise": (10, 21), "blot": (20, 41),
    }  # fmt: skip
    assert sum((n or 300) * forwards for n, forwards in counted.values()) == 3450
