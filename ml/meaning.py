"""What passes over a model left, with what their outputs mean and what was done to the images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, cast

import pyarrow as pa

from ml.corruptions import corruption, corruptions_for
from ml.engine.mask_passes import borne_by_masks
from ml.engine.passes import CORRUPT, MOVE
from ml.engine.plan import colour_of, takes_pictures
from ml.estimate import JsonObject, JsonValue
from ml.evidence.mask_copies import MaskCopies, is_of_masks, mask_copies_of
from ml.evidence.passes import CaseOutputs, Distortion, OfPasses, of_passes
from ml.intake.model_manifest import Scores
from ml.moves import move
from ml.sampled import kind_of
from ml.scores import activated, finding_score
from ml.volume_moves import in_voxels

Copies = TypeVar("Copies", CaseOutputs, MaskCopies)


class Made(OfPasses, total=False):
    """And of a model that segments."""

    corrupted_masks: MaskCopies
    moved_masks: MaskCopies


def with_meaning(
    passes: Mapping[str, pa.Table],
    case_ids: Sequence[str],
    manifest: Mapping[str, JsonValue] | None,
    *,
    modality: str = "",
) -> Made:
    """What evidence holds of some passes.

    Args:
        passes: the table of each, by name of the pass.
        case_ids: of the cohort, in its order.
        manifest: the model's, normalised; without it, outputs stay raw.
        modality: as the cohort declares it; it says which corruptions there are.
    """
    marked = {name: table for name, table in passes.items() if is_of_masks(table)}
    others = {name: table for name, table in passes.items() if name not in marked}
    found = cast(Made, of_passes(others, case_ids))
    if manifest is None:
        return found
    if CORRUPT in marked:
        told = _distorted(mask_copies_of(marked[CORRUPT], case_ids), "corruption", _corrupted)
        offered = len(borne_by_masks(_fit(modality, manifest)))
        found["corrupted_masks"] = replace(told, offered=offered)
    if MOVE in marked:
        copies = mask_copies_of(marked[MOVE], case_ids)
        found["moved_masks"] = _distorted(copies, "move", _moved_of(manifest))
    declared = scores_of(cast(JsonObject, manifest["output"]))
    if "corruptions" in found:
        outputs = _told(found["corruptions"], declared, "corruption", _corrupted)
        found["corruptions"] = replace(outputs, offered=len(_fit(modality, manifest)))
    if "moves" in found:
        found["moves"] = _told(found["moves"], declared, "move", _moved_of(manifest))
    if "attacks" in found:
        found["attacks"] = _scored(found["attacks"], declared)
    if "blots" in found:
        blotted = found["blots"]
        score = finding_score(activated(blotted.outputs, declared), declared)
        found["blots"] = replace(blotted, score=score)
    if "corrupted_samples" in found:
        drawn = found["corrupted_samples"]
        score = finding_score(activated(drawn.outputs, declared), declared)
        found["corrupted_samples"] = replace(drawn, kind=kind_of(manifest), score=score)
    if "normalisations" in found:
        looked = found["normalisations"]
        by = {name: activated(outputs, declared) for name, outputs in looked.outputs.items()}
        scores = {name: finding_score(one, declared) for name, one in by.items()}
        found["normalisations"] = replace(looked, probabilities=by, score=scores)
    return found


def scores_of(meta: Mapping[str, JsonValue]) -> Scores:
    """What outputs mean, of a manifest's ``output`` or of predictions."""
    names = Scores.model_fields
    return Scores.model_validate({name: meta[name] for name in names if name in meta})


def _told(
    versions: CaseOutputs, declared: Scores, key: str, distortion: Callable[[str], Distortion]
) -> CaseOutputs:
    return _distorted(_scored(versions, declared), key, distortion)


def _distorted(copies: Copies, key: str, distortion: Callable[[str], Distortion]) -> Copies:
    """Copies with what was done to each, in words."""
    names = map(str, dict.fromkeys(copies.keys[key]))
    return replace(copies, distortions={name: distortion(name) for name in names})


def _fit(modality: str, manifest: Mapping[str, JsonValue]) -> list[str]:
    """Ids of the corruptions that there are for such images."""
    volumes = not takes_pictures(manifest)
    return [one.id for one in corruptions_for(modality, colour_of(manifest), volumes=volumes)]


def _scored(versions: CaseOutputs, declared: Scores) -> CaseOutputs:
    probabilities = activated(versions.outputs, declared)
    score = finding_score(probabilities, declared)
    return replace(versions, probabilities=probabilities, score=score)


def _corrupted(name: str) -> Distortion:
    one = corruption(name)
    return Distortion(one.title, one.parameter, one.values)


def _moved_of(manifest: Mapping[str, JsonValue]) -> Callable[[str], Distortion]:
    return _moved if takes_pictures(manifest) else _moved_volume


def _moved(name: str) -> Distortion:
    one = move(name)
    return Distortion(one.title, one.parameter, one.values, one.said)


def _moved_volume(name: str) -> Distortion:
    one = _moved(name)
    said = tuple(in_voxels(words) for words in one.said)
    return replace(one, parameter=in_voxels(one.parameter), said=said)
