"""What has to be computed for a protocol, cut into shards: one plan for every way to run it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from ml.checks import all_checks
from ml.checks.registry import Check
from ml.corruptions.modality import Colour
from ml.engine.attack_form import ATTACK, answering
from ml.engine.blot_form import BLOT, drawn_regions
from ml.engine.drawn_cases import drawing
from ml.engine.explain_form import explaining
from ml.engine.images import DESCRIBE
from ml.engine.images import NEED as DESCRIBED
from ml.engine.localise_form import LOCALISE, MASKS, localising, masks_in
from ml.engine.mask_copies_form import REFERENCES
from ml.engine.mask_passes import masks_asked_for
from ml.engine.passes import NORMALISE, PASSES, SAMPLES, TOGETHER, asked_for, features_asked
from ml.engine.requested_form import CORRUPT_SAMPLES, requested, sampled_as
from ml.engine.runtime import FUSED, MOST_BATCH, MOST_CORES, ONNXRUNTIME, PLAIN, RUNTIMES, quickest
from ml.engine.sampling import MEMBERS
from ml.engine.together import groups_of
from ml.estimate import JsonObject, JsonValue
from ml.evidence.store import shard_key
from ml.protocol import Protocol
from ml.sandbox.gpu import index_of
from ml.sandbox.messages import Job, Limits

SHARD_CASES = 50
SEGMENTATION = "segmentation"
PREDICT, COMPARE = "predict", "compare-masks"
_NEEDS_PREDICT = {"prediction", "probabilities"}
_NEEDS_COMPARE = {"predicted-masks", "reference-masks", "reader-masks"}
_BATCH = 8


@dataclass(frozen=True)
class PassPlan:
    name: str  # PREDICT, SAMPLES, COMPARE, DESCRIBE or one of ml.engine.passes
    params: JsonObject = field(default_factory=dict)  # whatever can change a value


def plan(
    protocol: Protocol,
    checks: Iterable[Check] | None = None,
    *,
    has_model: bool,
    has_images: bool = True,
    has_masks: bool = False,
    samples: JsonObject | None = None,
    walks: bool = True,
    pictures: bool = True,
    card: Mapping[str, JsonValue] | None = None,
    modality: str | None = None,
    colour: Colour = "gray",
    catalogue: Mapping[str, JsonValue] | None = None,
) -> tuple[PassPlan, ...]:
    """The passes that the protocol's checks need and that can be run, in their order.

    Without a model or images nothing of a model is planned; checks then say what they lack. What
    images are in numbers takes images alone. Features come from the predict pass, whose forward
    gives them too. Of a cohort with masks the model marks them in its pass, and what it marks is
    compared by the last.

    Args:
        samples: what the samples pass is run with, from ``ml.engine.sampling``; None where the
            model cannot be sampled.
        walks: the model can be looked into (``gradients`` of its card).
        pictures: it takes pictures; passes that explain or attack know no volumes.
        card: of the model, for the runtime that its trial chose.
        modality: of the cohort, whose own corruptions are run; None: the generic ones alone.
        colour: of the pictures that the model takes.
        catalogue: of the cohort, whose sites get statistics of their own, and whose classes an
            answer may be; None: all are one, and answers are present or absent. Of a cohort with
            masks its classes are the structures, of which copies of pictures are held against it.
    """
    known = all_checks() if checks is None else checks
    task = SEGMENTATION if has_masks else ""
    needs = {
        need for check in known if check.id in protocol.checks for need in check.needs_in(task)
    }
    wanted = requested(needs, protocol)
    passes = []
    # Agreement takes the model as one more reader where it can, without needing it.
    if has_model and has_images and has_masks:
        if wanted & _NEEDS_COMPARE:
            passes.append(PassPlan(PREDICT, _predict_params(card or {}) | {"masks": True}))
        if samples is not None and "sampled-masks" in wanted:
            passes.append(PassPlan(SAMPLES, _samples_params(card or {}) | samples))
        copies = masks_asked_for(
            wanted, len(cast(list[str], (catalogue or {}).get("classes", ()))), pictures=pictures,
            running=_predict_params(card or {}), modality=modality, colour=colour,
            flips=protocol.legal_flips, only=protocol.corruptions, walks=walks,
        )  # fmt: skip
        passes += [PassPlan(name, own | drawing(name, protocol)) for name, own in copies]
    elif has_model and has_images:
        beside = features_asked(wanted, walks=walks)
        if beside or wanted & (_NEEDS_PREDICT | {"readings"}):
            params = _predict_params(card or {}, features=bool(beside))
            passes.append(PassPlan(PREDICT, params | beside))
        if samples is not None and "samples" in wanted:
            passes.append(PassPlan(SAMPLES, _samples_params(card or {}) | samples))
        running = _predict_params(card or {}, features=bool(beside))
        further = asked_for(
            wanted, walks=walks, pictures=pictures, running=running, modality=modality,
            colour=colour, flips=protocol.legal_flips, only=protocol.corruptions,
            sampled=sampled_as(samples, protocol),
        )  # fmt: skip
        for name, own in further:
            params = own | drawing(name, protocol) | explaining(name, protocol)
            if name == LOCALISE:
                if not masks_in(catalogue or {"cases": []}):
                    continue
                params |= localising(protocol, catalogue or {})
            if name == NORMALISE and catalogue is not None:
                params |= groups_of(catalogue, protocol, params)
            if name == CORRUPT_SAMPLES:
                params |= _samples_params(card or {})
            if name == ATTACK:
                params |= answering(protocol, catalogue)
            if name == BLOT:
                params |= drawn_regions(protocol)
            passes.append(PassPlan(name, params))
    if has_images and not has_masks and DESCRIBED in wanted:
        passes.append(PassPlan(DESCRIBE))
    if has_masks and wanted & _NEEDS_COMPARE:
        passes.append(PassPlan(COMPARE, {"tolerance_mm": protocol.tolerance_mm}))
    return tuple(passes)


def walked_with(planned: PassPlan, passes: Iterable[PassPlan]) -> PassPlan | None:
    """The other pass whose table the same walk over the cases leaves; None where there is none.

    Of an ensemble these are the predict and the samples pass: its answer is the mean of what its
    members answer.
    """
    partner = {PREDICT: SAMPLES, SAMPLES: PREDICT}.get(planned.name)
    other = next((one for one in passes if one.name == partner), None)
    if other is None:
        return None
    samples, answers = (planned, other) if partner == PREDICT else (other, planned)
    alike = answers.params == {"batch": samples.params.get("batch")}  # not of masks
    return other if alike and samples.params.get("kind") == MEMBERS else None


def takes_pictures(manifest: Mapping[str, JsonValue]) -> bool:
    """Whether a model's cases are pictures; else they are volumes."""
    return cast(JsonObject, manifest.get("input", {})).get("dims", 2) == 2


