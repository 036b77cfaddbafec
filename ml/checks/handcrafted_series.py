"""What the chart and the table of the handcrafted baseline are drawn from."""

from collections.abc import Mapping, Sequence

from ml.checks import words
from ml.checks.handcrafted_columns import Column
from ml.estimate import Estimate, JsonObject, JsonValue

_FITTED = {
    "auroc:model": "the model",
    "auroc:handcrafted": "all numbers, fitted",
    "auroc:pixels": "numbers of the pixels, fitted",
    "auroc:files": "facts of the files, fitted",
}


def forest(
    check: str, estimates: Mapping[str, Estimate], alone: Sequence[tuple[Column, Estimate]]
) -> JsonObject:
    """AUROC of the model, of what was fitted, and of the single numbers that tell most."""
    rows: list[JsonValue] = [
        {"label": label, "estimate": estimates[name].to_json(), "state": "info"}
        for name, label in _FITTED.items()
        if estimates[name].value is not None
    ]
    rows += [
        {"label": f"{column.name}, alone", "estimate": estimate.to_json(), "state": "info"}
        for column, estimate in alone
    ]
    fitted = estimates["auroc:handcrafted"].value
    own = words.decimal(estimates["auroc:model"].value or 0.0)
    title = f"The AUROC of the model is {own}"
    if fitted is not None:
        title += f", that of plain numbers {words.decimal(fitted)}"
    return {
        "kind": "forest",
        "check": check,
        "title": title,
        "subtitle": (
            "AUROC of the model, of regressions on plain numbers of other cases, and of the "
            "single numbers that tell most; below 0.5: lower in cases with the finding"
        ),
        "unit": "",
        "rows": rows,
        "limit": None,
    }


def points(
    check: str, ids: Sequence[str], columns: Mapping[str, Sequence[float | int | bool]]
) -> JsonObject:
    """Every case that was compared."""
    rows: list[JsonValue] = [
        [case_id, *(round(float(values[at]), 6) for values in columns.values())]
        for at, case_id in enumerate(ids)
    ]
    return {
        "kind": "points",
        "check": check,
        "title": "Every case with the model’s score and the odds by plain numbers",
        "subtitle": "Log odds are those of a regression fitted to cases of other patients",
        "fields": ["case_id", *columns],
        "rows": rows,
    }
