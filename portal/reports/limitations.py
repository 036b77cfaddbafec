"""What a report does not show, derived from its content by rules, never written per audit."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ml.judged import judged_limits
from portal.reports.frozen import Frozen, Outcome
from portal.ui import numbers

_FEW_UNITS = 30
_PEOPLE_AND_PLACES = ("sex", "age", "ethnicity", "site", "manufacturer", "scanner")

# Check id -> (what it is about, the question). What an audit's checks answer is left out.
QUESTIONS = {
    "discrimination": ("ranking", "Does the score rank cases with the finding above the others?"),
    "operating-point": (
        "right and wrong answers",
        "What are its answers worth at the threshold it is used at?",
    ),
    "calibration": ("calibration", "Can the score be taken at its word?"),
    "agreement": (
        "readers",
        "Do readers agree, does one read differently, and does the model agree with them?",
    ),
    "ai-vs-readers": ("the model as a reader", "Is the model one more reader, or worse than one?"),
    "mrmc": (
        "the reader study",
        "Do readers find more with help, and would other readers do the same?",
    ),
    "cohort-fitness": (
        "the cohort",
        "Is the cohort fit to be judged by, and what do its files give away?",
    ),
    "duplicates": (
        "duplicates",
        "Which images are there more than once, and do their labels agree?",
    ),
    "leakage": (
        "overlap with training data",
        "Were images of this cohort, or near copies, used to train the model?",
    ),
    "shortcut": (
        "shortcuts",
        "Does it read what is no part of a patient: marks, borders, sites?",
    ),
    "subgroups": (
        "sex, age, site and scanner",
        "Does it work as well for every sex, age, site and scanner?",
    ),
    "worst-slice": (
        "hidden groups",
        "Is there a group, not thought of before, on which it fails?",
    ),
    "uncertainty": ("uncertainty", "Does it know when it does not know?"),
    "segmentation-uncertainty": (
        "doubt about masks",
        "Does the model know which of its masks are wrong?",
    ),
    "selective-prediction": (
        "which cases can be left to it",
        "How many cases must a reader see so that the rest can be left to it?",
    ),
    "ood-detection": (
        "foreign images",
        "Does it notice images that are not what it was made for?",
    ),
    "stress": ("image quality", "How much noise, blur or another contrast does it bear?"),
    "shift-consistency": (
        "where a thing lies",
        "Does its answer stay when the picture is moved a little?",
    ),
    "adversarial-lite": (
        "changes on purpose",
        "How small a change, made on purpose, turns its answers?",
    ),
    "normalisation": (
        "other sites",
        "Do the statistics that its normalisation stores fit these images?",
    ),
    "gradient-flow": (
        "parts that do nothing",
        "Does every layer of the network take part in its answers?",
    ),
    "explanation-sanity": (
        "what maps depend on",
        "Do maps of where it looks show what the network learned, or the picture alone?",
    ),
    "explanation-plausibility": (
        "where maps lie",
        "Do maps of where it looks lie where an expert sees the finding?",
    ),
    "explanation-faithfulness": (
        "explanations",
        "Do maps of where it looks show what moves its answer?",
    ),
    "handcrafted-baseline": (
        "what plain numbers tell",
        "Does it see more than plain numbers of the images and files tell?",
    ),
    "memorisation": ("memorisation", "Does it give away its training images?"),
    "clinical-utility": (
        "benefit",
        "Does using it do more good than harm at the prevalence of use?",
    ),
}


# What only a score can be asked.
_OF_SCORES = frozenset({"discrimination", "operating-point", "calibration", "ai-vs-readers"})


@dataclass(frozen=True)
class Limitation:
    title: str
    sentence: str


def unasked(frozen: Frozen) -> list[tuple[str, str]]:
    """What none of this audit's checks asks: (what it is about, the question)."""
    asked = {check["id"] for check in frozen.checks}
    if frozen.of_masks:
        asked |= _OF_SCORES
        if not frozen.cohort.get("n_readings"):
            asked.add("agreement")  # of answers; that of masks has a check of its own
    return [words for check_id, words in QUESTIONS.items() if check_id not in asked]


