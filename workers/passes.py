"""What a shard of each pass needs: its evidence key, and the job for the child."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from ml.assemble import masks_of_table
from ml.endpoint.link import Link
from ml.engine.images import DESCRIBE, FORM, job_of_images, key_of_images
from ml.engine.linked import link_of_shard
from ml.engine.localise_form import finding_masks_of
from ml.engine.mask_passes import references_of
from ml.engine.passes import check_of, most_bytes_of
from ml.engine.plan import (
    COMPARE,
    PREDICT,
    PassPlan,
    images_by_case,
    job_of_masks,
    job_of_shard,
    key_of_masks,
    key_of_shard,
    masks_by_case,
    threads_of,
    walked_with,
)
from ml.evidence import store as tables
from ml.evidence.checked import check_comparisons, most_bytes, most_comparisons
from ml.intake.ensemble import members_in
from ml.intake.model_manifest import ENSEMBLE
from ml.intake.program_file import kept_beside
from ml.sandbox.messages import Job
from ml.sandbox.warm import Place
from portal.audits.actions import find_evidence
from portal.audits.models import Shard
from portal.blobs import store
from portal.blobs.models import Blob
from portal.cohorts import catalogue
from portal.registry.models import ModelVersion
from workers.permissions import allowed_formats, policy_of


@dataclass(frozen=True)
class Wanted:
    """One table of evidence that a job is to leave."""

    key: str
    check: Callable[[bytes], None]  # of the table it left; raises EvidenceError
    most_bytes: int  # that the table can have


@dataclass(frozen=True)
class Work(Wanted):
    job: Callable[[Place, Path], Job]  # from its folders and the one its pass shares
    per_case: bool  # one row of outputs per case, to be shown with it
    link: Callable[[], Link | None] = lambda: None  # who answers what the job asks
    beside: Wanted | None = None  # of another pass of the same audit, left by the same walk


def subject_of(shard: Shard) -> str:
    """What a child that is kept may be used for: all passes of one audit over its model.

    The comparison of masks has one of its own, and so has the pass over images. They read what is
    no model's, and leave evidence that further models are held against: no model may have been in
    that process before.
    """
    whose = shard.work.name if shard.work.name in (COMPARE, DESCRIBE) else "model"
    return f"{shard.work.audit_id} {whose}"


def of_shard(shard: Shard) -> Work:
    planned = PassPlan(shard.work.name, shard.work.params)
    if planned.name == DESCRIBE:
        return _images(shard)
    return _masks(shard, planned) if planned.name == COMPARE else _of_model(shard, planned)


def _images(shard: Shard) -> Work:
    """What images are in numbers: no model is placed, and none takes part."""
    images = images_by_case(catalogue.load(shard.cohort_version))

    def job(place: Place, shared: Path) -> Job:
        blobs = Blob.objects.in_bulk([sha for case in shard.case_ids for sha in images[case]])
        paths = {
            case: [store.placed(blobs[sha], place.inputs) for sha in images[case]]
            for case in shard.case_ids
        }
        return job_of_images(shard.case_ids, paths, place.out)

    return Work(
        key_of_images(shard.case_ids, images),
        lambda data: FORM.check(data, shard.case_ids),
        FORM.most_bytes(len(shard.case_ids)),
        job,
        per_case=False,
    )


def _of_model(shard: Shard, planned: PassPlan) -> Work:
    version = shard.work.audit.model_version
    assert version is not None  # the pass exists only where there is a model
    assert version.weights is not None
    weights, manifest, team = version.weights, version.manifest, shard.work.audit.team
    members = members_of(version)
    other = _walked_with(shard, planned)
    content = catalogue.load(shard.cohort_version)
    images = images_by_case(content)
    references = references_of(planned.name, planned.params, content)
    marked = [case for case in shard.case_ids if case in references]
    masks = finding_masks_of(planned.name, content)
    own_masks = {case: masks[case] for case in shard.case_ids if case in masks}

    def job(place: Place, shared: Path) -> Job:
        named = [sha for case in shard.case_ids for sha in images[case]]
        named += [sha for whose in own_masks.values() for sha in whose.values()]
        blobs = Blob.objects.in_bulk([*named, *(references[case] for case in marked)])
        for member in members:
            store.placed(member, shared)
        model_path = store.placed(weights, shared)
        place_kept(version, model_path)
        return job_of_shard(
            planned,
            model_path=model_path,
            manifest=manifest,
            shard=shard.case_ids,
            images={
                case: [store.placed(blobs[sha], place.inputs) for sha in images[case]]
                for case in shard.case_ids
            },
            out_dir=place.out,
            threads=settings.CHILD_THREADS or threads_of(version.card),
            # Where there is no such device the child takes the processor; its evidence says so.
            device=settings.INFERENCE_DEVICE,
            allow=allowed_formats(team),
            beside=None if beside is None else other,
            references={
                case: store.placed(blobs[references[case]], place.inputs) for case in marked
            },
            masks={
                case: {one: store.placed(blobs[sha], place.inputs) for one, sha in whose.items()}
                for case, whose in own_masks.items()
            },
        )

    def wanted(of: PassPlan) -> Wanted:
        width = len(manifest["output"]["classes"])
        check = check_of(of.name, of.params, width)
        key = key_of_shard(
            of,
            model_sha256=version.sha256,
            manifest_sha256=version.manifest_sha256,
            shard=shard.case_ids,
            images=images,
            references=references if of is planned else None,
            masks=masks if of is planned else None,
        )
        most = most_bytes_of(of.name, of.params, width, len(shard.case_ids))
        return Wanted(key, lambda data: check(data, shard.case_ids), most)

    beside = None if other is None else wanted(other)
    if beside is not None and find_evidence(shard.work.audit, beside.key) is not None:
        beside = None
    own = wanted(planned)
    return Work(
        own.key,
        own.check,
        own.most_bytes,
        job,
        beside=beside,
        per_case=planned.name == PREDICT and not planned.params.get("masks"),
        link=lambda: link_of_shard(
            manifest, planned.name, planned.params, len(shard.case_ids), policy_of(team)
        ),
    )


def _walked_with(shard: Shard, planned: PassPlan) -> PassPlan | None:
    """Of a further cohort every pass is walked by itself, as at the command line."""
    if shard.work.further is not None:
        return None
    passes = shard.work.audit.passes.filter(further=None)
    return walked_with(planned, [PassPlan(row.name, row.params) for row in passes])


def place_kept(version: ModelVersion, model_path: Path) -> None:
    """Beside the weights, what intake made of them; without it a child makes it again."""
    for key, target in kept_beside(model_path).items():
        blob = Blob.objects.filter(pk=version.card.get(key)).first()
        if blob is not None and not target.exists():
            store.placed(blob, model_path.parent).replace(target)


def members_of(version: ModelVersion) -> list[Blob]:
    """The members of an ensemble, which its index names and which must lie beside it."""
    if version.format != ENSEMBLE or version.weights is None:
        return []
    named = [one.sha256 for one in members_in(store.read_bytes(version.weights))]
    return list(Blob.objects.in_bulk(named).values())


def _masks(shard: Shard, planned: PassPlan) -> Work:
    audit = shard.work.audit
    structures = len(audit.cohort_version.classes)
    masks = masks_by_case(catalogue.load(audit.cohort_version), predicted_masks(shard))

    def job(place: Place, shared: Path) -> Job:
        wanted = [sha for case in shard.case_ids for sha in masks[case].values()]
        blobs = Blob.objects.in_bulk(wanted)
        return job_of_masks(
            planned,
            structures=structures,
            shard=shard.case_ids,
            masks={
                case: {
                    whose: store.placed(blobs[sha], place.inputs)
                    for whose, sha in masks[case].items()
                }
                for case in shard.case_ids
            },
            out_dir=place.out,
        )

    key = key_of_masks(planned, structures=structures, shard=shard.case_ids, masks=masks)
    rows = most_comparisons(structures, [len(masks[case]) for case in shard.case_ids])
    return Work(
        key,
        lambda data: check_comparisons(data, shard.case_ids, rows),
        most_bytes(rows),
        job,
        per_case=False,
    )


def predicted_masks(shard: Shard) -> dict[str, str]:
    """Case id -> SHA-256 of the model's mask, handed in or made by its pass; each is a blob."""
    audit = shard.work.audit
    if audit.model_version is not None:
        marking = Shard.objects.get(
            work__audit=audit, work__name=PREDICT, position=shard.position
        ).evidence
        assert marking is not None  # a shard that waits for masks is not begun
        made = tables.masks_of(tables.table(store.read_bytes(marking.blob)))
        return {case_id: store.put_bytes(mask).pk for case_id, mask in made.items()}
    if audit.predictions is None:
        return {}
    return masks_of_table(tables.table(store.read_bytes(audit.predictions.table)))
