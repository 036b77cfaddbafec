"""Tables with several rows for a case become the samples that checks look at, or their mean."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa

from ml.estimate import JsonValue
from ml.evidence.store import cases_of, output_columns, outputs_table
from ml.evidence.tables import FloatArray, Samples
from ml.intake.model_manifest import ENSEMBLE, Scores
from ml.scores import activated, finding_score, mean_outputs

SCORE_RANGE, NOT_SAMPLED = "score_range", "not_predicted"
Kind = Literal["members", "dropout", "samples"]


def is_sampled(table: pa.Table) -> bool:
    """Does it hold several answers to a case?"""
    return "sample" in table.column_names


def kind_of(manifest: Mapping[str, JsonValue]) -> Kind:
    """Of the samples that the pass makes of a model with this manifest."""
    return "members" if manifest["format"] == ENSEMBLE else "dropout"


def samples_of(
    case_ids: Sequence[str], table: pa.Table, declared: Scores, kind: Kind, source: str
) -> Samples | None:
    """The samples of the cohort's cases, in its order; None where a case has one at most.

    Args:
        case_ids: (n,) of the cohort.
        table: of ``ml.evidence.store.samples_table``, all shards in one.
        declared: what the outputs mean.
        kind, source: passed on.
    """
    known, raw, failures = _raw(table)
    if raw.shape[0] < 2:
        return None
    row_of = {case_id: at for at, case_id in enumerate(known)}
    t, k = raw.shape[0], len(declared.classes)
    probabilities = np.full((t, len(case_ids), k), np.nan)
    for at, case_id in enumerate(case_ids):
        if case_id not in row_of:
            failures[case_id] = NOT_SAMPLED
        elif case_id not in failures:
            found = activated(raw[:, row_of[case_id]], declared)
            if np.isnan(found).any():
                failures[case_id] = SCORE_RANGE
            else:
                probabilities[:, at] = found
    cohort = set(case_ids)
    return Samples(
        kind=kind,
        classes=tuple(declared.classes),
        probabilities=probabilities,
        score=finding_score(probabilities, declared),
        failures={name: code for name, code in failures.items() if name in cohort},
        source=source,
    )


def means_table(table: pa.Table, declared: Scores) -> pa.Table:
    """One row for each case of a table that was handed in: the mean of its probabilities."""
    known, raw, failures = _raw(table)
    means = mean_outputs(raw, declared)
    return outputs_table(known, means.tolist(), failures)


def _raw(table: pa.Table) -> tuple[list[str], FloatArray, dict[str, str]]:
    """Cases in the table's order, (t, n, k) outputs with NaN where a case failed, the errors."""
    names, ids = cases_of(table), table["case_id"].to_pylist()
    row_of = {case_id: at for at, case_id in enumerate(names)}
    errors = zip(ids, table["error"].to_pylist(), strict=True)
    failures = {case_id: str(error) for case_id, error in errors if error}
    kept = [at for at, sample in enumerate(table["sample"].to_pylist()) if sample is not None]
    cases = np.array([row_of[ids[at]] for at in kept], dtype=np.int64)
    rows = table.take(kept)
    samples = np.array(rows["sample"].to_pylist(), dtype=np.int64)
    columns = [
        rows[name].to_numpy(zero_copy_only=False).astype(np.float64)
        for name in output_columns(table)
    ]
    raw = np.full((int(samples.max(initial=-1)) + 1, len(names), len(columns)), np.nan)
    raw[samples, cases] = np.column_stack(columns)
    return names, raw, failures
