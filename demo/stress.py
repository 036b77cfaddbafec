"""The protocol of the first audit: the platform's default, what the cohort is, and a stress test.

Every forward of the VGG16 costs a good part of a second on a processor, so a few corruptions are
run on some cases: enough to show what is borne, what is too much, and what so few cannot tell.
Images are opened once more to ask what the cohort is fit for, which takes some seconds.
"""

from dataclasses import replace
from typing import Any

from ml.protocol import Protocol

CHECK = "stress"
OF_COHORT = ("cohort-fitness", "duplicates", "leakage")
NAME = "Platform default with a stress test"
CASES = 30
CORRUPTIONS = ("gamma", "gaussian-blur", "mr-motion")


def protocol(rules: Protocol, cases: int = CASES) -> dict[str, Any]:
    """The body of ``rules`` with the checks of the cohort and the stress test.

    Args:
        rules: the platform's default, with the check of foreign cohorts where there are some.
        cases: at most, of which corrupted copies are run.
    """
    chosen = replace(
        rules,
        checks=(*OF_COHORT, *rules.checks, CHECK),
        stress_cases=cases,
        corruptions=CORRUPTIONS,
        title=NAME,
    )
    return {key: value for key, value in chosen.to_json().items() if key != "is_default"}
