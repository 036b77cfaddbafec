"""The page that shows how doubt moves with data and noise, made from the stored results."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.references.measuring import BASE, IMAGES, LABELS, SIZES, Condition

_DOCS = Path(__file__).parents[2] / "docs"
PAGE = _DOCS / "uncertainty-references.md"
RESULTS = Path(__file__).with_name("results.json")
LEVEL = 0.95
FALLS, RISES, STAYS = "falls", "rises", "does not rise"
NAMES = {
    "epistemic": "epistemic, ensemble",
    "aleatoric": "aleatoric, ensemble",
    "dropout_epistemic": "epistemic, dropout",
    "dropout_aleatoric": "aleatoric, dropout",
    "calibrated_epistemic": "epistemic, calibrated members",
    "calibrated_aleatoric": "aleatoric, calibrated members",
}
_TABLES = (
    ("More training images", SIZES, "images", "images"),
    ("Labels turned round", LABELS, "label noise", "label_noise"),
    ("Noise added to the images", IMAGES, "image noise", "image_noise"),
)
# What is expected of which quantity, from where to where.
EXPECTED = tuple(
    (quantity, ends, want)
    for ends, epistemic, aleatoric in (
        ((SIZES[0], BASE), FALLS, STAYS),
        ((BASE, LABELS[-1]), "", RISES),
        ((BASE, IMAGES[-1]), "", RISES),
    )
    for quantity, want in (
        ("epistemic", epistemic), ("dropout_epistemic", epistemic),
        ("calibrated_epistemic", epistemic), ("aleatoric", aleatoric),
        ("dropout_aleatoric", aleatoric), ("calibrated_aleatoric", aleatoric),
    )
)  # fmt: skip

Stored = dict[str, Any]


def stored() -> Stored:
    """Nothing where nothing was measured yet."""
    if not RESULTS.exists():
        return {"rows": []}
    found: Stored = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def column(results: Stored, condition: Condition, quantity: str) -> np.ndarray[Any, Any]:
    """Of every seed, in their order."""
    rows = [row for row in results["rows"] if row["condition"] == condition.name]
    return np.array([row[quantity] for row in sorted(rows, key=lambda row: int(row["seed"]))])


def interval(values: np.ndarray[Any, Any]) -> tuple[float, float, float]:
    """Mean over seeds and the ends of Student's interval."""
    middle, n = float(values.mean()), values.size
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1) * values.std(ddof=1) / n**0.5)
    return middle, middle - half, middle + half


def change(results: Stored, quantity: str, ends: tuple[Condition, Condition]) -> tuple[float, ...]:
    """The difference of the ends, paired by seed, with its interval."""
    first, last = (column(results, one, quantity) for one in ends)
    return interval(last - first)


def verdict(found: Sequence[float]) -> str:
    _, low, high = found
    return RISES if low > 0 else FALLS if high < 0 else "neither is shown"


def as_expected(found: Sequence[float], want: str) -> bool:
    return verdict(found) != RISES if want == STAYS else verdict(found) == want


def page(results: Stored) -> str:
    parts = [_head(results), *(_table(results, *one) for one in _TABLES)]
    return "\n".join([*parts, _changes(results), _errors(results), _NOTES])


def _head(results: Stored) -> str:
    seeds = len({row["seed"] for row in results["rows"]})
    return (
        "# What doubt does when data and noise change\n\n"
        "Made by `python -m benchmarks.references FOLDER`, where FOLDER is `brain-mr` as `python -m"
        " demo build --cases all` writes it.\n"
        f"Trained on real pictures: {results['title']}, {results['pictures']:,} of them, one of "
        "each group of near-duplicates, grey, 32 x 32.\nThe networks are small DenseNets of MONAI "
        "with dropout 0.2, made for this page and for no patient. Each condition: five members, a "
        f"test set\nof {results['rows'][0]['n']} pictures that nothing was trained on, "
        f"{seeds} seeds, each with a split, noise and members of its own. In bits, mean over test "
        "cases, then over seeds\nwith Student's 95 % interval. Dropout: 20 samples of the first "
        "member. *Too sure*: what members claim of their answers less how often these are right.\n"
    )


def _table(
    results: Stored, title: str, conditions: Sequence[Condition], name: str, field: str
) -> str:
    head = (
        name, "accuracy", "total", "aleatoric", "epistemic", "aleatoric, dropout",
        "epistemic, dropout", "too sure",
    )  # fmt: skip
    keys = (
        "accuracy", "total", "aleatoric", "epistemic", "dropout_aleatoric", "dropout_epistemic",
        "claimed",
    )  # fmt: skip
    lines = [
        (
            f"{getattr(one, field):g}",
            *(_number(interval(column(results, one, key))) for key in keys),
        )
        for one in conditions
    ]
    return f"## {title}\n\n{_grid(head, lines)}"


