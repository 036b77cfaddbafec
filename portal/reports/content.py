"""What a report freezes: everything its pages show, taken from the rows once, at sealing.

{"schema": 1, "audit": audit.json, "headline": ml.document.headline(audit),
 "context": who ran what and when, in words and names,
 "cohort": facts, notes and class counts, "model": manifest and card or null,
 "outputs": names of the model's classes,
 "cases": [{"case_id", "cluster", "patient_id", "label", "present", "covariates", "outputs",
            "score", "error", "images": [...], "readings": [[reader, question, score, label]],
            "masks": [[structure, a, b, volume of a, volume of b, Dice]]}]}

"beside" is there where cohorts stand beside the audited one: [{"name", "role", "title",
"cases": as above}]. A case of theirs is called PREFIX/CASE, as findings name it. Of a reference
cohort, which may be large, those cases are kept that a finding names.

"masks" is there in reports of masks only, and empty where the case could not be compared.

"explained" is there where maps were made or parts of pictures taken away: {"methods": [{"name",
"title", "of", "layer", "target"}], "sides": of a map, "ranked_by": method whose order parts went
in, "cases": {case id: {"maps": {method: {"own", "overlay", "low", "high", "score"}}, "curves":
{replacement: {order: scores}}}}}; own and overlay are hashes of PNGs.
"""

import json
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from portal.audits.actions import PREDICT
from portal.audits.further import further_of
from portal.audits.models import Audit, CaseResult
from portal.audits.states import FurtherRole
from portal.audits.subject import cohort_block
from portal.blobs import store
from portal.blobs.models import Blob
from portal.cohorts import catalogue
from portal.cohorts.masks import masks_of
from portal.cohorts.models import CohortVersion
from portal.reports.models import Report

Json = dict[str, Any]


def freeze(
    audit: Audit,
    document: Mapping[str, Any],
    headline: Mapping[str, Any],
    scores: Mapping[str, Any],
    masks: Mapping[str, Any] | None = None,
    beside: Mapping[str, Mapping[str, Any]] | None = None,
    explained: Mapping[str, Any] | None = None,
) -> Json:
    """
    Args:
        scores: case id to P(finding present), None where the case failed.
        explained: as above; None where nothing was explained.
        beside: the same of each further cohort, by its name.
        masks: case id to its pairs of masks, empty where they could not be compared.
    """
    listed = catalogue.load(audit.cohort_version)
    return {
        "schema": 1,
        "audit": dict(document),
        "headline": dict(headline),
        "context": _context(audit),
        "cohort": _cohort(audit, listed),
        "model": _model(audit),
        "outputs": _output_names(audit),
        "cases": _cases(audit, audit.cohort_version, scores, masks),
        **_beside(audit, document, beside or {}),
        **({"explained": dict(explained)} if explained else {}),
    }


def _beside(
    audit: Audit, document: Mapping[str, Any], scores: Mapping[str, Mapping[str, Any]]
) -> Json:
    """Cases of the cohorts beside the audited one; {} where there are none."""
    named = {
        case_id
        for check in document.get("checks", ())
        for finding in check["findings"]
        for case_id in finding["cases"]
    }
    found = []
    for row in further_of(audit):
        is_foreign = row.role == FurtherRole.FOREIGN
        prefix = row.name if is_foreign else row.role  # as ml.checks.foreign_words names them
        cases = [
            case | {"case_id": f"{prefix}/{case['case_id']}"}
            for case in _cases(audit, row.cohort_version, scores.get(row.name, {}))
        ]
        kept = cases if is_foreign else [case for case in cases if case["case_id"] in named]
        title = str(row.cohort_version)
        found.append({"name": row.name, "role": row.role, "title": title, "cases": kept})
    return {"beside": found} if found else {}


def _context(audit: Audit) -> Json:
    return {
        "audit_reference": audit.reference,
        "title": audit.title,
        "team": audit.team.name,
        "is_demo": audit.team.is_demo,
        "requested_by": str(audit.created_by),
        "started_at": audit.started_at.isoformat() if audit.started_at else None,
        "look": audit.look,
        "protocol": str(audit.protocol) if audit.protocol else None,
        "protocol_locked_at": audit.protocol.locked_at.isoformat()
        if audit.protocol and audit.protocol.locked_at
        else None,
        "passes": [
            {"name": row.name, "state": row.state, "n_shards": row.n_shards, "n_cases": row.n_cases}
            for row in audit.passes.order_by("position")
        ],
    }


def _cohort(audit: Audit, listed: Mapping[str, Any]) -> Json:
    version = audit.cohort_version
    labels = Counter(case.get("label") for case in listed["cases"])
    return cohort_block(version) | {
        "title": version.title,
        "notes": version.notes,
        "readers": version.readers,
        "questions": version.questions,
        "simulated": bool(listed.get("simulated")),
        "labels": [[label, n] for label, n in labels.most_common() if label is not None],
        "n_unlabelled": labels.get(None, 0),
        "masks": _masks(listed),
        "sealed_at": version.sealed_at.isoformat() if version.sealed_at else None,
    }


def _masks(listed: Mapping[str, Any]) -> Json | None:
    """How many masks there are of whom; None where the cohort has none by its task."""
    found = masks_of(listed)
    if found is None:
        return None
    return {
        "structures": [[s.name, s.n_reference, s.n_readers] for s in found.structures],
        "n_reference": found.n_reference,
        "n_readers": found.n_readers,
        "voxels": found.voxels,
        "unit": found.unit,
    }


def _model(audit: Audit) -> Json | None:
    version = audit.model_version
    if version is None:
        return None
    return {"manifest": version.manifest, "card": version.card, "sha256": version.sha256}


def _output_names(audit: Audit) -> list[str]:
    if audit.model_version is not None:
        return list(audit.model_version.manifest["output"]["classes"])
    if audit.predictions is not None:
        return list(audit.predictions.meta["classes"])
    return []


def _cases(
    audit: Audit,
    version: CohortVersion,
    scores: Mapping[str, Any],
    masks: Mapping[str, Any] | None = None,
) -> list[Json]:
    listed = catalogue.load(version)
    results = CaseResult.objects.filter(
        audit=audit, pass_name=PREDICT, case__version=version
    ).select_related("case")
    outputs = {result.case.case_id: result for result in results}
    readings: dict[str, list[list[Any]]] = {}
    for reading in listed["readings"]:
        answer = [reading[key] for key in ("reader_id", "question", "score", "label")]
        readings.setdefault(reading["case_id"], []).append(answer)
    positive = set(listed["positive"])
    cases = []
    for case in listed["cases"]:
        case_id, label = case["case_id"], case.get("label")
        result = outputs.get(case_id)
        cases.append(
            {
                "case_id": case_id,
                "cluster": case["cluster"],
                "patient_id": case.get("patient_id"),
                "label": label,
                "present": None if label is None else label in positive,
                "covariates": case["covariates"],
                "outputs": result.outputs if result else None,
                "score": scores.get(case_id),
                "error": result.error if result else "",
                "images": case["images"],
                "readings": readings.get(case_id, []),
            }
            | ({} if masks is None else {"masks": masks.get(case_id, [])})
        )
    return cases


@lru_cache(maxsize=4)
def _parsed(sha256: str) -> Json:
    parsed: Json = json.loads(store.read_bytes(Blob.objects.get(pk=sha256)))
    return parsed


def load(report: Report) -> Json:
    """The frozen content; shared between calls, treat it as read-only."""
    return _parsed(report.content_id)
