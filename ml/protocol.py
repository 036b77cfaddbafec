"""The protocol: which checks run, against which limits, with which settings."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from ml.estimate import JsonObject
from ml.limits import DEFAULT_LIMITS, REQUESTED_LIMITS, Limit, finite_number, read_limit
from ml.protocol_values import Values
from ml.regions import Region, read_regions

DEFAULT_SEED = 20261123
DEFAULT_LEVEL = 0.95
DEFAULT_DRAWS = 2000
DEFAULT_THRESHOLD = 0.5
DEFAULT_DROPOUT_SAMPLES = 30
DEFAULT_TARGET_ERROR = 0.05  # share of wrong answers that a model may give alone
DEFAULT_SET_COVERAGE = 0.9  # share of prediction sets that hold the truth
DEFAULT_STRESS_CASES = 100  # whose corrupted copies are run: 30 and more of each
DEFAULT_SHIFT_CASES = 100  # whose moved copies are run: 20 of each, and their maps
DEFAULT_ATTACK_CASES = 40  # that are attacked: about 200 forwards' worth of each
DEFAULT_EXPLANATION_CASES = 40  # whose parts are taken away: 150 forwards of each
DEFAULT_EXPLANATION_METHODS = ("grad-cam",)  # another costs its maps and a third of the runs
DEFAULT_EXPLANATION_STEPS = 10  # in which parts are taken away
DEFAULT_SHORTCUT_CASES = 100  # in which places are changed: some dozen of each
DEFAULT_TOLERANCE_MM = 2.0  # of surface Dice; a round number, to be replaced by the readers' own
DEFAULT_CHECKS = (
    "discrimination", "operating-point", "calibration", "subgroups", "worst-slice",
    "clinical-utility", "uncertainty", "selective-prediction", "agreement", "ai-vs-readers", "mrmc",
    "segmentation", "segmentation-panel", "segmentation-uncertainty", "intake", "determinism",
)  # fmt: skip

_KEYS = frozenset(
    {"title", "checks", "limits", "operating_point", "prevalence", "subgroups", "seed", "level"}
    | {"draws", "decision_thresholds", "tolerance_mm", "dropout_samples"}
    | {"target_error", "set_coverage", "stress_cases", "shift_cases", "legal_flips"}
    | {"explanation_cases", "explanation_methods", "explanation_steps"}
    | {"attack_cases", "corruptions", "stress_samples", "gradient_scores", "keep_maps"}
    | {"shortcut_cases", "shortcut_regions"}
)
# Left out of the content where not declared: protocols written before them keep their hash.
_LATER = (
    *("tolerance_mm", "dropout_samples", "target_error", "set_coverage", "stress_cases"),
    *("shift_cases", "attack_cases", "stress_samples", "gradient_scores", "shortcut_cases"),
    *("explanation_cases", "explanation_steps", "keep_maps"),
)
FLIPS = ("left-right", "up-down")  # mirrors that a protocol may declare legal
_CHECK_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MAX_SEED = 2**63 - 1
_DRAWS_RANGE = (200, 20_000)
_DROPOUT_SAMPLES_RANGE = (4, 200)
_DRAWN_CASES_RANGE = (10, 1_000_000)
_EXPLANATION_STEPS_RANGE = (4, 50)
_SHORTCUT_CASES_RANGE = (20, 500)  # all are in memory at once


class ProtocolError(Exception):
    """The protocol cannot be used; ``problems`` holds one sentence for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Protocol:
    """Fixed before the run; its hash is what a report quotes."""

    checks: tuple[str, ...] = DEFAULT_CHECKS
    limits: tuple[Limit, ...] = DEFAULT_LIMITS
    operating_point: float | str | None = None  # threshold, or the name the model declares
    prevalence: float | None = None  # of the finding where the model is meant to be used, 0..1
    subgroups: tuple[str, ...] = ()  # covariates, with cuts where declared: "age: 50, 65"
    decision_thresholds: tuple[float, float] | None = None  # range of threshold probabilities
    seed: int = DEFAULT_SEED
    level: float = DEFAULT_LEVEL  # of every interval
    draws: int = DEFAULT_DRAWS  # of every bootstrap and simulation
    tolerance_mm: float = DEFAULT_TOLERANCE_MM  # up to which two borders count as the same
    dropout_samples: int = DEFAULT_DROPOUT_SAMPLES  # of each case, where dropout is switched on
    target_error: float = DEFAULT_TARGET_ERROR
    set_coverage: float = DEFAULT_SET_COVERAGE
    stress_cases: int = DEFAULT_STRESS_CASES  # at most, drawn by the seed
    shift_cases: int = DEFAULT_SHIFT_CASES  # the same of moved copies
    attack_cases: int = DEFAULT_ATTACK_CASES  # and of attacked ones
    explanation_cases: int = DEFAULT_EXPLANATION_CASES  # and of those whose maps are tried
    explanation_methods: tuple[str, ...] = DEFAULT_EXPLANATION_METHODS  # the first one's are kept
    explanation_steps: int = DEFAULT_EXPLANATION_STEPS
    legal_flips: tuple[str, ...] = ()  # of FLIPS: mirrors that change nothing of a patient
    corruptions: tuple[str, ...] = ()  # of those that fit the cohort; () = all of them
    stress_samples: int = 0  # of each corrupted copy, where dropout is switched on; 0: none asked
    gradient_scores: bool = False  # of foreign inputs, that take a gradient of each case
    keep_maps: bool = False  # to look at: of volumes, and of what a model marks, no check reads any
    shortcut_cases: int = DEFAULT_SHORTCUT_CASES  # of the search for shortcuts
    shortcut_regions: tuple[Region, ...] = ()  # places that somebody suspects
    is_default: bool = False
    title: str = ""

    @classmethod
    def default(cls) -> "Protocol":
        """What applies when nobody wrote a protocol; reports mark it as such."""
        return cls(is_default=True, title="Platform default")

    @classmethod
    def parse(cls, mapping: Mapping[str, object]) -> "Protocol":
        """Read a protocol as written in ``protocol.yaml``.

        A key that is left out takes the platform's default; ``limits: []`` means no limits.

        Raises:
            ProtocolError: with every problem found, not only the first.
        """
        reader = _Reader(mapping)
        protocol = reader.protocol()
        if reader.problems:
            raise ProtocolError(reader.problems)
        return protocol

    def limit(self, check: str, measure: str) -> Limit | None:
        """The first limit set on a measure of a check."""
        return next(iter(self.limits_of(check, measure)), None)

    def limits_of(self, check: str, measure: str) -> tuple[Limit, ...]:
        """Every limit set on a measure of a check; one of each direction at most."""
        return tuple(
            limit for limit in self.limits if (limit.check, limit.measure) == (check, measure)
        )

    def to_json(self) -> JsonObject:
        return {"title": self.title, "is_default": self.is_default, **self._content()}

    @property
    def sha256(self) -> str:
        """Of the canonical JSON of everything that can change a result (not of the title)."""
        text = json.dumps(
            self._content(), sort_keys=True, separators=(",", ":"), ensure_ascii=False,
            allow_nan=False,
        )  # fmt: skip
        return hashlib.sha256(text.encode()).hexdigest()

    def _content(self) -> JsonObject:
        content: JsonObject = {
            "checks": list(self.checks),
            "limits": [limit.to_json() for limit in self.limits],
            "operating_point": self.operating_point,
            "prevalence": self.prevalence,
            "subgroups": list(self.subgroups),
            "seed": self.seed,
            "level": self.level,
            "draws": self.draws,
        }
        if self.decision_thresholds is not None:
            content["decision_thresholds"] = list(self.decision_thresholds)
        if self.corruptions:
            content["corruptions"] = list(self.corruptions)
        if self.shortcut_regions:
            content["shortcut_regions"] = [
                {"name": name, "box": list(box)} for name, box in self.shortcut_regions
            ]
        if self.explanation_methods != DEFAULT_EXPLANATION_METHODS:
            content["explanation_methods"] = list(self.explanation_methods)
        if self.legal_flips:
            content["legal_flips"] = list(self.legal_flips)
        for name in _LATER:
            if getattr(self, name) != getattr(Protocol, name):
                content[name] = getattr(self, name)
        return content


