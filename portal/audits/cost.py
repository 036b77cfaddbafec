"""What an audit would cost: shards, cases, seconds, with what is there already taken off."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml.beside import wanting
from ml.checks import all_checks
from ml.engine.cost import Sizes, estimate
from ml.engine.drawn_cases import cases_of
from ml.engine.images import DESCRIBE, key_of_images
from ml.engine.localise_form import finding_masks_of
from ml.engine.mask_passes import references_of
from ml.engine.passes import SAMPLES, cost_of
from ml.engine.plan import (
    COMPARE,
    PREDICT,
    PassPlan,
    colour_of,
    images_by_case,
    key_of_shard,
    plan,
    shards,
    walked_with,
)
from ml.engine.requested_form import CORRUPT_SAMPLES, n_draws, sampled_versions
from ml.engine.sampling import samples_params, seconds_of_samples
from ml.protocol import Protocol as Rules
from portal.accounts.models import Team
from portal.audits import further, mask_preview
from portal.audits.models import Evidence
from portal.audits.progress import rough
from portal.cohorts import catalogue
from portal.cohorts.masks import SEGMENTATION
from portal.cohorts.models import CohortVersion
from portal.registry.models import ModelVersion

if TYPE_CHECKING:
    from portal.audits.preview import Choice

Piece = tuple[PassPlan, int]  # of how many cases


@dataclass(frozen=True)
class Cost:
    n_shards: int
    n_reused: int
    n_cases: int  # that the model still has to be run on, or whose masks are to be compared
    seconds_per_case: float | None  # of the trial run at intake
    of_masks: bool = False  # nothing is inferred: masks are compared
    seconds: float | None = None  # of all passes, by what each declares; None where not timed
    n_beside: int = 0  # of the cases, those of cohorts beside the audited one
    n_measured: int = 0  # cases whose images are still to be measured, without the model

    @property
    def about(self) -> float | None:
        return None if self.seconds is None else rough(self.seconds)


def cost_of_choice(choice: "Choice", *, is_blocked: bool) -> Cost:
    model = choice.model
    if choice.cohort.task == SEGMENTATION and model is None:
        return _of_masks(choice, is_blocked=is_blocked)
    smoke = (model.card.get("smoke") or {}) if model else {}
    per_case = smoke.get("seconds_per_case")
    passes = _planned(choice)
    if model is None or not passes:
        return Cost(0, 0, 0, per_case)
    # What will be marked is not known, so comparisons are not found before; they are quick.
    own = _pieces(model, [one for one in passes if one.name != COMPARE], choice.cohort)
    beside: dict[str, Piece] = {}
    for version, role in choice.beside.roles:
        beside |= _pieces(model, further.passes_of(passes, role), version)
    known = _known(choice.team, [*own, *beside])
    left = [piece for key, piece in own.items() if key not in known]
    theirs = [piece for key, piece in beside.items() if key not in known]
    seconds = None
    if per_case is not None:
        seconds = _seconds(choice.rules, model, left, per_case)
        seconds += _seconds(choice.rules, model, theirs, per_case, in_one_walk=False)
    return Cost(
        len(own | beside),
        len(known),
        _plain(left) + _plain(theirs),
        per_case,
        seconds=seconds,
        n_beside=_plain(theirs),
        n_measured=sum(n for planned, n in [*left, *theirs] if planned.name == DESCRIBE),
    )


def _plain(pieces: Iterable[Piece]) -> int:
    return sum(n for planned, n in pieces if planned.name not in (SAMPLES, DESCRIBE))


def _planned(choice: "Choice") -> tuple[PassPlan, ...]:
    model = choice.model
    return plan(
        choice.rules,
        wanting(
            all_checks(),
            foreign=bool(choice.beside.foreign),
            reference=choice.beside.reference is not None,
        ),
        has_model=model is not None,
        has_images=choice.cohort.n_images > 0,
        has_masks=choice.cohort.task == SEGMENTATION,
        samples=samples_params(choice.rules, model.manifest, model.card) if model else None,
        walks=choice.walks,
        pictures=choice.pictures,
        modality=choice.cohort.modality,
        colour=colour_of(model.manifest if model else {}),
        card=model.card if model else None,
        catalogue=catalogue.load(choice.cohort) if model else None,
    )


def _pieces(
    model: ModelVersion, passes: Iterable[PassPlan], cohort: CohortVersion
) -> dict[str, Piece]:
    """Evidence key of each shard of a cohort, with its pass and how many cases it has."""
    content = catalogue.load(cohort)
    images = images_by_case(content)
    keys: dict[str, Piece] = {}
    for planned in passes:
        references = references_of(planned.name, planned.params, content)
        masks = finding_masks_of(planned.name, content)
        for piece in shards(cases_of(planned.params, list(images), content), planned.params):
            keys[_key(model, planned, piece, images, references, masks)] = planned, len(piece)
    return keys


def _key(
    model: ModelVersion,
    planned: PassPlan,
    piece: Sequence[str],
    images: dict[str, list[str]],
    references: dict[str, str],
    masks: dict[str, dict[str, str]],
) -> str:
    if planned.name == DESCRIBE:
        return key_of_images(piece, images)
    return key_of_shard(
        planned,
        model_sha256=model.sha256,
        manifest_sha256=model.manifest_sha256,
        shard=piece,
        images=images,
        references=references,
        masks=masks,
    )


def _of_masks(choice: "Choice", *, is_blocked: bool) -> Cost:
    if is_blocked:
        return Cost(0, 0, 0, None)
    keys = mask_preview.shard_keys(choice.cohort, choice.predictions, choice.rules)
    known = _known(choice.team, keys)
    left = sum(n for key, n in keys.items() if key not in known)
    return Cost(len(keys), len(known), left, None, of_masks=True)


def _known(team: Team, keys: Iterable[str]) -> set[str]:
    """The shards whose evidence the team has already."""
    made = Evidence.objects.filter(team=team, key__in=list(keys))
    return set(made.values_list("key", flat=True))


def _seconds(
    rules: Rules,
    model: ModelVersion,
    left: Sequence[Piece],
    per_case: float,
    *,
    in_one_walk: bool = True,
) -> float:
    """What the passes declare, at the pace of the trial runs.

    Args:
        in_one_walk: samples of what is predicted anyway cost nothing, where one walk leaves both.
    """
    sizes = Sizes(outputs=len(model.manifest["output"]["classes"]))
    onnx = model.manifest["format"] == "onnx"
    costs, sampled, of_copies = [], 0, 0.0
    for planned, n in left:
        if planned.name == SAMPLES:  # samples were timed by themselves
            sampled += n
        elif planned.name == CORRUPT_SAMPLES:
            versions = len(sampled_versions(planned.params))
            of_copies += n * versions * seconds_of_samples(n_draws(planned.params), model.card)
        else:
            costs.append((cost_of(planned.name, planned.params, sizes, by_onnxruntime=onnx), n))
    passes = [planned for planned, _ in left]
    if in_one_walk:
        beside = sum(n for one, n in left if one.name == PREDICT and walked_with(one, passes))
        sampled = max(0, sampled - beside)
    each = seconds_of_samples(rules.dropout_samples, model.card)
    return estimate(costs, per_case).seconds + of_copies + sampled * each