def colour_of(manifest: Mapping[str, JsonValue]) -> Colour:
    """Of the pictures that a model takes."""
    return "rgb" if cast(JsonObject, manifest.get("input", {})).get("colour") == "rgb" else "gray"


def unfit(manifest: Mapping[str, JsonValue], catalogue: Mapping[str, JsonValue]) -> str | None:
    """Why a model cannot be audited on a cohort of this task, in words; None if it can.

    Args:
        manifest: the model's, normalised.
        catalogue: task and classes of the cohort.
    """
    segments = manifest.get("task") == "segmentation"
    if segments != (catalogue["task"] == "segmentation"):
        return (
            "The model segments, and the cohort has no masks: choose a segmentation cohort."
            if segments
            else "The cohort has masks, and the model gives scores: choose a model that segments."
        )
    if not segments:
        return None
    marked, asked = cast(JsonObject, manifest["output"])["positive"], catalogue["classes"]
    if marked != asked:
        named = ", ".join(cast(list[str], asked))
        return (
            "The model must name the structures of the cohort in its order, under "
            f"output.positive: {named}."
        )
    return None


def _predict_params(card: Mapping[str, JsonValue], *, features: bool = False) -> JsonObject:
    """What may change the last digits, and so is part of the evidence key.

    That is which cases share a batch, and which runtime the trial at intake chose: a model
    without a trial is run by what is best known for its format. Threads and device are recorded
    beside the evidence.

    Args:
        features: are taken from the same forward, which a program gives and onnxruntime does not:
            then the quickest of its runtimes that the trial measured is used.
    """
    found = card.get("runtime")
    if not isinstance(found, dict) or found.get("chosen") not in RUNTIMES:
        return {"batch": _BATCH}
    batch = found.get("batch")
    fits = isinstance(batch, int) and 1 <= batch <= MOST_BATCH
    seconds = found.get("seconds_per_case")
    walked = {
        name: took for name, took in (seconds if isinstance(seconds, dict) else {}).items()
        if name in (FUSED, PLAIN) and isinstance(took, float)
    }  # fmt: skip
    usual = FUSED if FUSED in walked else PLAIN
    chosen = quickest(walked, usual) if features and walked else found["chosen"]
    return {"batch": batch if fits else _BATCH, "runtime": chosen}


