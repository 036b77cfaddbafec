"""The checks this installation knows, in the order a report shows them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.metadata import entry_points

from ml.estimate import Estimate, JsonObject
from ml.evidence.tables import Evidence
from ml.limits import Limit
from ml.protocol import Protocol

ENTRY_POINTS = "plumbline.checks"
SEGMENTATION = "segmentation"


class State(StrEnum):
    PASS = "pass"  # noqa: S105
    CAUTION = "caution"
    FAIL = "fail"
    NOT_ASSESSED = "not assessed"  # said aloud: silence would read as a pass
    INFO = "info"  # no limit was set


@dataclass(frozen=True)
class Finding:
    """One claim of a check, with the cases it rests on."""

    id: str  # unique within the report, "<check>.<what>"
    state: State
    claim: str  # one plain sentence
    why: str = ""  # a second sentence, with the counts
    measure: str | None = None  # id of the estimate it judges
    limit: Limit | None = None
    cases: tuple[str, ...] = ()  # ids, complete
    action: str = ""


@dataclass(frozen=True)
class CheckResult:
    state: State
    question: str
    summary: str  # one sentence for the section's head
    reason: str | None = None  # a sentence, when the state is not assessed
    estimates: tuple[Estimate, ...] = ()
    findings: tuple[Finding, ...] = ()
    series: tuple[JsonObject, ...] = ()  # what the charts are drawn from


Run = Callable[[Evidence, Protocol], CheckResult]

# need -> (is it there?, the sentence when it is not)
_NEEDS: dict[str, tuple[Callable[[Evidence], bool], str]] = {
    "intake": (
        lambda evidence: evidence.intake is not None,
        "There is no model whose files could be looked at. Hand in the model itself.",
    ),
    "labels": (
        lambda evidence: evidence.present is not None and bool((evidence.present >= 0).any()),
        "This cohort has no reference labels. A column 'label' in cases.csv adds them.",
    ),
    "prediction": (
        lambda evidence: evidence.prediction is not None,
        "There is neither a model nor a table of predictions. Name one when starting the audit.",
    ),
    "probabilities": (
        lambda evidence: (
            evidence.prediction is not None and evidence.prediction.probabilities is not None
        ),
        "There are no class probabilities. Hand in predictions with one column per class.",
    ),
    "samples": (
        lambda evidence: evidence.samples is not None,
        "There is one answer to each case, and several are needed.",
    ),
    "covariates": (
        lambda evidence: bool(evidence.covariates),
        "This cohort has no covariates. Columns such as sex, age or site in cases.csv add them.",
    ),
    "readings": (
        lambda evidence: evidence.readings is not None and len(evidence.readings.value) > 0,
        "This cohort has no readings. Add readings.csv with at least two readers per case.",
    ),
    "identified-readers": (
        lambda evidence: evidence.readings is not None and not evidence.readings.exchangeable,
        (
            "Readers have no identity here, but numbers within a case. A reader study asks who "
            "read what: give readers ids and declare 'readers: identified'."
        ),
    ),
    "predicted-masks": (
        lambda evidence: evidence.masks is not None and "model" in evidence.masks.a,
        (
            "There are no masks of a model. Name one that segments, or hand in predictions with "
            "'kind: masks'."
        ),
    ),
    "reference-masks": (
        lambda evidence: evidence.masks is not None and "reference" in evidence.masks.b,
        "This cohort has no reference masks. A column 'mask' in cases.csv names them.",
    ),
    "sampled-masks": (
        lambda evidence: evidence.sampled_masks is not None,
        "There is one mask of each case by the model, and several are needed.",
    ),
    "reader-masks": (
        lambda evidence: (
            evidence.masks is not None and evidence.masks.rows("reader", "reader").size > 0
        ),
        "No case has the masks of two readers. They lie under masks/<reader_id>/<case_id>.nii.gz.",
    ),
    "described": (
        lambda evidence: evidence.described is not None,
        "No image was measured. That takes a cohort with images.",
    ),
    "features": (
        lambda evidence: evidence.features is not None,
        "There are no features. They take a model that can be looked into, and images.",
    ),
    "attributions": (
        lambda evidence: _has_maps_to_judge(evidence),  # noqa: PLW0108 - it stands further down
        (
            "There are no maps that can be judged. They take pictures, not volumes, and a model "
            "with gradients."
        ),
    ),
    "perturbations": (
        lambda evidence: evidence.perturbations is not None,
        (
            "No parts of images were taken away. That takes pictures, not volumes, and a model "
            "with gradients."
        ),
    ),
    "corruptions": (
        lambda evidence: evidence.corruptions is not None,
        "No corrupted images were run. That takes a model, images, and corruptions that fit them.",
    ),
    "moves": (
        lambda evidence: evidence.moves is not None,
        "No moved images were run. That takes a model, and images.",
    ),
    "corrupted-masks": (
        lambda evidence: evidence.corrupted_masks is not None,
        (
            "No corrupted images were marked. That takes a model that segments, images, and "
            "corruptions that fit them."
        ),
    ),
    "moved-masks": (
        lambda evidence: evidence.moved_masks is not None,
        "No moved images were marked. That takes a model that segments, and images.",
    ),
    "randomisations": (
        lambda evidence: evidence.randomisations is not None,
        "No weights were randomised. That takes pictures, not volumes, and a model with gradients.",
    ),
    "normalisations": (
        lambda evidence: evidence.normalisations is not None,
        (
            "Nobody looked at normalising layers. That takes images and a model that can be looked "
            "into: an address, a table of predictions or an ONNX file that was not taken over "
            "shows none."
        ),
    ),
    "reference": (
        lambda evidence: (
            evidence.reference is not None
            and evidence.reference.prediction is not None
            and evidence.reference.present is not None
            and bool((evidence.reference.present >= 0).any())
        ),
        (
            "There is no training cohort with labels beside this one. '--reference' of the command "
            "line names one."
        ),
    ),
    "reference-cohort": (
        lambda evidence: evidence.reference is not None,
        (
            "There is no reference cohort beside this one, so whether these cases were trained on "
            "is not known. “New audit” of the portal and '--reference' of the command line take "
            "one."
        ),
    ),
    "gradients": (
        lambda evidence: evidence.gradients is not None,
        (
            "No gradients were taken. That takes images and a model that can be looked into: an "
            "address, a table of predictions or an ONNX file that was not taken over has none."
        ),
    ),
    "attacks": (
        lambda evidence: evidence.attacks is not None,
        (
            "No image was changed on purpose. That takes images and a model that can be looked "
            "into: an address, a table of predictions or an ONNX file that was not taken over has "
            "no gradients."
        ),
    ),
    "blots": (
        lambda evidence: evidence.blots is not None,
        "No places of images were changed. That takes a model of pictures, and images.",
    ),
    "localisations": (
        lambda evidence: evidence.localisations is not None,
        (
            "No map was held against a mask. That takes pictures, not volumes, a model with "
            "gradients, and masks of the finding: a column 'mask' in cases.csv names them, "
            "beside the labels."
        ),
    ),
    "finding-masks": (
        lambda evidence: evidence.localisations is not None,
        "This cohort has no masks of the finding. A column 'mask' in cases.csv names them.",
    ),
    "corrupted-samples": (
        lambda evidence: evidence.corrupted_samples is not None,
        (
            "Corrupted images were answered once each. 'stress_samples' of the protocol asks for "
            "several answers, of an ensemble or a network with dropout."
        ),
    ),
    "gradient-scores": (
        lambda evidence: bool(evidence.gradient_scores),
        (
            "No scores by gradients were computed. 'gradient_scores' of the protocol asks for "
            "them; they take images and a model that can be looked into."
        ),
    ),
    "foreign": (
        lambda evidence: bool(evidence.foreign),
        (
            "There is no cohort of foreign images beside this one. “New audit” of the portal and "
            "'--ood' of the command line take them."
        ),
    ),
}

_PART_OF = {
    "probabilities": "prediction",
    "samples": "prediction",
    "sampled-masks": "predicted-masks",
    "corrupted-masks": "predicted-masks",
    "moved-masks": "predicted-masks",
    "identified-readers": "readings",
}


@dataclass(frozen=True)
class Check:
    id: str  # kebab-case; in addresses, rows and docs; never reused
    title: str
    question: str
    needs: tuple[str, ...]  # keys of the table above; all must be met
    run: Run
    task: str = ""  # the only task it belongs to; empty: any
    uses: tuple[str, ...] = ()  # keys of that table too: looked at where they are there
    masks: tuple[str, ...] = ()  # and what takes the place of `needs` where a cohort has masks

    def __post_init__(self) -> None:
        unknown = [need for need in (*self.needs, *self.uses, *self.masks) if need not in _NEEDS]
        if unknown:
            raise ValueError(f"check {self.id}: unknown needs {unknown}, known: {list(_NEEDS)}")

    def __call__(self, evidence: Evidence, protocol: Protocol) -> CheckResult:
        reason = self.missing(evidence)
        return not_assessed(self.question, reason) if reason else self.run(evidence, protocol)

    def needs_in(self, task: str) -> tuple[str, ...]:
        """What it needs of a cohort of some task.

        Args:
            task: "segmentation", or any other.
        """
        return self.masks if self.masks and task == SEGMENTATION else self.needs

    def missing(self, evidence: Evidence) -> str | None:
        """Everything the check lacks in this evidence, a sentence each; None when it can run."""
        lacking = [need for need in self.needs_in(evidence.task) if not _NEEDS[need][0](evidence)]
        # Of what is not there nothing more needs to be asked.
        named = [need for need in lacking if _PART_OF.get(need) not in lacking]
        return " ".join(_sentence(need, evidence) for need in named) or None


def _has_maps_to_judge(evidence: Evidence) -> bool:
    """Maps of volumes and of what a model marks are there to be looked at: no check knows them."""
    found = evidence.attributions
    return found is not None and found.maps.ndim == 4 and evidence.task != SEGMENTATION


def _sentence(need: str, evidence: Evidence) -> str:
    """Why it is not there: as the model's own card says it, where it says anything."""
    own = evidence.no_samples if need in ("samples", "sampled-masks") else ""
    return own or _NEEDS[need][1]


