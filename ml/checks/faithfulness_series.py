"""What the chart of answers while pictures go away is drawn from: means over cases, with bands."""

import numpy as np

from ml.checks import words
from ml.checks.faithfulness_measures import ID, MOST_SURE, Tried
from ml.estimate import JsonObject, JsonValue, rounded
from ml.evidence.methods import TITLES
from ml.evidence.orders import (
    CENTRE,
    EDGES,
    LERF,
    MAP,
    MORF,
    ORDERS,
    RANDOM,
    order_named,
    ranking_of,
    size_of_subset,
)
from ml.evidence.passes import CaseOutputs
from ml.evidence.tables import FloatArray
from ml.stats.arrays import ratio
from ml.stats.bootstrap import Settings, replicate_sums
from ml.stats.clusters import MIN_CLUSTERS
from ml.stats.interval import percentile_interval

_TITLES = {RANDOM: "a random map", EDGES: "edges", CENTRE: "the centre"}


def curves_series(found: CaseOutputs, tried: Tried, method: str, settings: Settings) -> JsonObject:
    """Mean log-odds by the share taken away, of each order; replacements are averaged first.

    Args:
        found: of the perturb pass, with ``score``.
        tried: the cases of the check's measures; m of them, at least one.
        method: in words, that made the map.
        settings: of the bands, which are intervals of each point alone.

    Returns:
        A series of kind ``removal-curves``: for each order a panel with its two lines.
    """
    curves = [at for at, one in enumerate(found.keys["order"]) if size_of_subset(str(one)) is None]
    present = {ranking_of(str(found.keys["order"][at])) for at in curves}
    ranked = [one for one in (MAP, RANDOM, EDGES, CENTRE) if one in present]
    ranked += sorted(one for one in present - set(ranked) if _complete(found, tried, one))
    steps = sorted({int(found.keys["step"][at]) for at in curves})
    keys = [(ranking, order, step) for ranking in ranked for order in (MORF, LERF)
            for step in steps]  # fmt: skip
    means = np.stack([_mean_of(found, tried, *key) for key in keys], axis=1)  # (m, points)
    points = dict(zip(keys, _points(means, tried, steps, settings), strict=True))
    titles = TITLES | _TITLES | {MAP: method}
    panels: list[JsonValue] = []
    for ranking in ranked:
        lines: JsonObject = {
            order: [points[ranking, order, step] for step in steps] for order in ORDERS
        }
        panels.append({"title": titles[ranking], "lines": lines})
    few = tried.clusters.count < MIN_CLUSTERS
    bands = (
        f"without intervals: {tried.clusters.words} are too few" if few
        else f"with {settings.level * 100:g} % intervals of each point"
    )  # fmt: skip
    return {
        "kind": "removal-curves",
        "check": ID,
        "title": f"The score while pictures go away, in the order of {method} and of others",
        "subtitle": f"Mean over {words.cases(tried.rows.size)} and over replacements, {bands}. The "
        "wider the gap between the two lines, the more an order knows of what the network used.",
        "unit": "Log-odds of the finding",
        "panels": panels,
    }


def _complete(found: CaseOutputs, tried: Tried, ranking: str) -> bool:
    """All of the cases have all answers in the orders of a further method."""
    assert found.score is not None
    places = [at for at, one in enumerate(found.keys["order"]) if ranking_of(str(one)) == ranking]
    return bool(np.isfinite(found.score[np.ix_(tried.rows, np.array(places))]).all())


def _mean_of(found: CaseOutputs, tried: Tried, ranking: str, order: str, step: int) -> FloatArray:
    """(m,) of each case at one step of one order, over replacements."""
    assert found.score is not None
    places = found.version(order=order_named(ranking, order), step=step)
    kept = found.score[np.ix_(tried.rows, places)].clip(MOST_SURE, 1 - MOST_SURE)
    return np.asarray((np.log(kept) - np.log1p(-kept)).mean(axis=1))


def _points(
    means: FloatArray, tried: Tried, steps: list[int], settings: Settings
) -> list[JsonValue]:
    """One for each column: its mean with an interval over clusters."""
    ones = np.ones((len(means), 1))
    drawn = replicate_sums(tried.clusters.sums(np.hstack([means, ones])), settings)
    found: list[JsonValue] = []
    for at in range(means.shape[1]):
        interval = percentile_interval(
            ratio(drawn[:, at], drawn[:, -1]), tried.clusters, settings,
            scale=float(np.abs(means[:, at]).max()),
        )  # fmt: skip
        found.append(
            {
                "share": rounded(steps[at % len(steps)] / steps[-1], 6),
                "value": rounded(float(means[:, at].mean()), 6),
                "low": rounded(interval.low, 6),
                "high": rounded(interval.high, 6),
            }
        )
    return found
