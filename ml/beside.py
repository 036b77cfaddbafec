"""Cohorts beside the audited one: which checks they bring and how a document names them.

The same for the command line and the portal, so that one audit has one document.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ml.checks.registry import Check
from ml.estimate import JsonObject, JsonValue
from ml.limits import FOREIGN_LIMITS
from ml.protocol import Protocol

CHECK = "ood-detection"  # what the platform asks where a foreign cohort is handed in
TRAINING_CHECK = "memorisation"  # what holds the audited cases against those of a reference
LEAK_CHECK = "leakage"  # what holds their images against those of a reference, without a model
FOREIGN, REFERENCE = "foreign", "reference"
IMAGES_ALONE = "reference-cohort"  # need of checks that take a reference without scores
_NEEDS = {FOREIGN: frozenset({FOREIGN}), REFERENCE: frozenset({REFERENCE, IMAGES_ALONE})}
KINDS = {
    "near": "near: like the audited images, such as another body part of the same modality",
    "far": "far: nothing like them, such as another modality",
    "shifted": "covariate-shifted: the same task elsewhere, such as another scanner or site",
}


@dataclass(frozen=True)
class Named:
    """One further cohort as a document names it."""

    name: str
    role: str  # FOREIGN or REFERENCE
    sha256: str
    modality: str
    counts: Mapping[str, JsonValue]
    kind: str = ""  # of KINDS, where whoever handed it in said so

    def to_json(self) -> JsonObject:
        return {
            "name": self.name,
            "role": self.role,
            **({"kind": self.kind} if self.kind else {}),
            "sha256": self.sha256,
            "modality": self.modality,
            **{name: self.counts[name] for name in ("n_cases", "n_patients", "n_clusters")},
        }


def block(cohorts: Sequence[Named]) -> JsonObject:
    """What ``audit.json`` says of further cohorts under ``cohort``; {} where there are none."""
    rows: list[JsonValue] = [one.to_json() for one in cohorts]
    return {"beside": rows} if rows else {}


def name_of(title: str, taken: Sequence[str]) -> str:
    """The title, with a number where another cohort has it already.

    Example:
        >>> name_of("chest CT", ["chest CT"]), name_of("chest CT", ["head CT"])
        ('chest CT (2)', 'chest CT')
    """
    number = sum(one == title or one.startswith(f"{title} (") for one in taken)
    return title if not number else f"{title} ({number + 1})"


def with_foreign(protocol: Protocol) -> Protocol:
    """The platform's default with the check of foreign cohorts; a team's own protocol as it is."""
    if not protocol.is_default or CHECK in protocol.checks:
        return protocol
    return replace(
        protocol,
        checks=(*protocol.checks, CHECK),
        limits=(*protocol.limits, *FOREIGN_LIMITS),
    )


def looked_at(protocol: Protocol, checks: Iterable[Check], role: str = FOREIGN) -> bool:
    """Whether a check of the protocol looks at foreign cohorts, or at a reference by itself."""
    return any(_NEEDS[role] & {*check.needs} for check in checks if check.id in protocol.checks)


def takes_no_model(protocol: Protocol, checks: Iterable[Check]) -> bool:
    """Whether a check of the protocol looks at a reference that no model was run on."""
    return any(IMAGES_ALONE in check.needs for check in checks if check.id in protocol.checks)


def wanting(
    checks: Iterable[Check], *, foreign: bool, reference: bool = False
) -> tuple[Check, ...]:
    """The checks, for the plan: each needs all it can use; what looks at foreign cohorts or a
    reference, where these are there."""
    there = {FOREIGN: foreign, REFERENCE: reference}

    def uses(check: Check) -> bool:
        roles = [is_there for role, is_there in there.items() if _NEEDS[role] & {*check.needs}]
        return any(roles) or not roles

    return tuple(
        replace(check, needs=tuple(dict.fromkeys((*check.needs, *check.uses))))
        if uses(check)
        else check
        for check in checks
    )
