"""A catalogue anew, with cases that are one image in one cluster."""

from collections.abc import Mapping
from typing import cast

import numpy as np

from ml.estimate import JsonObject, JsonValue
from ml.evidence.store import sha256_of
from ml.stats.ood.near_duplicates import codes_of, joined_groups

_WORDS = ("title", "notes", "sha256")  # of a catalogue, without being the cohort


def regrouped(
    catalogue: Mapping[str, JsonValue], groups: Mapping[str, str], note: str
) -> JsonObject | None:
    """The same cases, readings and images, with clusters that hold whole groups.

    Clusters that share a group become one: a patient is never torn apart. Those that share none
    stay as they were.

    Args:
        catalogue: as intake wrote it.
        groups: case id -> name of its group; a case that is not named is in none.
        note: a sentence for the notes, that says where the groups come from.

    Returns:
        The catalogue with its hash; None where every group lies in one cluster already.
    """
    cases = cast(list[JsonObject], catalogue["cases"])
    clusters = [str(case["cluster"]) for case in cases]
    joined = joined_groups(
        codes_of(clusters), codes_of([groups.get(str(case["case_id"]), "") for case in cases])
    )
    of: dict[int, set[str]] = {}
    for code, cluster in zip(joined.tolist(), clusters, strict=True):
        of.setdefault(code, set()).add(cluster)
    wide = [code for code in np.unique(joined).tolist() if len(of[code]) > 1]
    if not wide:
        return None
    taken = {str(case["group"]) for case in cases if case["group"]}
    names = dict(zip(wide, _names(len(wide), taken), strict=True))
    rows: list[JsonValue] = [
        {**case, "group": names[code], "cluster": f"group:{names[code]}"} if code in names else case
        for case, code in zip(cases, joined.tolist(), strict=True)
    ]
    content: JsonObject = {
        **{name: value for name, value in catalogue.items() if name not in _WORDS},
        "cluster_kind": "group",
        "cases": rows,
    }
    notes = f"{str(catalogue.get('notes') or '').rstrip()}\n\n{note}".strip()
    words: JsonObject = {"title": catalogue["title"], "notes": notes}
    return {**content, **words, "sha256": sha256_of(content)}


def _names(n: int, taken: set[str]) -> list[str]:
    """Of new groups, none of which is taken."""
    found: list[str] = []
    number = 0
    while len(found) < n:
        number += 1
        if (name := f"duplicates-{number:05d}") not in taken:
            found.append(name)
    return found
