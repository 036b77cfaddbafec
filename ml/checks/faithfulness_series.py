"""What the chart of answers while pictures go away is drawn from: means over cases, with bands."""

import numpy as np

from ml.checks import words
from ml.checks.faithfulness_measures import ID, Tried
from ml.estimate import JsonObject, JsonValue, rounded
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
)
from ml.evidence.passes import CaseOutputs
from ml.evidence.tables import FloatArray
from ml.stats.arrays import ratio
from ml.stats.bootstrap import Settings, replicate_sums
from ml.stats.interval import percentile_interval

_MOST = 1e-7  # as of the measures: log-odds are cut where float32 tells no more
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
    present = {ranking_of(str(one)) for one in found.keys["order"]}
    ranked = [one for one in (MAP, RANDOM, EDGES, CENTRE) if one in present]
    ranked += sorted(present - set(ranked))
    steps = sorted({int(one) for one in found.keys["step"]})
    keys = [(ranking, order, step) for ranking in ranked for order in (MORF, LERF)
            for step in steps]  # fmt: skip
    means = np.stack([_mean_of(found, tried, *key) for key in keys], axis=1)  # (m, points)
    points = dict(zip(keys, _points(means, tried, steps, settings), strict=True))
    panels: list[JsonValue] = []
    for ranking in ranked:
        lines: JsonObject = {
            order: [points[ranking, order, step] for step in steps] for order in ORDERS
        }
        panels.append({"title": method if ranking == MAP else _TITLES.get(ranking, ranking),
                       "lines": lines})  # fmt: skip
    return {
        "kind": "removal-curves",
        "check": ID,
        "title": f"The score while pictures go away, in the order of {method} and of others",
        "subtitle": f"Mean over {words.cases(tried.rows.size)} and over replacements, with "
        f"{settings.level * 100:g} % intervals of each point. The wider the gap between the two "
        "lines, the more an order knows of what the network used.",
        "unit": "Log-odds of the finding",
        "panels": panels,
    }


def _mean_of(found: CaseOutputs, tried: Tried, ranking: str, order: str, step: int) -> FloatArray:
    """(m,) of each case at one step of one order, over replacements."""
    assert found.score is not None
    places = found.version(order=order_named(ranking, order), step=step)
    kept = found.score[np.ix_(tried.rows, places)].clip(_MOST, 1 - _MOST)
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