def origin_counts(frozen: Frozen) -> list[tuple[str, int]]:
    limits = frozen.protocol.get("limits") or []
    asked = {check["id"] for check in frozen.checks}
    used = [limit for limit in limits if limit["check"] in asked]
    return Counter(limit["origin"] for limit in used).most_common()


_WAS = ("were", "was")
_ORIGIN_SENTENCES = {
    "platform-default": "the platform’s default: no clinical claim is behind it",
    "literature": "taken from the literature{}, not made for this use",
    "regulator": "a regulator’s{}",
    "pre-registered": "written down before the audit began{}",
}


def judged_by(frozen: Frozen) -> str:
    """How many limits judged something here and where they come from, each limit once."""
    limits = judged_limits(frozen.audit)
    judged = [one.limit for one in limits if one.is_assessed]
    if not judged:
        return "No limit judged anything here."
    parts = []
    for origin in dict.fromkeys(str(limit["origin"]) for limit in judged):
        own = [limit for limit in judged if limit["origin"] == origin]
        named = list(dict.fromkeys(str(limit.get("reference") or "") for limit in own))
        where = f" ({'; '.join(name for name in named if name)})" if any(named) else ""
        words = _ORIGIN_SENTENCES.get(origin, f"of origin “{origin}”").format(where)
        parts.append(f"{numbers.count(len(own))} {words}")
    missing = len(limits) - len(judged)
    rest = f" {numbers.count(missing)} more {_WAS[missing == 1]} not assessed." if missing else ""
    if len(judged) == 1:
        return f"The only limit that judged something is {parts[0].partition(' ')[2]}.{rest}"
    return (
        f"Of the {numbers.count(len(judged))} limits that judged something: {'; '.join(parts)}."
        f"{rest}"
    )


def of(frozen: Frozen) -> list[Limitation]:
    return [found for rule in _RULES for found in rule(frozen)]


def _units(frozen: Frozen) -> Iterator[Limitation]:
    cohort = frozen.cohort
    if not cohort.get("n_patients"):
        kind = cohort.get("cluster_kind")
        resampled = (
            "groups of near-duplicates stand in for patients, a crude proxy"
            if kind == "group"
            else "every case is taken as independent, which makes intervals too narrow if it is not"
        )
        yield Limitation(
            "No patients",
            f"The cohort has no patient ids: nothing here holds per patient; {resampled}.",
        )
    n_units = cohort.get("n_clusters") or 0
    if 0 < n_units < _FEW_UNITS:
        yield Limitation(
            "Few independent units",
            f"There {'is' if n_units == 1 else 'are'} only "
            f"{numbers.counted(n_units, 'independent unit')}; intervals are wide or missing.",
        )


def _labels(frozen: Frozen) -> Iterator[Limitation]:
    if frozen.of_masks:
        yield from _masks(frozen)
        return
    cohort = frozen.cohort
    if not any(case.label is not None for case in frozen.cases):
        if frozen.has_scores:
            yield Limitation("No labels", "Without reference labels no answer can be called right.")
        return
    several = bool(cohort.get("n_readings"))
    yield Limitation(
        "Reference labels",
        "Each case has one label, taken as handed in. Nobody verified it here, and how sure the "
        + ("label is was not measured." if several else "label is cannot be known from one label."),
    )
    n = cohort.get("n_unlabelled") or 0
    if n:
        yield Limitation(
            "Unlabelled cases",
            f"{numbers.count(n)} of {numbers.counted(len(frozen.cases), 'case')} "
            f"{'has' if n == 1 else 'have'} no label and {'is' if n == 1 else 'are'} left out; if "
            f"{'it differs' if n == 1 else 'they differ'} from the others, the results do not hold "
            "there.",
        )


