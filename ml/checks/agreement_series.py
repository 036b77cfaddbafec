"""What the charts of the agreement check are drawn from."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ml.checks import words
from ml.checks.answers import AnswerTable
from ml.checks.judge import judge
from ml.checks.reader_deviation import Compared
from ml.checks.registry import State, worst
from ml.estimate import Estimate, JsonObject, JsonValue
from ml.evidence.tables import IntArray
from ml.protocol import Protocol
from ml.stats.agreement.kappa import PairwiseKappa
from ml.stats.agreement.reader_bias import MIN_CASES

_MAX_BARS = 12


def agreement_matrix(
    check: str, table: AnswerTable, pairs: PairwiseKappa, names: tuple[str, ...]
) -> JsonObject:
    """Kappa of every pair; null on the diagonal and where a pair shares too little."""
    ordered = table.question.scale == "ordinal"
    known = np.isfinite(pairs.values)
    # The kappa of a handful of cases may be anything: it was left out where others have more.
    fewer = bool((~known & (pairs.n > 0) & (pairs.n < MIN_CASES)).any())
    said = pairs.values[known]
    which = f" that share {MIN_CASES} cases" if fewer else ""
    title = "No pair of readers has a kappa"
    if said.size:
        low, high = words.decimal(said.min()), words.decimal(said.max())
        size = f"is {low}" if low == high else f"lies between {low} and {high}"
        title = f"Kappa of pairs{which} {size}"
    return {
        "kind": "agreement-matrix",
        "check": check,
        "title": title,
        "subtitle": (
            f"Cohen’s kappa on {table.question.id}, "
            f"{'quadratic weights' if ordered else 'unweighted'}"
            + (f"; blank: fewer than {MIN_CASES} cases in common" if fewer else "")
        ),
        "labels": list(names),
        "values": [
            [round(float(value), 6) if np.isfinite(value) else None for value in row]
            for row in pairs.values
        ],
        "n": [[int(number) for number in row] for row in pairs.n],
        "measure": "kappa_weighted" if ordered else "kappa_cohen",
        "question": table.question.id,
    }


def alpha_forest(
    check: str, first: AnswerTable, estimates: list[Estimate], protocol: Protocol
) -> JsonObject:
    """Alpha of every question, each against the limit it has: by default only the first has one."""
    several = len(estimates) > 1
    limit = None if several else protocol.limit(check, "alpha")
    rows: list[JsonValue] = []
    limited: list[str] = []
    for estimate in estimates:
        own = protocol.limit(check, estimate.id)
        label = estimate.id.partition(":")[2] or first.question.id
        limited += [label] if own else []
        state = judge(estimate, own) if own else State.INFO
        if estimate.value is None:
            state = State.NOT_ASSESSED
        row: JsonObject = {
            "label": label,
            "estimate": estimate.to_json(),
            "state": state.value,
        }
        rows.append(row | ({"limit": own.to_json()} if own and several else {}))
    judged = ""
    if several:
        judged = "; judged: " + (
            f"{', '.join(limited)}; no limit is set on the others" if limited else "none"
        )
    defined = [estimate.value for estimate in estimates if estimate.value is not None]
    title = "Agreement could not be estimated"
    if defined:
        title = f"Alpha on {first.question.id} is {words.decimal(defined[0])}"
    if len(defined) > 1:
        title = (
            f"Alpha lies between {words.decimal(min(defined))} and {words.decimal(max(defined))}"
        )
    return {
        "kind": "forest",
        "check": check,
        "title": title,
        "subtitle": (
            f"Krippendorff’s alpha by question, {protocol.level * 100:g} % intervals; "
            f"{estimates[0].method or 'no interval'}{judged}"
        ),
        "unit": "",
        "rows": rows,
        "limit": limit.to_json() if limit else None,
    }


def deviation_forest(
    check: str, row: Sequence[Compared], found: Sequence[Compared], n_tests: int, protocol: Protocol
) -> JsonObject:
    """Every reader of one question against the others; of several answers the widest of each.

    Args:
        found: who deviates, the widest first.
        n_tests: that the p-values were corrected for.
        protocol: with limits by reader.
    """
    table, several = row[0].table, len({one.answer for one in row}) > 1
    beyond = {one.estimate.id for one in found}
    shown = [
        max(
            (one for one in row if one.reader == reader),
            key=lambda one: (one.estimate.id in beyond, abs(one.value)),
        )
        for reader in table.readers
    ]
    listed: list[JsonValue] = []
    for one in shown:
        own = protocol.limits_of(check, one.estimate.id)
        state = worst(judge(one.estimate, limit) for limit in own) if own else State.INFO
        if one.estimate.value is None:
            state = State.NOT_ASSESSED
        line: JsonObject = {
            "label": f"{one.reader}, “{one.answer}”" if several else one.reader,
            "estimate": one.estimate.to_json(),
            "state": state.value,
            "deviates": one.estimate.id in beyond,
        }
        # A limit on each side leaves no one side to be drawn as the right one.
        listed.append(line | ({"limit": own[0].to_json()} if len(own) == 1 else {}))
    title = f"Nobody is shown to answer {table.question.id} differently from the others"
    if found:
        names = {one.reader for one in found}
        who, verb = (f"{len(names)} readers", "differ") if len(names) > 1 else (*names, "differs")
        title = f"{who} {verb} from the others on {table.question.id}"
    corrected = f" with Holm’s correction for all {words.count(n_tests)} tests"
    what = f"Share of “{row[0].answer}”" if row[0].answer else "Answers"
    if several:
        what = "Share of the answer that each deviates most on,"
    return {
        "kind": "forest",
        "check": check,
        "title": title,
        "subtitle": (
            f"{what} less the mean of the other readers on the same cases; "
            f"{protocol.level * 100:g} % intervals, each for itself; 0: no deviation. "
            f"Filled: deviates, p ≤ {1 - protocol.level:.3g}{corrected if n_tests > 1 else ''}"
        ),
        "unit": "",
        "rows": listed,
        "limit": None,
    }


def rating_distribution(check: str, table: AnswerTable) -> JsonObject:
    """How often each answer was given, and how many readers each case has."""
    labels, counts = _bars(table)
    readers, number = np.unique(table.per_case[table.per_case > 0], return_counts=True)
    per_case = {str(int(k)): int(n) for k, n in zip(readers, number, strict=True)}
    total = int(counts.sum())
    title = f"No answers on {table.question.id}"
    if total:
        most = int(np.argmax(counts))
        share = words.per_cent(counts[most] / total)
        title = f"“{labels[most]}” is the most frequent answer on {table.question.id}: {share}"
    return {
        "kind": "rating-distribution",
        "check": check,
        "title": title,
        "subtitle": (
            f"{words.count(total)} answers on {words.cases(int(number.sum()))}; "
            + ", ".join(
                f"{words.cases(n)} with {k} reader{'' if k == '1' else 's'}"
                for k, n in per_case.items()
            )
        ),
        "question": table.question.id,
        "values": list(labels),
        "counts": [int(n) for n in counts],
        "readers_per_case": dict(per_case),
    }


def _bars(table: AnswerTable) -> tuple[list[str], IntArray]:
    given = table.codes[~np.isnan(table.codes)]
    values = table.question.values
    if table.question.scale != "interval":
        return list(values), np.bincount(given.astype(np.int64), minlength=len(values))
    distinct, counts = np.unique(given, return_counts=True)
    if distinct.size <= _MAX_BARS:
        return [f"{value:g}" for value in distinct], counts
    counts, edges = np.histogram(given, bins=_MAX_BARS)
    return [f"{low:.3g} to {high:.3g}" for low, high in pairwise(edges)], counts
