"""What the chart of changes on purpose is drawn from: a line for each method, over eps."""

from ml.checks.attack_measures import ID, Measured
from ml.checks.attacked import IN_WORDS, Attacked
from ml.estimate import JsonObject, JsonValue, rounded
from ml.evidence.passes import NOISE

_SHORT = {NOISE: "random, of the same size"}


def curves_series(attacked: Attacked, measured: Measured, level: float) -> JsonObject:
    """Share of answers that change, with what the table adds."""
    lines: list[JsonValue] = [_line(name, attacked, measured) for name in attacked.methods]
    method, at = measured.headline
    return {
        "kind": "attack-curves",
        "check": ID,
        "title": f"{attacked.count(method, at)} of {int(attacked.known(method, at).sum())} answers "
        f"turn at {attacked.eps[at]:g} of 255",
        "subtitle": f"{attacked.size_words}; each intensity is moved by at most so many of 255. "
        f"Bands: {level * 100:g} % intervals of what is made on purpose."
        + (" The attack is weak here: see the finding." if measured.weak else ""),
        "lines": lines,
    }


def _line(method: str, attacked: Attacked, measured: Measured) -> JsonObject:
    points: list[JsonValue] = []
    for at, eps in enumerate(attacked.eps):
        found = measured.at("flip_rate", method, eps)
        right = measured.estimates.get(f"accuracy:{method}, eps {eps:g}/255")
        points.append(
            {
                "eps": eps,
                "n": found.n,
                "turned": attacked.count(method, at),
                "flip_rate": rounded(found.value, 6),
                "low": rounded(found.low, 6),
                "high": rounded(found.high, 6),
                "accuracy": None if right is None else rounded(right.value, 6),
            }
        )
    label = _SHORT.get(method, IN_WORDS.get(method, method))
    return {
        "method": method, "label": label, "on_purpose": method != NOISE, "points": points,
    }  # fmt: skip
