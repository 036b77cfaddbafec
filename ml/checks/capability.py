"""What a model can and cannot be audited for: its capabilities, and the checks that follow."""

from collections.abc import Iterable, Mapping

from ml.checks.intake_points import Point, as_int, as_list, as_object
from ml.checks.registry import Check, State
from ml.estimate import JsonObject, JsonValue, counted

# what a check needs beside a model -> where it comes from
FROM_COHORT = {
    "labels": "reference labels",
    "covariates": "covariates",
    "readings": "readings",
    "identified-readers": "readers who are identified",
    "reference-masks": "reference masks",
    "finding-masks": "masks of the finding",
    "reader-masks": "the masks of several readers",
    "foreign": "a cohort of foreign images beside it",
    "described": "images",
    "reference": "a training cohort with labels beside it",
    "reference-cohort": "a reference cohort beside it",
}
WITH_SCORES = frozenset({"prediction", "probabilities"})
WITH_MASKS = frozenset({"predicted-masks"})
OF_MARKED_COPIES = frozenset({"corrupted-masks", "moved-masks"})
WITH_SAMPLES = WITH_SCORES | {"samples"}
WITH_MODEL = WITH_SCORES | {"intake", "corruptions", "moves"}
_LAYERS = frozenset({"features", "normalisations", "gradients", "gradient-scores"})
# Needs whose passes know volumes.
OF_VOLUMES = _LAYERS | {"corruptions", "moves", "corrupted-samples"}
_MAPS = frozenset({"attributions", "perturbations", "randomisations", "localisations"})
_LOOKED_INTO = _LAYERS | _MAPS | {"attacks"}
IN_WORDS = {
    "samples": "several answers to a case",
    "sampled-masks": "several masks of a case",
    "intake": "the model itself",
    "perturbations": "a network that can be looked into",
    "corruptions": "the model itself",
    "moves": "the model itself",
    "blots": "a model of pictures itself",
    "corrupted-masks": "the model itself",
    "moved-masks": "the model itself",
    "features": "a network that can be looked into",
    "attributions": "a network that can be looked into",
    "randomisations": "a network that can be looked into",
    "localisations": "a network that can be looked into",
    "normalisations": "a network that can be looked into",
    "gradients": "a network that can be looked into",
    "attacks": "a network of pictures that can be looked into",
    "corrupted-samples": "several answers to a corrupted image",
    "gradient-scores": "a network that can be looked into",
}
KEEP_DROPOUT = "docs/formats.md has the lines that keep dropout in an export."


def of_program(card: Mapping[str, JsonValue]) -> frozenset[str]:
    """Needs that only a network meets that can be looked into."""
    return _LOOKED_INTO if card.get("gradients") else frozenset()


def capabilities(card: Mapping[str, JsonValue]) -> list[Point]:
    """Batch, gradients, map layer, head, dropout and runtime, as far as the card says.

    Args:
        card: as ``ml.intake.model.read_model`` made it.

    Returns:
        State info where something can be done, not assessed where it cannot, with the reason.
    """
    measured = as_object(card.get("measured"))
    return [
        *_runtime(card),
        *_inside(card),
        *_map_layer(card, measured),
        *_head(measured),
        *([] if card.get("members") else [_dropout(card)]),
        *_cost(card, measured),
    ]


def _runtime(card: Mapping[str, JsonValue]) -> list[Point]:
    smoke = as_object(card.get("smoke"))
    runtime, batch = as_object(smoke.get("runtime")), as_object(card.get("measured")).get("batch")
    found = []
    if runtime:
        version = next((f"{name} {runtime[name]}" for name in ("onnxruntime", "torch")
                        if name in runtime), "")  # fmt: skip
        how = ", ".join(str(one) for one in as_list(runtime.get("providers")))
        found.append(Point("runtime", State.INFO, "Runtime", f"{version}: {how}"))
    if batch is not None:
        says = "any number of cases at once"
        if batch != "any":
            says = f"{batch} at once, as the graph insists; more are cut into such pieces"
        found.append(Point("batch", State.INFO, "Batch", says))
    return found


def _inside(card: Mapping[str, JsonValue]) -> list[Point]:
    """Nothing of a card that was written before this was asked."""
    if "gradients" not in card:
        return []
    if card["gradients"]:
        says = "it can be differentiated, and its layers looked into"
        return [Point("gradients", State.INFO, "Gradients", says)]
    reasons = [str(one) for one in as_list(card.get("not_taken_over"))]
    more = f" (and {len(reasons) - 3} more)" if len(reasons) > 3 else ""
    return [
        Point(
            "gradients", State.NOT_ASSESSED, "Gradients",
            f"run as a black box: {' '.join(reasons[:3])}{more}",
            # The members of an ensemble may be exported as they should be.
            "" if card.get("members") else
            "Export it with torch.export (docs/formats.md), or without these operators.",
        )
    ]  # fmt: skip


