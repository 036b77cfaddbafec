"""The protocol of the audit of explanations: what the network was shown to use, on a few cases.

A case costs about 210 forwards of the VGG16 for the curves of its map, a third of a second of a
core each; so ten are drawn, the fewest of which an interval can be had, and parts go in five steps.
"""

from dataclasses import replace
from typing import Any

from ml.protocol import Protocol

CHECKS = (
    "discrimination", "operating-point", "explanation-faithfulness", "explanation-sanity",
    "shortcut",
)  # fmt: skip
NAME = "What it was shown to use"
CASES = 10
STEPS = 5  # in which parts are taken away, of the ten that protocols take by default
PLACES_CASES = 20  # in which places are changed: the fewest that a protocol may ask for


def protocol(rules: Protocol, cases: int = CASES) -> dict[str, Any]:
    """The body of ``rules`` with other checks.

    Args:
        rules: the platform's default.
        cases: at most, whose pictures are taken apart.
    """
    chosen = replace(
        rules,
        checks=CHECKS,
        explanation_cases=cases,
        explanation_steps=STEPS,
        shortcut_cases=PLACES_CASES,
        title=NAME,
    )
    return {key: value for key, value in chosen.to_json().items() if key != "is_default"}