def not_assessed(
    question: str,
    reason: str,
    *,
    estimates: Sequence[Estimate] = (),
    findings: Sequence[Finding] = (),
    series: Sequence[JsonObject] = (),
) -> CheckResult:
    """A result that says why there is none; what could be counted may still be shown."""
    return CheckResult(
        state=State.NOT_ASSESSED,
        question=question,
        summary=f"Not assessed: {reason[0].lower()}{reason[1:]}",
        reason=reason,
        estimates=tuple(estimates),
        findings=tuple(findings),
        series=tuple(series),
    )


_checks: dict[str, Check] = {}


def audit_check(
    check_id: str,
    *,
    title: str,
    question: str,
    needs: tuple[str, ...],
    task: str = "",
    uses: tuple[str, ...] = (),
    masks: tuple[str, ...] = (),
) -> Callable[[Run], Check]:
    """Make a function an audit check. Built-in checks and plug-ins come through this door.

    Raises:
        ValueError: if another check has the id, or a need is unknown.
    """

    def register(run: Run) -> Check:
        if check_id in _checks:
            raise ValueError(f"two checks are called {check_id!r}")
        _checks[check_id] = Check(check_id, title, question, needs, run, task, uses, masks)
        return _checks[check_id]

    return register


@cache
def _load_plugins() -> None:
    for plugin in entry_points(group=ENTRY_POINTS):
        try:
            check = plugin.load()
        except Exception as error:
            # A report that silently lacks a check would be worse than none.
            raise RuntimeError(f"the plug-in check {plugin.name!r} cannot be loaded") from error
        if not isinstance(check, Check) or _checks.get(check.id) is not check:
            raise RuntimeError(f"the plug-in {plugin.name!r} is no check made by audit_check")


