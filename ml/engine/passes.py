"""The passes over a model beside predict: what asks for each, with what, its evidence, its cost.

Nothing here loads torch: plans are made where no model is run.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

from ml.corruptions import corruptions_for, pack
from ml.corruptions.modality import GENERIC, Colour
from ml.corruptions.registry import SEVERITIES
from ml.engine.attack_form import ATTACK, attack_cost, attack_form
from ml.engine.attack_form import NEED as ATTACKS
from ml.engine.attack_form import PARAMS as ATTACKED
from ml.engine.blot_form import BLOT, blot_cost, blot_form
from ml.engine.blot_form import NEED as BLOTS
from ml.engine.blot_form import PARAMS as BLOTTED
from ml.engine.cost import ROW, Cost, Sizes
from ml.engine.explain_form import (
    ATTRIBUTE,
    KEPT,
    MAP_PARAMS,
    PERTURB,
    RANDOMISE,
    kept_params,
    map_cost,
    map_form,
    perturb_cost,
    perturb_form,
    randomise_cost,
    randomise_form,
)
from ml.engine.images import DESCRIBE, FORM
from ml.engine.localise_form import LOCALISE, localise_cost, localise_form
from ml.engine.localise_form import NEED as LOCALISED
from ml.engine.localise_form import PARAMS as LOCALISING
from ml.engine.mask_copies_form import mask_copies_cost, mask_copies_form, of_masks
from ml.engine.move_form import move_cost, move_form, move_params
from ml.engine.params import count, output_names, texts
from ml.engine.requested_form import (
    COPIES_SAMPLED,
    CORRUPT_SAMPLES,
    GRADIENT_SCORES,
    SAMPLED,
    SCORES,
    corrupt_samples_cost,
    corrupt_samples_form,
    gradient_scores_cost,
    gradient_scores_form,
)
from ml.engine.sampled_form import check_sampled_masks, cost_of_masks, form_of
from ml.engine.sampling import MEMBERS
from ml.estimate import JsonObject, JsonValue
from ml.evidence.checked import (
    check_masks,
    check_outputs,
    check_samples,
    most_bytes,
    most_mask_bytes,
    most_outputs_bytes,
)
from ml.evidence.forms import Form, Key
from ml.evidence.normalised import VERSIONS
from ml.evidence.orders import BLUR, LINEAR, MEAN, RANKINGS
from ml.evidence.passes import CASCADING, FEATURES, INDEPENDENT

SAMPLES = "samples"
CORRUPT, NORMALISE, GRADIENTS, MOVE = "corrupt", "normalise", "gradients", "move"
PENULTIMATE, EARLY = "penultimate", "early"
MOST_FEATURES = 65_536  # numbers of one layer and case
MOST_KEPT = 32_768  # channels of all layers whose moments are kept
MOST_LAYERS = 16_384  # of a network, with a number each
MOST_UNITS = 1 << 20  # of all activations, with a bit each
_MOST_TEXT = 1 << 20  # bytes that name the layers of a network
TOGETHER = "together"  # all cases of a pass are one shard
_SEED = 20261127


@dataclass(frozen=True)
class ModelPass:
    """One pass of a model that leaves a table of its own.

    Attributes:
        need: of checks, that it fulfils.
        params: whatever can change a value; part of the evidence key.
        form: of its table, from the params and the number of outputs.
        cost: of a case, from the params and sizes.
        walks: it looks into the network, so outputs alone are not enough.
        runs: it leaves outputs, which are computed as those of the predict pass.
        volumes: it knows volumes too, and not pictures alone.
    """

    name: str
    need: str
    params: JsonObject
    form: Callable[[JsonObject, int], Form]
    cost: Callable[[JsonObject, Sizes], Cost]
    walks: bool
    runs: bool = False
    volumes: bool = False


def corrupt_form(params: JsonObject, n_outputs: int) -> Form:
    """A row for each case, corruption and severity, with the outputs.

    Of a model that segments a row for each structure too, with sizes of masks.
    """
    wanted = list(product(texts(params, "corruptions"), range(1, SEVERITIES + 1)))
    if of_masks(params):
        return mask_copies_form(params, "corruption", "severity", wanted, back=False)
    keys: dict[str, list[Key]] = {
        "corruption": [one for one, _ in wanted],
        "severity": [one for _, one in wanted],
    }
    return Form(keys=keys, numbers=output_names(n_outputs))


def normalise_form(params: JsonObject, n_outputs: int) -> Form:
    """A row for each case and version of the statistics; see ``ml.engine.normalise``."""
    del params
    return Form(
        keys={"statistics": VERSIONS},
        numbers=output_names(n_outputs),
        loose=output_names(n_outputs),  # a case of too small a group has no statistics of its own
        blobs={"given": 2 * 4 * MOST_KEPT, "layers": _MOST_TEXT},
    )


def gradients_form(params: JsonObject, n_outputs: int) -> Form:
    """A row for each case; see ``ml.engine.gradients``."""
    del params, n_outputs
    layers = 4 * MOST_LAYERS
    blobs = {"norms": layers, "flat": layers, "active": MOST_UNITS // 8, "layers": _MOST_TEXT}
    return Form(numbers=("score",), blobs=blobs)


def _corrupt_cost(params: JsonObject, sizes: Sizes) -> Cost:
    rows = len(texts(params, "corruptions")) * SEVERITIES
    if of_masks(params):
        return mask_copies_cost(params, rows, ROW)
    return Cost(rows, 0, rows * (ROW + 8 * sizes.outputs))


def _normalise_cost(params: JsonObject, sizes: Sizes) -> Cost:
    # As it is, beside others, while statistics are counted, and with them; moments are a walk's
    # worth of work of their own.
    return Cost(5, 0, len(VERSIONS) * (ROW + 8 * sizes.outputs) + 8 * sizes.features)


def _gradients_cost(params: JsonObject, sizes: Sizes) -> Cost:
    return Cost(0, 1, ROW + 2 * sizes.features)  # a forward counts with its backward


PASSES: dict[str, ModelPass] = {
    one.name: one
    for one in (
        ModelPass(ATTRIBUTE, "attributions", {"batch": 8, **MAP_PARAMS}, map_form, map_cost, True),
        ModelPass(
            PERTURB, "perturbations",
            {
                "batch": 8, **MAP_PARAMS, "baselines": [MEAN, BLUR, LINEAR],
                "rankings": list(RANKINGS), "steps": 10, "seed": _SEED,
                "patches": 14, "subset_percents": [5, 20, 50], "draws": 16,
            },
            perturb_form, perturb_cost, True, True,
        ),
        ModelPass(
            CORRUPT, "corruptions",
            {"batch": 8, "corruptions": [one.id for one in pack(GENERIC)], "seed": _SEED},
            corrupt_form, _corrupt_cost, False, True, volumes=True,
        ),
        ModelPass(
            MOVE, "moves", {"batch": 8, **MAP_PARAMS, **move_params(maps=False), "seed": _SEED},
            move_form, partial(move_cost, row_bytes=ROW), False, True, volumes=True,
        ),
        ModelPass(
            RANDOMISE, "randomisations",
            {"batch": 8, **MAP_PARAMS, "orders": [CASCADING, INDEPENDENT], "stages": 6,
             "redrawn": 2, "noises": 4, "seed": _SEED},
            randomise_form, randomise_cost, True,
        ),
        ModelPass(
            NORMALISE, "normalisations",
            {"batch": 8, "seed": _SEED, "channels": 64, "fewest": 10, TOGETHER: True},
            normalise_form, _normalise_cost, True, volumes=True,
        ),
        ModelPass(
            GRADIENTS, "gradients", {"batch": 8}, gradients_form, _gradients_cost, True,
            volumes=True,
        ),
        ModelPass(ATTACK, ATTACKS, ATTACKED, attack_form, attack_cost, True),
        ModelPass(LOCALISE, LOCALISED, LOCALISING, localise_form, localise_cost, True),
        ModelPass(BLOT, BLOTS, BLOTTED | MAP_PARAMS, blot_form, blot_cost, False, True),
        ModelPass(
            CORRUPT_SAMPLES, COPIES_SAMPLED,
            {"batch": 8, "corruptions": [one.id for one in pack(GENERIC)], "seed": _SEED},
            corrupt_samples_form, corrupt_samples_cost, False, volumes=True,
        ),
        ModelPass(
            GRADIENT_SCORES, SCORES, {"batch": 8}, gradient_scores_form, gradient_scores_cost, True,
            volumes=True,
        ),
    )
}  # fmt: skip


def corrupt_params(
    modality: str | None,
    colour: Colour = "gray",
    only: Sequence[str] = (),
    *,
    pictures: bool = True,
) -> JsonObject:
    """Params of the corrupt pass for images of a declared modality.

    Args:
        modality: None for the generic corruptions alone.
        pictures: the images are pictures; else volumes.
        only: ids that a protocol chose; of these, those that fit. () for all that fit.
    """
    fit = pack(GENERIC)
    if modality is not None:
        fit = corruptions_for(modality, colour, volumes=not pictures)
    names: list[JsonValue] = [one.id for one in fit if not only or one.id in only]
    return PASSES[CORRUPT].params | {"corruptions": names}


def asked_for(
    wanted: Iterable[str],
    *,
    walks: bool,
    pictures: bool = True,
    running: JsonObject | None = None,
    modality: str | None = None,
    colour: Colour = "gray",
    flips: Sequence[str] = (),
    only: Sequence[str] = (),
    sampled: JsonObject | None = None,
) -> list[tuple[str, JsonObject]]:
    """Name and params of the passes that fulfil some needs, in the order they are run.

    Args:
        wanted: needs of checks.
        walks: the model can be looked into.
        pictures: it takes pictures; else volumes, which few passes know.
        running: batch and runtime of the predict pass, so that outputs can be held against its own.
        modality: as the cohort declares it; None for the generic corruptions alone.
        colour: of the pictures that the model takes.
        flips: that change nothing of a patient, of ``ml.protocol.FLIPS``.
        only: corruptions that the protocol chose; where none of them fits, none is run.
        sampled: how corrupted copies are sampled; None where they are not.
    """
    needs = set(wanted)
    own = {
        MOVE: PASSES[MOVE].params | move_params(maps=walks and pictures, flips=flips),
        CORRUPT: corrupt_params(modality, colour, only, pictures=pictures),
        BLOT: PASSES[BLOT].params | {"maps": walks},
        ATTRIBUTE: PASSES[ATTRIBUTE].params | kept_params(pictures=pictures),
    }
    own[CORRUPT_SAMPLES] = own[CORRUPT] | {SAMPLED: sampled}
    params = {name: own.get(name, one.params) for name, one in PASSES.items()}
    return [
        (one.name, params[one.name] | (running or {}) if one.runs else dict(params[one.name]))
        for one in PASSES.values()
        if _is_wanted(one, needs, pictures=pictures)
        and (walks or not one.walks)
        and (one.name not in (CORRUPT, CORRUPT_SAMPLES) or params[CORRUPT]["corruptions"])
        and (one.name != CORRUPT_SAMPLES or sampled)
    ]


def _is_wanted(one: ModelPass, needs: set[str], *, pictures: bool) -> bool:
    """Maps that no check reads are made of volumes too, where the protocol asks for them."""
    if one.name == ATTRIBUTE and KEPT in needs:
        return True
    return one.need in needs and (pictures or one.volumes)


def features_asked(wanted: Iterable[str], *, walks: bool) -> JsonObject:
    """What the predict pass is asked for beside the outputs, as params; {} for nothing."""
    names: list[JsonValue] = [PENULTIMATE, EARLY]
    return {"features": names} if walks and "features" in set(wanted) else {}


def feature_columns(params: JsonObject) -> dict[str, int]:
    """The columns that features are in, with the most numbers that a row can have."""
    return {FEATURES + name: MOST_FEATURES for name in texts(params, "features")}


def check_of(
    name: str, params: JsonObject, n_outputs: int
) -> Callable[[bytes, Sequence[str]], None]:
    """What holds the table of a shard against what was asked for; raises EvidenceError."""
    if name in PASSES:
        return PASSES[name].form(params, n_outputs).check
    if name == SAMPLES and "structures" in params:
        return partial(check_sampled_masks, params=params)
    if name == SAMPLES:
        return partial(check_samples, width=n_outputs, samples=count(params, "samples"))
    if params.get("masks"):
        return check_masks
    return partial(check_outputs, width=n_outputs, packed=feature_columns(params))


def most_bytes_of(name: str, params: JsonObject, n_outputs: int, cases: int) -> int:
    """The size that the table of a shard of so many cases cannot exceed."""
    if name in PASSES:
        return PASSES[name].form(params, n_outputs).most_bytes(cases)
    if name == SAMPLES and "structures" in params:
        return form_of(params).most_bytes(cases)
    if name == SAMPLES:
        return most_bytes(cases * count(params, "samples"))
    if params.get("masks"):
        return most_mask_bytes(cases)
    return most_outputs_bytes(cases, feature_columns(params))


def cost_of(name: str, params: JsonObject, sizes: Sizes, *, by_onnxruntime: bool = False) -> Cost:
    """What a pass costs for each case.

    Args:
        by_onnxruntime: the outputs do not come from the walk that gives features.
    """
    if name in PASSES:
        return PASSES[name].cost(params, sizes)
    if name == SAMPLES:  # an ensemble's members are its one forward; dropout repeats a tail at most
        drawn = count(params, "samples")
        forwards = 1 if params["kind"] == MEMBERS else drawn
        if "structures" in params:
            return cost_of_masks(params, forwards, ROW)
        return Cost(forwards, 0, drawn * (ROW + 8 * sizes.outputs))
    if name == "compare-masks":
        return Cost(0, 0, 16 * (ROW + 11 * 8))
    if name == DESCRIBE:
        return Cost(0, 0, FORM.most_bytes(1) - FORM.most_bytes(0))
    layers = len(texts(params, "features"))
    again = 1 if layers and by_onnxruntime else 0
    return Cost(1 + again, 0, ROW + 8 * sizes.outputs + 4 * layers * sizes.features)