def threads_of(card: Mapping[str, JsonValue]) -> int:
    """Of one operation, as the trial at intake chose it for a worker that has all cores to itself.

    Example:
        >>> threads_of({"runtime": {"chosen": "onnxruntime", "threads": 4}}), threads_of({})
        (4, 1)
    """
    found = card.get("runtime")
    threads = found.get("threads") if isinstance(found, dict) else None
    return threads if isinstance(threads, int) and 1 <= threads <= MOST_CORES else 1


def _samples_params(card: Mapping[str, JsonValue]) -> JsonObject:
    """onnxruntime, where it was chosen, runs what no dropout touches; else torch runs it all."""
    chosen = _predict_params(card).get("runtime")
    return {"batch": _BATCH} | ({"runtime": chosen} if chosen == ONNXRUNTIME else {})


def shards(
    case_ids: Sequence[str], params: Mapping[str, JsonValue] | None = None
) -> list[tuple[str, ...]]:
    """The cases in their own order, fifty at a time.

    Args:
        params: of the pass; some must see all of their cases at once, and so are one shard.

    Example:
        >>> [len(one) for one in shards("a" * 120)], len(shards("a" * 120, {"together": True}))
        ([50, 50, 20], 1)
    """
    size = max(1, len(case_ids)) if (params or {}).get(TOGETHER) else SHARD_CASES
    return [tuple(case_ids[at : at + size]) for at in range(0, len(case_ids), size)]


def images_by_case(catalogue: Mapping[str, JsonValue]) -> dict[str, list[str]]:
    """Case id -> SHA-256 of its images, in the catalogue's order."""
    cases = cast(list[JsonObject], catalogue["cases"])
    return {
        str(case["case_id"]): [
            str(image["sha256"]) for image in cast(list[JsonObject], case["images"])
        ]
        for case in cases
    }


def masks_by_case(
    catalogue: Mapping[str, JsonValue], predicted: Mapping[str, str] | None = None
) -> dict[str, dict[str, str]]:
    """Case id -> whose mask -> SHA-256, of a segmentation cohort; {} of any other.

    Args:
        predicted: case id -> SHA-256 of the model's mask, handed in or made by its pass.
    """
    if catalogue["task"] != "segmentation":
        return {}
    found: dict[str, dict[str, str]] = {}
    for case in cast(list[JsonObject], catalogue["cases"]):
        case_id = str(case["case_id"])
        whose: dict[str, str] = {}
        if case["mask"] is not None:
            whose["reference"] = str(cast(JsonObject, case["mask"])["sha256"])
        for reader, mask in cast(dict[str, JsonObject], case["reader_masks"]).items():
            whose[f"reader:{reader}"] = str(mask["sha256"])
        if predicted and case_id in predicted:
            whose["model"] = predicted[case_id]
        found[case_id] = whose
    return found


def key_of_masks(
    planned: PassPlan,
    *,
    structures: int,
    shard: Sequence[str],
    masks: Mapping[str, Mapping[str, str]],
) -> str:
    """The evidence key of one shard of mask comparisons: the masks say all that matters."""
    return shard_key(
        pass_name=planned.name,
        model_sha256="",
        manifest_sha256="",
        params={**planned.params, "structures": structures},
        cases=[
            (case_id, [f"{whose}={sha}" for whose, sha in sorted(masks[case_id].items())])
            for case_id in shard
        ],
    )