def _masks(frozen: Frozen) -> Iterator[Limitation]:
    """In place of what is said of labels: of a mask other things are unknown."""
    masks = frozen.cohort.get("masks") or {}
    if masks.get("n_reference"):
        yield Limitation(
            "Reference masks",
            "Each case has one reference mask, taken as handed in. Nobody verified it here, and "
            "the choice of its border moves every overlap; for small structures most.",
        )
    elif frozen.subject is not None:
        yield Limitation(
            "No reference masks",
            "Without a reference no mask can be called right; only readers are there to compare.",
        )
    yield Limitation(
        "Masks alone",
        "Masks were compared with each other, never with the image below them. On which image "
        "they lie, and whether it was the same for all, is what the files say.",
    )
    if masks.get("unit") in ("voxels", "pixels"):
        yield Limitation(
            "No millimetres",
            "The files do not say how large a voxel is; distances are in voxels and cannot be "
            "compared between images of different resolution.",
        )
    n = sum(not case.masks for case in frozen.cases)
    if n:
        yield Limitation(
            "Cases without a comparison",
            f"The masks of {numbers.count(n)} {'case' if n == 1 else 'cases'} could not be "
            "compared and enter no measure.",
        )


def _covariates(frozen: Frozen) -> Iterator[Limitation]:
    names = {name.lower() for case in frozen.cases for name in case.covariates}
    missing = [name for name in _PEOPLE_AND_PLACES if name not in names]
    if missing:
        listed = ", ".join(missing[:-1]) + f" and {missing[-1]}" if missing[1:] else missing[0]
        yield Limitation(
            "People and places",
            f"The data does not say {listed}; whether the results hold across them is unknown.",
        )


def _model(frozen: Frozen) -> Iterator[Limitation]:
    subject = frozen.subject
    if subject is None:
        what = "readers’ masks" if frozen.of_masks else "readings"
        yield Limitation("No model", f"Only {what} were audited; no model took part.")
        return
    if subject.get("kind") == "predictions":
        what = "masks were handed in" if frozen.of_masks else "scores were handed in as a table"
        yield Limitation(
            "Claimed predictions",
            f"The {what}. No model was run here: that they come from "
            f"{subject.get('name') or 'the named model'} is a claim.",
        )
    else:
        yield Limitation(
            "The tested build",
            "The hash names the weights that were tested. Whether the same weights are in use "
            "elsewhere is for the reader to compare.",
        )
    yield Limitation(
        "Training data",
        "What the model was trained on is not known here; if these cases were among it, the "
        "results are too good.",
    )
    if set(frozen.outputs) != set(frozen.cohort.get("classes") or []):
        yield Limitation(
            "Different classes",
            "The model’s classes are not the cohort’s; they are compared on finding present or "
            "absent only.",
        )


def _failed(frozen: Frozen) -> Iterator[Limitation]:
    n = frozen.counts[Outcome.FAILED] if frozen.has_scores else 0
    if n:
        yield Limitation(
            "Cases without a score",
            f"The model gave no score for {numbers.count(n)} {'case' if n == 1 else 'cases'}. "
            "Rates count them as wrong; ranking and calibration leave them out.",
        )


def _readers(frozen: Frozen) -> Iterator[Limitation]:
    masks = frozen.cohort.get("masks") or {}
    read = frozen.cohort.get("n_readings") or masks.get("n_readers")
    if read and frozen.cohort.get("readers") == "exchangeable":
        yield Limitation(
            "Readers without identity",
            "Readings are numbered within a case only; no reader can be followed across cases.",
        )


def _plan(frozen: Frozen) -> Iterator[Limitation]:
    if frozen.protocol.get("is_default"):
        yield Limitation(
            "Limits",
            f"No protocol was written for this audit. {judged_by(frozen)}",
        )
    look = frozen.context.get("look") or 1
    if look > 1:
        yield Limitation(
            "Repeated looks",
            f"This cohort version was audited {look} times, this one included. Each look makes "
            "it easier to fit the cohort instead of the task.",
        )


def _simulated(frozen: Frozen) -> Iterator[Limitation]:
    if frozen.cohort.get("simulated"):
        yield Limitation("Simulated", "The cohort says of itself that it holds simulated data.")


_RULES: tuple[Callable[[Frozen], Iterator[Limitation]], ...] = (
    _simulated,
    _units,
    _labels,
    _covariates,
    _readers,
    _model,
    _failed,
    _plan,
)