def _changes(results: Stored) -> str:
    head = ("quantity", "from", "to", "expected", "difference", "found", "in steps")
    lines = []
    for quantity, ends, want in EXPECTED:
        found = change(results, quantity, ends)
        mark = "" if not want or as_expected(found, want) else " **(not as expected)**"
        lines.append(
            (NAMES[quantity], _words(ends[0]), _words(ends[1]), want or "", _number(found),
             verdict(found) + mark, _steps(results, quantity, ends))
        )  # fmt: skip
    return (
        "## From one end to the other\n\nDifferences are paired by seed. *In steps*: whether the "
        "means on the way move in one direction.\n\n" + _grid(head, lines)
    )


def _steps(results: Stored, quantity: str, ends: tuple[Condition, Condition]) -> str:
    way = next(one for _, one, *_ in _TABLES if one[0] == ends[0] and one[-1] == ends[1])
    means = [column(results, one, quantity).mean() for one in way]
    steps = [b - a for a, b in pairwise(means)]
    return "one direction" if min(steps) > 0 or max(steps) < 0 else "back and forth"


def _errors(results: Stored) -> str:
    head = ("seed", "errors in the quarter", "errors in the rest", "AUROC of errors")
    rows = [row for row in results["rows"] if row["condition"] == BASE.name]
    lines = [
        (
            str(row["seed"]), f"{row['wrong_high']} of {row['n_high']}",
            f"{row['wrong'] - row['wrong_high']} of {row['n'] - row['n_high']}",
            _number((row["failure"], row["failure_low"], row["failure_high"])),
        )
        for row in rows
    ]  # fmt: skip
    others = [
        (_words(one), _number(interval(column(results, one, "failure"))))
        for one in (*SIZES, *LABELS[1:], *IMAGES[1:])
    ]
    return (
        "## Are cases of high epistemic uncertainty more often wrong?\n\nThe quarter with the "
        f"highest epistemic uncertainty of the ensemble, trained on {_words(BASE)}; the interval "
        "of a seed is logit DeLong over its test cases,\n0.5 is chance.\n\n"
        + _grid(head, lines)
        + "\nUnder every condition, mean over seeds:\n\n"
        + _grid(("trained on", "AUROC of errors by epistemic uncertainty"), others)
    )


def _words(condition: Condition) -> str:
    found = f"{condition.images} images"
    if condition.label_noise:
        found += f", {condition.label_noise * 100:g} % of labels turned"
    if condition.image_noise:
        found += f", noise {condition.image_noise:g}"
    return found


def _number(found: Sequence[float]) -> str:
    text = "{:.3f} [{:.3f}, {:.3f}]".format(*found)
    return text.replace("-0.000", "0.000").replace("-", "−")


def _grid(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"| {' | '.join(head)} |\n{'|---' * len(head)}|\n{rows}"


_NOTES = """## How to read it

**What holds.** From 50 to 800 images epistemic uncertainty falls, by the ensemble and by dropout,
and its mean is lower at every step; aleatoric uncertainty is not shown to move. Labels turned
round and noise in the images raise aleatoric uncertainty at every step, in every seed. Trained on
true labels and clear images, cases of high epistemic uncertainty are wrong more often: the interval
lies above chance in each seed.

**What does not.**

- The steps themselves are small beside what seeds differ by: of ten, the ensemble's epistemic
  uncertainty falls in seven from 50 to 125 images, in nine to 320 and in eight to 800.
- Once each member's logits are divided by the temperature that fits 120 held-out cases, epistemic
  uncertainty *rises* with data, and aleatoric falls. Members that saw few images are too sure
  (last column of the first table), so their temperature is high and pulls each of them towards
  one half, where they agree: what was contradiction between members becomes doubt within each.
  Answers and errors of the members are the same before and after. So parts of the uncertainty can
  be compared only between models that were made equally sure.
- The more labels are noise, the less epistemic uncertainty there is, and with 30 % of labels
  turned it no longer points at errors: the AUROC is a little below chance.
- Aleatoric uncertainty is what the members make of the data, not a property of the images alone:
  where 30 % of labels are turned at random, no honest answer is surer than 0.881 bits, at 15 % than
  0.610.

**How the recipe was chosen.** Training stops where the training loss falls below 0.3 nats, or
after 110 steps, and batch normalisation then takes the statistics of the training images under
the final weights. Other recipes were tried before on another split, with two or three members.
With a fixed number of steps, networks of 50 images learned them by heart: their aleatoric
uncertainty was low and rose with data. Stopped where the loss on held-out cases was lowest, they
hardly differed from one another: their epistemic uncertainty was near zero. With running
statistics of the normalisation, members contradicted each other for statistics that lagged
behind (that was seen with seed 0 at 50 and 125 images, and led to the last change of the recipe).
The numbers above are those of this recipe, each seed run once. Four seeds were run first; of
these the ensemble's epistemic uncertainty did not fall from 320 to 800 images, and six more were
run to see whether it does.

Sources: Depeweg et al. 2018, ICML; Lakshminarayanan, Pritzel, Blundell 2017, NeurIPS; Gal,
Ghahramani 2016, ICML; Guo et al. 2017, ICML (temperature); Mucsányi, Kirchhof, Oh 2024, NeurIPS
(the parts move together).
"""
