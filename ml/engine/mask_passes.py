"""The passes over copies of images that a model is to mark: what asks for them, with what."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import cast

from ml.corruptions.modality import Colour
from ml.engine.explain_form import ATTRIBUTE, KEPT, kept_params
from ml.engine.mask_copies_form import STRUCTURES, of_masks
from ml.engine.move_form import move_params
from ml.engine.passes import CORRUPT, MOVE, PASSES, corrupt_params
from ml.estimate import JsonObject, JsonValue

CORRUPTED, MOVED = "corrupted-masks", "moved-masks"
NEEDS = {CORRUPTED: CORRUPT, MOVED: MOVE}  # need of a check -> the pass that fulfils it
# Mirrored by a reader of files: a mask that follows the picture lies off its reference, and should.
MIRRORED = frozenset({"dicom-left-right", "dicom-upside-down"})


def borne_by_masks(names: Iterable[str]) -> list[str]:
    """The corruptions that leave everything where it is, so that a mask can bear them.

    >>> borne_by_masks(["gamma", "dicom-left-right"])
    ['gamma']
    """
    return [name for name in names if name not in MIRRORED]


def masks_asked_for(
    wanted: Collection[str],
    structures: int,
    *,
    pictures: bool,
    running: JsonObject,
    modality: str | None = None,
    colour: Colour = "gray",
    flips: Sequence[str] = (),
    only: Sequence[str] = (),
    walks: bool = False,
) -> list[tuple[str, JsonObject]]:
    """Name and params of the passes that fulfil some needs, in the order they are run.

    Args:
        wanted: needs of checks.
        structures: how many the model marks.
        pictures, running, modality, colour, flips, only, walks: as for
            :func:`ml.engine.passes.asked_for`.
    """
    corrupted = corrupt_params(modality, colour, only, pictures=pictures)
    fit = borne_by_masks(cast(list[str], corrupted["corruptions"]))
    corrupted |= {"corruptions": list[JsonValue](fit)}
    moves = move_params(maps=False, flips=flips)["moves"]
    own: dict[str, JsonObject] = {
        CORRUPT: corrupted,
        MOVE: {"moves": moves, "seed": PASSES[MOVE].params["seed"]},
    }
    if not fit:
        del own[CORRUPT]
    asked = {NEEDS[need] for need in NEEDS if need in wanted}
    copies = [
        (name, params | running | {STRUCTURES: structures})
        for name, params in own.items()
        if name in asked
    ]
    if KEPT not in wanted or not walks:
        return copies
    maps = PASSES[ATTRIBUTE].params | kept_params(pictures=pictures, structures=structures)
    return [(ATTRIBUTE, maps), *copies]


def references_of(
    name: str, params: Mapping[str, JsonValue], catalogue: Mapping[str, JsonValue]
) -> dict[str, str]:
    """Case id -> SHA-256 of its reference mask, where a pass holds copies against it; else {}.

    Args:
        name, params: of the pass.
        catalogue: of the cohort.
    """
    if name != CORRUPT or not of_masks(params):
        return {}
    found = {}
    for case in cast(list[JsonObject], catalogue["cases"]):
        if case["mask"] is not None:
            found[str(case["case_id"])] = str(cast(JsonObject, case["mask"])["sha256"])
    return found