def all_checks() -> tuple[Check, ...]:
    """Every check, in the order of the report; plug-ins follow the built-in ones."""
    _load_plugins()
    return tuple(_checks.values())


def checks_of(protocol: Protocol, task: str = "") -> tuple[Check, ...]:
    """The checks a protocol names, in the order of the report.

    The platform's default names the checks of every task; of these, a cohort gets those of its
    own. What a team's protocol names is run, and says itself what it lacks.

    Raises:
        LookupError: naming the checks that this installation does not have.
    """
    known = all_checks()
    unknown = sorted(set(protocol.checks) - {check.id for check in known})
    if unknown:
        raise LookupError(f"This installation has no check called {', '.join(unknown)}.")
    return tuple(
        check
        for check in known
        if check.id in protocol.checks
        and not (protocol.is_default and task and check.task not in ("", task))
    )


_WORST_FIRST = (State.FAIL, State.CAUTION, State.PASS, State.INFO)


def worst(states: Iterable[State]) -> State:
    """The state that stands for several: fail, caution, pass, info; else not assessed.

    "Not assessed" hides nothing and is not hidden: it is shown beside, and stands for the
    whole only where nothing else does.
    """
    seen = set(states)
    return next((state for state in _WORST_FIRST if state in seen), State.NOT_ASSESSED)
