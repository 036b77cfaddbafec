"""The procedure as its one source file has it: which attribute of which kind of object stays."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

FILE = Path(__file__).with_name("procedure.json")
BurnedIn = Literal["none", "low", "unknown", "high"]
Row = tuple[str, str, str]  # tag, keyword, action: of which a report counts
# Options of the standard that can be true here (DICOM PS3.16, CID 7050).
MEANINGS = {
    "113100": "Basic Application Confidentiality Profile",
    "113104": "Clean Structured Content Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
    "113111": "Retain Safe Private Option",
}


@dataclass(frozen=True)
class ObjectClass:
    """One kind of DICOM object and what is done with its attributes."""

    key: str
    name: str
    sop_classes: tuple[str, ...]
    rules: Mapping[str, str]  # keyword -> action, as in the table, or "C:" and the rule's name
    burned_in: BurnedIn  # how likely text stands in the picture


@dataclass(frozen=True)
class PrivateRule:
    """Private elements of one creator that say something of the picture, and of nobody."""

    creator: str
    group: int
    elements: Mapping[int, str]  # last byte of the element -> its VR
    why: str


@dataclass(frozen=True)
class Procedure:
    version: str
    standard: str
    actions: Mapping[str, str]  # letter -> what it does, in words
    classes: Mapping[str, ObjectClass]  # SOP class UID -> class
    private: tuple[PrivateRule, ...]
    dummies: Mapping[str, str]
    values: Mapping[str, frozenset[str]]  # the only values that stay, where all are known
    listed: Mapping[str, frozenset[str]]
    manufacturers: Mapping[str, Sequence[str]]  # name as written -> words that tell it
    structures: frozenset[str]
    coding_schemes: Mapping[str, str]  # designator -> what its codes look like
    identifying: frozenset[str]  # attributes whose words stay nowhere else either
    needed: tuple[str, ...]  # of an image
    emptied: frozenset[str]  # required to be there: emptied where others would be removed
    screens: frozenset[str]  # values of ImageType of saved screens


@cache
def procedure() -> Procedure:
    """The table, read once.

    Raises:
        ValueError: where it contradicts itself.
    """
    return _built(json.loads(FILE.read_text("utf-8")))


def _built(said: Mapping[str, Any]) -> Procedure:
    modules = {name: _rules(module) for name, module in said["modules"].items()}
    classes: dict[str, ObjectClass] = {}
    for key, one in said["classes"].items():
        rules: dict[str, str] = {}
        for module in one["modules"]:
            for keyword, action in modules[module].items():
                if rules.setdefault(keyword, action) != action:
                    raise ValueError(f"{key}: {keyword} is {rules[keyword]} and {action}")
        found = ObjectClass(key, one["name"], tuple(one["sop_classes"]), rules, one["burned_in"])
        for uid in found.sop_classes:
            if uid in classes:
                raise ValueError(f"{uid} is of two classes")
            classes[uid] = found
    return Procedure(
        version=said["version"],
        standard=said["standard"],
        actions=said["actions"],
        classes=classes,
        private=tuple(_private(one) for one in said["private"]),
        dummies=said["dummies"],
        values={name: frozenset(listed) for name, listed in said["values"].items()},
        listed={name: frozenset(listed) for name, listed in said["listed"].items()},
        manufacturers=said["manufacturers"],
        structures=frozenset(said["structures"]),
        coding_schemes=said["coding_schemes"],
        identifying=frozenset(said["identifying"]),
        needed=tuple(said["needed"]),
        emptied=frozenset(said["emptied_when_removed"]),
        screens=frozenset(said["screens"]),
    )


def _rules(module: Mapping[str, Any]) -> dict[str, str]:
    rules: dict[str, str] = {}
    for action, lines in module.items():
        if action == "why":
            continue
        for keyword in " ".join(lines).split():
            if keyword in rules:
                raise ValueError(f"{keyword} is there twice")
            rules[keyword] = action
    return rules


def _private(one: Mapping[str, Any]) -> PrivateRule:
    elements = {int(last, 16): vr for last, vr in one["elements"].items()}
    return PrivateRule(one["creator"], int(one["group"], 16), elements, one["why"])