def subgroup_parts(text: str) -> tuple[str, tuple[float, ...]]:
    """A covariate and its cuts, from how a protocol writes them.

    >>> subgroup_parts("age: 50, 65"), subgroup_parts("sex")
    (('age', (50.0, 65.0)), ('sex', ()))

    Raises:
        ValueError: for cuts that are no rising numbers.
    """
    name, colon, rest = text.rpartition(": ")
    if not colon:
        return text, ()
    cuts = tuple(float(part) for part in rest.split(","))
    # Written so that NaN is refused as well.
    if not all(low < high for low, high in pairwise(cuts)) or any(abs(c) == inf for c in cuts):
        raise ValueError(f"cuts must rise, got {rest}")
    return name, cuts


class _Reader(Values):
    """What each key of a protocol may hold."""

    def protocol(self) -> Protocol:
        unknown = sorted(str(key) for key in self.mapping if key not in _KEYS)
        if unknown:
            known = ", ".join(sorted(_KEYS))
            self.problems.append(
                f"The protocol holds unknown keys: {', '.join(unknown)}. Known keys: {known}."
            )
        return Protocol(
            checks=self._checks(),
            limits=self._limits(),
            operating_point=self._operating_point(),
            prevalence=self._prevalence(),
            subgroups=self._subgroups(),
            decision_thresholds=self._decision_thresholds(),
            seed=self.integer("seed", DEFAULT_SEED, 0, _MAX_SEED),
            level=self._level(),
            draws=self.integer("draws", DEFAULT_DRAWS, *_DRAWS_RANGE),
            tolerance_mm=self._tolerance(),
            dropout_samples=self.integer(
                "dropout_samples", DEFAULT_DROPOUT_SAMPLES, *_DROPOUT_SAMPLES_RANGE
            ),
            target_error=self.share("target_error", DEFAULT_TARGET_ERROR, 0.0, 0.5),
            set_coverage=self.share("set_coverage", DEFAULT_SET_COVERAGE, 0.5, 1.0),
            stress_cases=self.integer("stress_cases", DEFAULT_STRESS_CASES, *_DRAWN_CASES_RANGE),
            shift_cases=self.integer("shift_cases", DEFAULT_SHIFT_CASES, *_DRAWN_CASES_RANGE),
            attack_cases=self.integer("attack_cases", DEFAULT_ATTACK_CASES, *_DRAWN_CASES_RANGE),
            explanation_cases=self.integer(
                "explanation_cases", DEFAULT_EXPLANATION_CASES, *_DRAWN_CASES_RANGE
            ),
            explanation_methods=self._methods(),
            explanation_steps=self.integer(
                "explanation_steps", DEFAULT_EXPLANATION_STEPS, *_EXPLANATION_STEPS_RANGE
            ),
            legal_flips=self._flips(),
            corruptions=self._corruptions(),
            stress_samples=self.integer("stress_samples", 0, *_DROPOUT_SAMPLES_RANGE),
            gradient_scores=self.flag("gradient_scores"),
            keep_maps=self.flag("keep_maps"),
            shortcut_cases=self.integer(
                "shortcut_cases", DEFAULT_SHORTCUT_CASES, *_SHORTCUT_CASES_RANGE
            ),
            shortcut_regions=self._regions(),
            is_default=False,
            title=self.text("title"),
        )

    def _subgroups(self) -> tuple[str, ...]:
        """Names of covariates; a mapping of one name to a list of cuts becomes "age: 50, 65"."""
        value = self.mapping.get("subgroups")
        if value is None:
            return ()
        found = [_subgroup(entry) for entry in value] if isinstance(value, list | tuple) else [None]
        names = [subgroup_parts(text)[0] for text in found if text]
        if None in found:
            self.problems.append(
                "'subgroups' must be a list of covariates, each a name or a name with rising "
                f"cuts (age: [50, 65]), got {value!r}."
            )
        if len(set(names)) < len(names):
            self.problems.append(f"'subgroups' names something twice: {', '.join(names)}.")
        return tuple(text for text in found if text)

    def _flips(self) -> tuple[str, ...]:
        """In one order, so that two ways of writing them share evidence."""
        flips = self.texts("legal_flips")
        if unknown := [flip for flip in flips if flip not in FLIPS]:
            self.problems.append(
                f"'legal_flips' takes {' and '.join(FLIPS)}, got {', '.join(unknown)}."
            )
        return tuple(flip for flip in FLIPS if flip in flips)

    def _methods(self) -> tuple[str, ...]:
        chosen = self.texts("explanation_methods", DEFAULT_EXPLANATION_METHODS)
        if not chosen:
            self.problems.append(
                "'explanation_methods' is empty: name at least one, or leave it out."
            )
        from ml.engine.explain_form import methods_there  # loads pyarrow

        known = methods_there()
        if unknown := [name for name in chosen if name not in known]:
            self.problems.append(
                f"There is no map called {', '.join(unknown)}. Known are: {', '.join(known)}."
            )
        return chosen

    def _regions(self) -> tuple[Region, ...]:
        regions, problems = read_regions(self.mapping.get("shortcut_regions"))
        self.problems += problems
        return regions

    def _decision_thresholds(self) -> tuple[float, float] | None:
        value = self.mapping.get("decision_thresholds")
        if value is None:
            return None
        ends = [finite_number(end) for end in value] if isinstance(value, list | tuple) else []
        if len(ends) == 2 and ends[0] is not None and ends[1] is not None:
            low, high = ends[0], ends[1]
            if 0 < low < high < 1:
                return low, high
        self.problems.append(
            "'decision_thresholds' must be two rising numbers between 0 and 1, the range of "
            f"threshold probabilities, got {value!r}."
        )
        return None

    def _checks(self) -> tuple[str, ...]:
        checks = self.texts("checks", DEFAULT_CHECKS)
        if not checks:
            self.problems.append("'checks' is empty: name at least one check, or leave it out.")
        self.problems += [
            f"'{check}' is not a check id: lower case words joined by hyphens."
            for check in checks
            if not _CHECK_ID.fullmatch(check)
        ]
        return checks

    def _corruptions(self) -> tuple[str, ...]:
        chosen = self.texts("corruptions")
        if not chosen and self.mapping.get("corruptions") is not None:
            self.problems.append("'corruptions' is empty: name at least one, or leave it out.")
        if not chosen:
            return ()
        from ml.corruptions import known_ids  # loads scipy: children read constants of this module

        unknown = [name for name in chosen if name not in known_ids()]
        if unknown:
            known = ", ".join(known_ids())
            self.problems.append(
                f"There is no corruption called {', '.join(unknown)}. Known are: {known}."
            )
        return chosen

    def _operating_point(self) -> float | str | None:
        value = self.mapping.get("operating_point")
        if value is None or (isinstance(value, str) and value.strip()):
            return value
        number = finite_number(value)
        if number is None or not 0 <= number <= 1:
            self.problems.append(
                "'operating_point' must be a threshold from 0 to 1 or the name of one that the "
                f"model declares, got {value!r}."
            )
        return number

    def _prevalence(self) -> float | None:
        return self.between_0_and_1("prevalence")

    def _level(self) -> float:
        level = self.between_0_and_1("level")
        if level is not None and level < 0.5:
            self.problems.append(f"'level' must be at least 0.5, got {level:g}.")
        return DEFAULT_LEVEL if level is None else level

    def _tolerance(self) -> float:
        value = self.mapping.get("tolerance_mm")
        number = DEFAULT_TOLERANCE_MM if value is None else finite_number(value)
        if number is None or not 0 < number <= 100:
            self.problems.append(
                f"'tolerance_mm' must be a number above 0 and at most 100, got {value!r}."
            )
            return DEFAULT_TOLERANCE_MM
        return number

    def _limits(self) -> tuple[Limit, ...]:
        value = self.mapping.get("limits")
        if value is None:
            named = self.mapping.get("checks")
            asked = named if isinstance(named, list | tuple) else ()
            return (*DEFAULT_LIMITS, *(one for one in REQUESTED_LIMITS if one.check in asked))
        if not isinstance(value, list | tuple):
            self.problems.append(f"'limits' must be a list, got {value!r}.")
            return ()
        limits = []
        for at, row in enumerate(value, 1):
            limit, problems = read_limit(at, row)
            self.problems += problems
            limits += [limit] if limit else []
        lines = [(limit.check, limit.measure, limit.direction) for limit in limits]
        self.problems += [
            f"Two limits of direction {direction} are set on {check}.{measure}."
            for check, measure, direction in sorted({l_ for l_ in lines if lines.count(l_) > 1})
        ]
        return tuple(limits)


def _subgroup(entry: object) -> str | None:
    """One entry of ``subgroups`` as text, or None where it cannot be read."""
    if isinstance(entry, Mapping) and len(entry) == 1:
        name, cuts = next(iter(entry.items()))
        numbers = [finite_number(cut) for cut in cuts] if isinstance(cuts, list | tuple) else []
        if not isinstance(name, str) or not numbers or None in numbers:
            return None
        entry = f"{name}: {', '.join(f'{number:g}' for number in numbers)}"
    if not isinstance(entry, str) or not entry.strip():
        return None
    try:
        subgroup_parts(entry)
    except ValueError:
        return None
    return entry
