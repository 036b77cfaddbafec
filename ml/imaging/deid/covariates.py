"""What an audit compares cases by, taken from the header before it is removed."""

from pydicom.dataset import Dataset

from ml.imaging.deid.values import Values, age, listed

_NUMBERS = {
    "field_strength_t": "MagneticFieldStrength",
    "slice_thickness_mm": "SliceThickness",
    "kvp": "KVP",
    "repetition_time_ms": "RepetitionTime",
    "echo_time_ms": "EchoTime",
}
_CODES = {
    "sex": "PatientSex",
    "modality": "Modality",
    "body_part": "BodyPartExamined",
    "view": "ViewPosition",
}
COLUMNS = (
    "sex", "age_band", "manufacturer", "model", "kernel", "modality", "body_part", "view",
    *_NUMBERS, "contrast", "lossy",
)  # fmt: skip


def covariates(dataset: Dataset, values: Values) -> dict[str, str]:
    """Column -> value, for those that the header tells in a form that may stay.

    Ages are told by decades, and from 90 on together.
    """
    found = {name: _code(dataset, keyword, values) for name, keyword in _CODES.items()}
    found |= {name: _number(dataset, keyword, values) for name, keyword in _NUMBERS.items()}
    found["age_band"] = _band(dataset)
    found["manufacturer"] = _text(dataset, "Manufacturer", "manufacturer", values)
    found["model"] = _text(dataset, "ManufacturerModelName", "plain", values)
    found["kernel"] = _text(dataset, "ConvolutionKernel", "plain", values)
    if "ContrastBolusAgent" in dataset or "ContrastBolusAgentSequence" in dataset:
        given = dataset.get("ContrastBolusAgent") or dataset.get("ContrastBolusAgentSequence")
        found["contrast"] = "yes" if given else "no"
    lossy = str(dataset.get("LossyImageCompression") or "")
    found["lossy"] = {"01": "yes", "00": "no"}.get(lossy, "")
    return {name: found[name] for name in COLUMNS if found.get(name)}


def _code(dataset: Dataset, keyword: str, values: Values) -> str:
    if keyword not in dataset:
        return ""
    kept = values.kept(dataset[keyword], keyword)
    return str(kept[0]).strip() if isinstance(kept, list) and len(kept) == 1 else ""


def _number(dataset: Dataset, keyword: str, values: Values) -> str:
    text = _code(dataset, keyword, values)
    return f"{float(text):g}" if text else ""


def _text(dataset: Dataset, keyword: str, rule: str, values: Values) -> str:
    if keyword not in dataset or not listed(dataset[keyword].value):
        return ""
    kept = values.cleaned(dataset[keyword], keyword, rule)
    return kept[0] if kept else ""


def _band(dataset: Dataset) -> str:
    """Of the age as the file has it, or as birth and the day of the study make it."""
    said = age(str(dataset.get("PatientAge") or ""))
    if said is None:
        born, seen = (str(dataset.get(name) or "") for name in ("PatientBirthDate", "StudyDate"))
        if not (len(born) == len(seen) == 8 and (born + seen).isdigit()):
            return ""
        years = int(seen[:4]) - int(born[:4]) - (seen[4:] < born[4:])
    else:
        years = int(said[:3]) if said.endswith("Y") else 0
    if not 0 <= years < 130:
        return ""
    return "90+" if years >= 90 else f"{years // 10 * 10}-{years // 10 * 10 + 9}"