def job_of_masks(
    planned: PassPlan,
    *,
    structures: int,
    shard: Sequence[str],
    masks: Mapping[str, Mapping[str, Path]],
    out_dir: Path,
) -> Job:
    """The job that compares the masks of one shard. Files are named by their SHA-256."""
    cases: list[JsonValue] = [
        {"case_id": case_id, "masks": {whose: str(path) for whose, path in masks[case_id].items()}}
        for case_id in shard
    ]
    return Job(planned.name, {"cases": cases, "structures": structures, **planned.params}, out_dir)


def key_of_shard(
    planned: PassPlan,
    *,
    model_sha256: str,
    manifest_sha256: str,
    shard: Sequence[str],
    images: Mapping[str, Sequence[str]],
    references: Mapping[str, str] | None = None,
    masks: Mapping[str, Mapping[str, str]] | None = None,
) -> str:
    """The evidence key of one shard of a pass.

    Args:
        references: case id -> SHA-256 of its reference mask, where the pass looks at it: see
            :func:`ml.engine.mask_passes.references_of`.
        masks: case id -> whose mask of the finding -> SHA-256, of
            :func:`ml.engine.localise_form.finding_masks_of`.
    """
    with_it = {case_id: [f"reference={sha}"] for case_id, sha in (references or {}).items()}
    with_it |= {
        case_id: [f"{one}={sha}" for one, sha in sorted(whose.items())]
        for case_id, whose in (masks or {}).items()
    }
    return shard_key(
        pass_name=planned.name,
        model_sha256=model_sha256,
        manifest_sha256=manifest_sha256,
        params=planned.params,
        cases=[(case_id, [*images[case_id], *with_it.get(case_id, ())]) for case_id in shard],
    )


def job_of_shard(
    planned: PassPlan,
    *,
    model_path: Path,
    manifest: JsonObject,
    shard: Sequence[str],
    images: Mapping[str, Sequence[Path]],
    out_dir: Path,
    threads: int = 1,
    device: str = "cpu",
    allow: Sequence[str] = (),
    beside: PassPlan | None = None,
    references: Mapping[str, Path] | None = None,
    masks: Mapping[str, Mapping[str, Path]] | None = None,
) -> Job:
    """The job that computes one shard. Image files are named by their SHA-256.

    Args:
        beside: the pass of :func:`walked_with`, whose table is to be left too.
        references: case id -> file of its reference mask, where the pass looks at it.
        masks: case id -> whose mask of the finding -> its file, where the pass looks at it.
        allow: formats that run code of their own and that the team takes all the same.
    """
    cases: list[JsonValue] = [
        {"case_id": case_id, "images": [str(path) for path in images[case_id]]} for case_id in shard
    ]
    model: JsonObject = {"path": str(model_path), "manifest": manifest}
    inputs: JsonObject = {"model": model, "cases": cases, "threads": threads, "device": device}
    inputs["allow"] = list[JsonValue](allow)
    if beside is not None:
        inputs["beside"] = dict(beside.params)
    if references:
        inputs[REFERENCES] = {case_id: str(path) for case_id, path in references.items()}
    if masks:
        inputs[MASKS] = {
            case_id: {one: str(path) for one, path in whose.items()}
            for case_id, whose in masks.items()
        }
    return Job(planned.name, {**inputs, **planned.params}, out_dir)


def limits_of(kind: str, *, device: str = "cpu") -> Limits:
    """The limits a kind of job runs under where no installation sets its own."""
    if kind in (PREDICT, SAMPLES) or kind in PASSES:
        limits = Limits()
        if kind in PASSES:  # some run a case dozens of times
            limits = replace(limits, wall_seconds=14_400, cpu_seconds=28_800)
        # A GPU's driver maps more address space than it uses.
        index = index_of(device)
        if index is None:
            return limits
        return replace(limits, memory_bytes=None, gpu=True, gpu_index=index)
    if kind == "intake-model":
        return Limits(wall_seconds=600, cpu_seconds=600)
    return Limits(wall_seconds=3600)
