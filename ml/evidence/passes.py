"""What the passes over a model left, as arrays: one row per case, in the order of the cases."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.evidence.blotted import Blotted, blotted_of
from ml.evidence.compared_maps import FURTHER, ComparedMaps, compared_of
from ml.evidence.flow import GradientFlow, flow_of
from ml.evidence.localised import Localised, localised_of
from ml.evidence.normalised import Normalised, normalised_of
from ml.evidence.packed import Float32Array, unpacked
from ml.evidence.sampled_copies import SampledCopies, sampled_copies_of
from ml.evidence.store import output_columns

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
FEATURES = "features."  # before the name of a layer, as a column
NO_LAYER = "no_layer"  # a stage of a network that has fewer layers: no case has failed
NO_CLASS = "no_class"  # a map of another class of a network that scores one alone: the same
NOTHING_MARKED = "nothing_marked"  # a structure that a network finds nowhere: the same
DEPTH = "depth"  # of maps of volumes, as a column
CASCADING, INDEPENDENT = "cascading", "independent"  # orders in which layers are permuted
REDRAWN, OTHER_CLASS = "redrawn", "other class"  # all layers by a further draw; another score
SHIFTED = "shifted"  # a constant is added to the picture, and taken off by the network
RESEEDED = "reseeded"  # what a method draws at random, drawn again
SMOOTHED = "smoothed"  # mean over noisy copies: of the network, then with all layers permuted
AGREEMENT = "map_agreement"
SLOPE = "slope"  # of a case: how much its answer's log-odds change with all intensities, at most
AS_IT_IS = "none"  # the method of the row of a picture that is not attacked
OF_MAP = ("map_sum", "map_low", "map_high")  # of what ranks: what is gone of it, its range
ODIN = "odin"  # a score of foreign inputs, as a column
NOISE, FGSM, PGD = ATTACKS = ("noise", "fgsm", "pgd")
_OF_A_ROW = (
    *("case_id", "error", "score", "baseline_score", DEPTH, "rows", "columns", "map"),
    *(AGREEMENT, SLOPE, FURTHER, *OF_MAP),
)


@dataclass(frozen=True)
class CaseMaps:
    """Maps of n cases, m of each: one of the network, or one for each row of ``keys``.

    Attributes:
        keys: what tells the maps of a case apart, (m,) each; {} where there is one.
        maps: (n, m, height, width) signed, of volumes (n, m, depth, height, width) along the axes
            that the model declares; NaN where there is none.
        score: (n, m) what each explains: log-odds or a logit.
        baseline_score: (n, m) of the baseline of integrated gradients; NaN for other methods.
        failures: case id -> error code of its first row that failed.
        ran: (n,) the pass was run on the case; None where it was on all.
    """

    keys: Mapping[str, tuple[str | int, ...]]
    maps: Float32Array
    score: FloatArray
    baseline_score: FloatArray
    failures: Mapping[str, str] = field(default_factory=dict)
    ran: BoolArray | None = None


@dataclass(frozen=True)
class Distortion:
    """What a corruption or a move does to a picture, in words, and how far at each severity."""

    title: str
    parameter: str  # what the values are, with the unit
    values: tuple[float, ...]  # from severity 1, or step 1
    said: tuple[str, ...] = ()  # of moves: what a picture is at each, as it follows "it is"


@dataclass(frozen=True)
class CaseOutputs:
    """Outputs of n cases in m versions of each: corrupted, moved, attacked, parts taken away.

    Attributes:
        keys: what tells the versions apart, (m,) each: corruption and severity, move and step,
            method and eps, or baseline, order and step.
        outputs: (n, m, k) raw, as of the predict pass; NaN where a version failed.
        failures: case id -> error code of its first row that failed.
        ran: (n,) the pass was run on the case; None where it was on all.
        probabilities: (n, m, k) 0..1 after the declared activation; NaN where a version failed.
        score: (n, m) P(finding present), as of the predict pass.
        distortions: by corruption or move.
        map_agreement: (n, m) of moved versions: correlation of the copy's map with the moved map of
            the picture; NaN where there is none.
        slope: (n,) of attacked versions, of the log-odds of the case's own answer: the sum of its
            absolute derivatives by the intensities of 0..1. NaN where the case was not run.
        of_map: by OF_MAP (n, m) of versions in which parts are taken away: the sum of what ranks
            over these parts, and the least and the largest number of it, in its units; {} where
            the pass was not asked for them.
        offered: how many corruptions there are for such pictures; the protocol may choose fewer.
    """

    keys: Mapping[str, tuple[str | int, ...]]
    outputs: FloatArray
    failures: Mapping[str, str] = field(default_factory=dict)
    ran: BoolArray | None = None
    probabilities: FloatArray | None = None
    score: FloatArray | None = None
    distortions: Mapping[str, Distortion] = field(default_factory=dict)
    map_agreement: FloatArray | None = None
    slope: FloatArray | None = None
    of_map: Mapping[str, FloatArray] = field(default_factory=dict)
    offered: int | None = None

    def version(self, **wanted: str | int) -> NDArray[np.int64]:
        """The places along m of the versions with these keys."""
        columns = [self.keys[name] for name in wanted]
        rows = zip(*columns, strict=True)
        return np.array(
            [at for at, row in enumerate(rows) if row == tuple(wanted.values())], np.int64
        )


def features_of(table: pa.Table, case_ids: Sequence[str]) -> dict[str, Float32Array] | None:
    """By layer (n, d) features of a predict pass that was asked for some; None where it was not.

    A layer that no case has is left out: the network has none of that name.
    """
    names = [name for name in table.column_names if name.startswith(FEATURES)]
    if not names:
        return None
    row_of = {case_id: row for row, case_id in enumerate(table["case_id"].to_pylist())}
    places = [row_of.get(case_id, len(row_of)) for case_id in case_ids]  # the last one: nothing
    found = {}
    for name in names:
        if table[name].null_count == len(table):
            continue
        rows = unpacked(table[name])
        nothing = np.full_like(rows[:1], np.nan)
        found[name.removeprefix(FEATURES)] = np.concatenate([rows, nothing])[places]
    return found


def maps_of(table: pa.Table, case_ids: Sequence[str]) -> CaseMaps:
    """The maps that the attribute or randomise pass left, of all cases or of some.

    A table without a depth is of pictures, as all were before volumes had maps.

    Raises:
        ValueError: if maps of a table have sides of their own, or cases rows of their own.
    """
    there = set(table["case_id"].to_pylist())
    ran = np.array([case_id in there for case_id in case_ids], dtype=np.bool_)
    keys, places = versions(table, [case_id for case_id in case_ids if case_id in there])
    names = [name for name in (DEPTH, "rows", "columns") if name in table.column_names]
    columns = [table[name].to_pylist() for name in names]
    sides = {row for row in zip(*columns, strict=True) if None not in row}
    flat = unpacked(table["map"])[places]
    if len(sides) > 1 or any(prod(each) != flat.shape[-1] for each in sides):
        raise ValueError(f"maps of one pass have one size, not {sorted(sides)}")
    shape = next(iter(sides), (*[1] * (len(names) - 1), flat.shape[-1]))
    return CaseMaps(
        keys,
        _spread(flat.reshape(*places.shape, *shape), ran),
        _spread(numbers_of(table, "score")[places], ran),
        _spread(numbers_of(table, "baseline_score")[places], ran),
        failures_of(table),
        None if ran.all() else ran,
    )


def _compared(table: pa.Table, case_ids: Sequence[str]) -> dict[str, ComparedMaps]:
    """Of the methods whose maps are not kept; what stands in the first row of each case."""
    told: dict[str, bytes | None] = {}
    for case_id, one in zip(table["case_id"].to_pylist(), table[FURTHER].to_pylist(), strict=True):
        told.setdefault(case_id, one)
    return compared_of([told.get(case_id) for case_id in case_ids])


def _spread(rows: NDArray[Any], ran: BoolArray) -> NDArray[Any]:
    """Rows of the cases that were run among those of all; NaN for the others."""
    whole = np.full((ran.size, *rows.shape[1:]), np.nan, rows.dtype)
    whole[ran] = rows
    return whole


def outputs_of(table: pa.Table, case_ids: Sequence[str]) -> CaseOutputs:
    """The outputs that the corrupt, move, attack or perturb pass left, of all cases or of some.

    Raises:
        ValueError: if cases have rows of their own.
    """
    there = set(table["case_id"].to_pylist())
    ran = np.array([case_id in there for case_id in case_ids], dtype=np.bool_)
    keys, places = versions(table, [case_id for case_id in case_ids if case_id in there])
    columns = [numbers_of(table, name) for name in output_columns(table)]
    outputs = np.full((ran.size, places.shape[1], len(columns)), np.nan)
    outputs[ran] = np.stack(columns, axis=1)[places]
    agreement = None
    if AGREEMENT in table.column_names:
        agreement = np.full(outputs.shape[:2], np.nan)
        agreement[ran] = numbers_of(table, AGREEMENT)[places]
    slope = None
    if SLOPE in table.column_names:
        slope = np.full(ran.size, np.nan)
        slope[ran] = numbers_of(table, SLOPE)[places[:, 0]]
    of_map = {}
    for name in OF_MAP:
        if name in table.column_names:
            of_map[name] = _spread(numbers_of(table, name)[places], ran)
    failures, some = failures_of(table), None if ran.all() else ran
    return CaseOutputs(
        keys, outputs, failures, some, map_agreement=agreement, slope=slope, of_map=of_map
    )


def scores_by_case(table: pa.Table, case_ids: Sequence[str]) -> dict[str, FloatArray]:
    """(n,) numbers of the gradient-scores pass by name; NaN where a case failed."""
    places = _places(table, case_ids)
    return {name: numbers_of(table, name)[places] for name in (ODIN,)}


class OfPasses(TypedDict, total=False):
    """As ``ml.evidence.tables.Evidence`` calls them."""

    attributions: CaseMaps
    perturbations: CaseOutputs
    corruptions: CaseOutputs
    moves: CaseOutputs
    randomisations: CaseMaps
    further_randomisations: Mapping[str, ComparedMaps]
    normalisations: Normalised
    gradients: GradientFlow
    attacks: CaseOutputs
    blots: Blotted
    localisations: Localised
    corrupted_samples: SampledCopies
    gradient_scores: Mapping[str, FloatArray]


def of_passes(tables: Mapping[str, pa.Table], case_ids: Sequence[str]) -> OfPasses:
    """What evidence holds of the passes whose tables are there, by name of the pass."""
    found: OfPasses = {}
    if "attribute" in tables:
        found["attributions"] = maps_of(tables["attribute"], case_ids)
    if "perturb" in tables:
        found["perturbations"] = outputs_of(tables["perturb"], case_ids)
    if "corrupt" in tables:
        found["corruptions"] = outputs_of(tables["corrupt"], case_ids)
    if "move" in tables:
        found["moves"] = outputs_of(tables["move"], case_ids)
    if "randomise" in tables:
        found["randomisations"] = maps_of(tables["randomise"], case_ids)
        if FURTHER in tables["randomise"].column_names:
            found["further_randomisations"] = _compared(tables["randomise"], case_ids)
    if "normalise" in tables:
        found["normalisations"] = normalised_of(tables["normalise"], case_ids)
    if "gradients" in tables:
        found["gradients"] = flow_of(tables["gradients"], case_ids)
    if "attack" in tables:
        found["attacks"] = outputs_of(tables["attack"], case_ids)
    if "blot" in tables:
        found["blots"] = blotted_of(tables["blot"], case_ids)
    if "localise" in tables:
        found["localisations"] = localised_of(tables["localise"], case_ids)
    if "corrupt-samples" in tables:
        found["corrupted_samples"] = sampled_copies_of(tables["corrupt-samples"], case_ids)
    if "gradient-scores" in tables:
        found["gradient_scores"] = scores_by_case(tables["gradient-scores"], case_ids)
    return found


def versions(
    table: pa.Table, case_ids: Sequence[str], *, beside: Collection[str] = ()
) -> tuple[dict[str, tuple[str | int, ...]], NDArray[np.int64]]:
    """The keys of one case's rows, and (n, m) the places of all rows.

    Args:
        table: of a pass that leaves several rows of each case.
        case_ids: (n,) those that it was run on.
        beside: further columns that are no keys.

    Raises:
        ValueError: if cases have rows of their own.
    """
    names = [
        name
        for name in table.column_names
        if name not in _OF_A_ROW and name not in beside and not name.startswith("output_")
    ]
    first = _places(table, case_ids)
    ids = table["case_id"].to_pylist()
    m = ids.count(ids[0])
    places = first[:, None] + np.arange(m)
    if len(ids) != len(case_ids) * m:
        raise ValueError("every case has as many rows as any other")
    keys = {name: tuple(table[name].to_pylist()[:m]) for name in names}
    return keys, places


def _places(table: pa.Table, case_ids: Sequence[str]) -> NDArray[np.int64]:
    """(n,) where the rows of each case begin."""
    first: dict[str, int] = {}
    for at, case_id in enumerate(table["case_id"].to_pylist()):
        first.setdefault(case_id, at)
    return np.array([first[case_id] for case_id in case_ids], dtype=np.int64)


def numbers_of(table: pa.Table, name: str) -> FloatArray:
    """(rows,) a column of numbers; NaN where it is null."""
    return np.array(table[name].to_numpy(zero_copy_only=False), dtype=np.float64)


def failures_of(table: pa.Table) -> dict[str, str]:
    """Case id -> error code of its first row that failed."""
    failures: dict[str, str] = {}
    pairs = zip(table["case_id"].to_pylist(), table["error"].to_pylist(), strict=True)
    for case_id, error in pairs:
        if error and error not in (NO_LAYER, NO_CLASS, NOTHING_MARKED):
            failures.setdefault(case_id, error)
    return failures
