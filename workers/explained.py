"""What a report keeps of explanations, case by case: maps as pictures, and curves."""

from typing import Any

from ml.engine.explain_form import ATTRIBUTE, METHODS, PERTURB
from ml.evidence.mask_copies import STRUCTURE
from ml.evidence.passes import CaseMaps
from ml.evidence.tables import Evidence
from ml.explained import DrawnMap, drawn_maps, removal_curves
from portal.audits.models import Audit
from portal.blobs import store
from workers.inference import evidence_of

Json = dict[str, Any]
_PICTURES = 4  # dimensions of their maps: cases, maps of each, rows, columns


def explained(audit: Audit, evidence: Evidence) -> Json | None:
    """As ``portal.reports.content`` freezes it; None where nothing was explained."""
    maps, removed, version = evidence.attributions, evidence.perturbations, audit.model_version
    if version is None or not (removed or (maps and _of_pictures(maps))):
        return None
    curves = {} if removed is None else removal_curves(removed, evidence.case_ids)
    drawn = {}
    if maps is not None and _of_pictures(maps):
        size = _sides(version.manifest)
        drawn = drawn_maps(maps, evidence.case_ids, _method(audit, ATTRIBUTE), size, first=curves)
    cases: Json = {}
    for case_id in evidence.case_ids:
        kept: Json = {}
        if case_id in drawn:
            kept["maps"] = {method: _kept(one) for method, one in drawn[case_id].items()}
        if case_id in curves:
            kept["curves"] = curves[case_id]
        if kept:
            cases[case_id] = kept
    names = dict.fromkeys(method for made in drawn.values() for method in made)
    return {
        "methods": [_told(audit, name) for name in names],
        "sides": list(maps.maps.shape[2:]) if maps is not None and drawn else [],
        "ranked_by": _method(audit, PERTURB) if curves else "",
        "cases": cases,
    }


def _of_pictures(maps: CaseMaps) -> bool:
    """Of one score: maps of volumes, and of each structure that is marked, are not drawn yet."""
    return maps.maps.ndim == _PICTURES and STRUCTURE not in maps.keys


def _kept(one: DrawnMap) -> Json:
    """Pictures are blobs; the report names them by their hash."""
    own, overlay = (store.put_bytes(data, "image/png").pk for data in (one.own, one.overlay))
    return {"own": own, "overlay": overlay, "low": one.low, "high": one.high, "score": one.score}


def _told(audit: Audit, name: str) -> Json:
    made = next(iter(evidence_of(audit, ATTRIBUTE)), None)
    runtime: Json = {} if made is None else made.runtime.get("runtime") or {}
    known = METHODS.get(name)
    return {
        "name": name,
        "title": known.title if known else name,
        "of": known.of if known else "",
        "layer": str(runtime.get("map_layer") or ""),
        "target": str(_params(audit, ATTRIBUTE).get("target") or ""),
    }


def _method(audit: Audit, name: str) -> str:
    return str(_params(audit, name).get("method") or "")


def _params(audit: Audit, name: str) -> Json:
    run = audit.passes.filter(name=name, further=None).first()
    return {} if run is None else run.params


def _sides(manifest: Json) -> tuple[int, int]:
    """Height and width of the pictures that the model takes."""
    size = manifest["input"]["size"]
    return (size, size) if isinstance(size, int) else (size[0], size[1])
