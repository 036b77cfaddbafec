"""Errors under corruption."""

from typing import Any

from ml.conformance.answer import Answers
from ml.conformance.cases import Case
from ml.stats.robustness.corruption_error import (
    CorruptionErrors,
    corruption_error,
    mean_corruption_error,
    relative_corruption_error,
    relative_robustness_auc,
)


def _plain(case: Case) -> CorruptionErrors:
    return corruption_error(case.input["error"], case.input["baseline_error"])


def _relative(case: Case) -> CorruptionErrors:
    return relative_corruption_error(
        case.input["error"], case.input["baseline_error"], case.input["clean_error"],
        case.input["baseline_clean_error"],
    )  # fmt: skip


def _robustness_auc(case: Case) -> Any:
    clean = case.input["clean_error"]
    return {
        name: relative_robustness_auc(error, clean).value
        for name, error in case.input["error"].items()
    }


def _values(errors: CorruptionErrors) -> Any:
    return {name: ratio.value for name, ratio in errors.each.items()}


ANSWERS: Answers = {
    "ce": lambda case, _: _values(_plain(case)),
    "mce": lambda case, _: _plain(case).mean,
    "relative_ce": lambda case, _: _values(_relative(case)),
    "relative_mce": lambda case, _: _relative(case).mean,
    "mean_corruption_error_unnormalised": lambda case, _: mean_corruption_error(
        case.input["error"]
    ),
    "relative_robustness_auc": lambda case, _: _robustness_auc(case),
}