def _map_layer(card: Mapping[str, JsonValue], measured: JsonObject) -> list[Point]:
    if not card.get("gradients") or not measured:
        return []
    if "map_layer" not in measured:
        reason = str(measured.get("reason", ""))
        return [Point("map-layer", State.NOT_ASSESSED, "Map layer", reason.rstrip("."))]
    layer = as_object(measured["map_layer"])
    if "places" not in layer:
        says = str(layer.get("reason") or "there is none").rstrip(".")
        return [
            Point(
                "map-layer", State.NOT_ASSESSED, "Map layer", says,
                "Name a layer that has places of the picture under target_layer in model.yaml.",
            )
        ]  # fmt: skip
    places = sides(layer.get("places"))
    return [
        Point(
            "map-layer", State.INFO, "Map layer",
            f"{layer['where']}: {layer['channels']} channels of {places} places; each sees "
            f"{_field(layer)}",
        )
    ]  # fmt: skip


def _field(layer: JsonObject) -> str:
    if layer.get("receptive_field"):
        return f"{sides(layer['receptive_field'])} pixels"
    local = layer.get("local_field")
    own = f"; its convolutions alone {sides(local)} pixels" if local else ""
    return f"the whole picture ({str(layer.get('reason', '')).rstrip('.')}){own}"


def _head(measured: JsonObject) -> list[Point]:
    head = as_object(measured.get("head"))
    if not head:
        return []
    says = f"{head['where']}: {counted(as_int(head['features']), 'feature')} become "
    says += counted(as_int(head["outputs"]), "number")
    return [Point("head", State.INFO, "Head", says)]


def _dropout(card: Mapping[str, JsonValue]) -> Point:
    sites = as_int(card.get("dropout_sites")) or int(bool(card.get("has_dropout")))
    if not sites:
        return Point(
            "dropout", State.NOT_ASSESSED, "Dropout sampling",
            "no dropout layer in the exported graph", KEEP_DROPOUT,
        )  # fmt: skip
    given = as_list(card.get("dropout_rates"))
    if given and not any(given):
        return Point(
            "dropout", State.NOT_ASSESSED, "Dropout sampling",
            f"{counted(sites, 'dropout layer')} of the rate 0: nothing would drop",
            "Hand in the network with the rate that it was trained with.",
        )  # fmt: skip
    rates = ", ".join(f"{rate:g}" for rate in given)
    said = f"{sites} site{'' if sites == 1 else 's'}" + (f", rate {rates}" if rates else "")
    return Point("dropout", State.INFO, "Dropout sampling", f"the graph holds dropout: {said}")


def _cost(card: Mapping[str, JsonValue], measured: JsonObject) -> list[Point]:
    found, flops = [], measured.get("flops_per_case")
    if isinstance(flops, int):
        says = f"{short(flops)} floating-point operations a case (a multiplication and an addition "
        found.append(Point("cost", State.INFO, "Cost", says + "are two)"))
    norms = as_object(card.get("normalisation"))
    if norms:
        said = ", ".join(f"{name} x {n}" for name, n in sorted(norms.items()))
        found.append(Point("normalisation", State.INFO, "Normalisation", said))
    return found


def follows(
    met: frozenset[str], known: Iterable[Check], task: str = "classification"
) -> list[Point]:
    """Which checks can follow, what the cohort must bring for each, and which say "not assessed".

    Args:
        met: the needs that the subject of the audit itself meets.
        known: the checks of this installation.
        task: "classification" or "segmentation"; checks of the other one are left out.
    """
    found = []
    for check in known:
        if check.task not in ("", task):
            continue
        missing = [need for need in check.needs_in(task) if need not in met]
        brings = [FROM_COHORT[need] for need in missing if need in FROM_COHORT]
        lacking = [need for need in missing if need not in FROM_COHORT]
        if lacking:
            words = dict.fromkeys(IN_WORDS.get(need, need) for need in lacking)
            state, says = State.NOT_ASSESSED, f"needs {' and '.join(words)}"
        elif brings:
            state, says = State.INFO, f"with a cohort that has {' and '.join(brings)}"
        else:
            state, says = State.PASS, "with any cohort"
        found.append(Point(check.id, state, check.title, says))
    return found


def short(number: int) -> str:
    """A large number as people say it.

    Example:
        >>> short(15_470_000_000), short(999), short(2_500_000)
        ('15.5 billion', '999', '2.5 million')
    """
    for size, word in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million")):
        if number >= size:
            return f"{number / size:.3g} {word}"
    return f"{number:,}"


def sides(value: JsonValue | None) -> str:
    """Lengths of sides as "14 x 14".

    Example:
        >>> sides([14, 14])
        '14 x 14'
    """
    return " x ".join(str(side) for side in as_list(value))
