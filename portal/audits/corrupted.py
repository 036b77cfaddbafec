"""Which corruptions an audit would run, before anybody starts it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from ml.corruptions import corruptions_for
from ml.corruptions.registry import SEVERITIES
from ml.engine.mask_passes import borne_by_masks
from ml.engine.passes import corrupt_params
from ml.engine.plan import colour_of
from ml.engine.requested_form import sampled_as
from ml.engine.sampling import MEMBERS, samples_params, why_no_samples
from portal.cohorts.masks import SEGMENTATION
from portal.ui import numbers

if TYPE_CHECKING:
    from portal.audits.preview import Choice

_SCORES_ALONE = "only images that get a score are sampled when they are corrupted."
NONE_FITS = (
    "None of the corruptions that the protocol names fits these images: they belong to another "
    "modality, or to pictures of another colour."
)


def chosen(choice: "Choice") -> list[str]:
    """Those of the protocol's that images of this cohort can suffer."""
    colour = colour_of(choice.model.manifest if choice.model else {})
    params = corrupt_params(
        choice.cohort.modality, colour, choice.rules.corruptions, pictures=choice.pictures
    )
    return _of_task(choice, cast(list[str], params["corruptions"]))


def _of_task(choice: "Choice", names: list[str]) -> list[str]:
    """Of masks those that leave everything where it is."""
    return borne_by_masks(names) if choice.cohort.task == SEGMENTATION else names


def fact(choice: "Choice") -> str:
    """ "3 of 17 corruptions at 5 severities, on 30 cases"."""
    colour = colour_of(choice.model.manifest if choice.model else {})
    fit = [
        one.id
        for one in corruptions_for(choice.cohort.modality, colour, volumes=not choice.pictures)
    ]
    n, offered = len(chosen(choice)), len(_of_task(choice, fit))
    of = "" if n == offered else f" of {offered}"
    cases = numbers.counted(min(choice.rules.stress_cases, choice.cohort.n_cases), "case")
    return f"{n}{of} corruptions at {SEVERITIES} severities, on {cases}"


def sampled_facts(choice: "Choice") -> Iterable[tuple[str, bool]]:
    """How often each copy is answered, where the protocol asks; True beside why it is once."""
    model = choice.model
    if not choice.rules.stress_samples or model is None:
        return
    params = samples_params(choice.rules, model.manifest, model.card)
    asked = sampled_as(params, choice.rules)
    if asked is None:
        why = why_no_samples(model.manifest, model.card) or _SCORES_ALONE
        yield f"one answer to each copy, though the protocol asks for several: {why}", True
    else:
        what = "members" if asked["kind"] == MEMBERS else "samples of its dropout"
        yield f"{asked['samples']} {what} answer each copy, and the image as it is", False
