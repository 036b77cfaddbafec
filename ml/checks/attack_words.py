"""What the check of changes on purpose says."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from ml.checks import words
from ml.checks.attack_measures import ID, Measured, named
from ml.checks.attacked import IN_WORDS, UNKNOWN, Attacked
from ml.checks.judge import Wording
from ml.checks.registry import Finding, State
from ml.evidence.passes import FGSM, NOISE, PGD
from ml.evidence.tables import BoolArray, Evidence

_MEANING = (
    "Only who has the network and can change the image on its way to it could do this; it is no "
    "measure of chance, and says how near the answers lie to another one."
)
_REPAIR = (
    "Guard the way of the image from the scanner to the model; ask its makers for a model that was "
    "trained against such changes."
)
_WEAK = (
    "The attack follows gradients, and here they lead nowhere: few turned answers are no sign of "
    "strength (gradient masking)."
)


def wordings(evidence: Evidence, attacked: Attacked, measured: Measured) -> dict[str, Wording]:
    method, at = measured.headline
    eps, listed = attacked.eps[at], _listed(attacked)
    found = {
        named("flip_rate", method, eps): Wording(
            _claim(attacked, measured),
            why=" ".join(
                [
                    f"Run on {attacked.size_words}; {_each(attacked)}. {_MEANING}",
                    *([_WEAK] if measured.weak else []),
                    *([listed] if listed else []),
                ]
            ),
            cases=attacked.ids(evidence, _first_turned(attacked)),
            action=_REPAIR,
        )
    }
    clean, after = measured.estimates.get("accuracy"), named("accuracy", method, eps)
    if clean is not None and clean.value is not None:
        rows = (attacked.label != UNKNOWN) & (attacked.own == attacked.label)
        lost = rows & attacked.turned(method, at)
        left = measured.estimates[after]
        if left.value is not None:
            found[after] = Wording(
                f"Of {words.cases(left.n)} with a label it answers "
                f"{words.per_cent(clean.value)} rightly, and {words.per_cent(left.value)} after a "
                f"change of at most {eps:g} of 255 grey levels, made on purpose.",
                why=f"Listed: {words.cases(int(lost.sum()))} answered rightly as they are, and "
                "wrongly then.",
                cases=attacked.ids(evidence, lost),
                action=_REPAIR,
            )
    return found


def _claim(attacked: Attacked, measured: Measured) -> str:
    method, at = measured.headline
    n = int(attacked.known(method, at).sum())
    text = (
        f"A change of at most {attacked.eps[at]:g} of 255 grey levels, made on purpose, turns "
        f"{words.count(attacked.count(method, at))} of {words.count(n)} answers"
    )
    if NOISE in attacked.methods:
        text += f"; random changes of that size turn {words.count(attacked.count(NOISE, at))}"
    if measured.weak:
        text += f"; but the attack is weak here, as {' and '.join(measured.weak)}"
    return f"{text}."


def _each(attacked: Attacked) -> str:
    """ "one step (FGSM) at 0.25, 0.5, ... of 255: 3, 8, ..."."""
    sizes = ", ".join(f"{one:g}" for one in attacked.eps)
    counts = [
        f"by {IN_WORDS.get(name, name)} "
        + ", ".join(words.count(attacked.count(name, at)) for at in range(len(attacked.eps)))
        for name in attacked.methods
    ]
    return f"answers turned at {sizes} of 255: {'; '.join(counts)}"


def _first_turned(attacked: Attacked) -> BoolArray:
    """(m,) cases that turn at the smallest change at which any does."""
    for at in range(len(attacked.eps)):
        turned = np.any([attacked.turned(name, at) for name in attacked.on_purpose], axis=0)
        if turned.any():
            return np.asarray(turned)
    return np.zeros(attacked.rows.size, bool)


def _listed(attacked: Attacked) -> str:
    n = int(_first_turned(attacked).sum())
    turn = "turns" if n == 1 else "turn"
    return f"Listed: {words.cases(n)} that {turn} at the smallest change." if n else ""


def masking_finding(
    evidence: Evidence, attacked: Attacked, measured: Measured
) -> Iterator[Finding]:
    """That the attack is weak here, with the cases that have no gradient."""
    if not measured.weak:
        return
    flat = words.cases(int(attacked.flat.sum()))
    yield Finding(
        f"{ID}.gradient-masking",
        State.INFO,
        f"Gradients do not show how small a change turns its answers: {'; '.join(measured.weak)}.",
        why=f"{_WEAK} Saturated activations, rounding and steps do this. Changes that are found "
        f"without gradients may turn more. Listed: {flat} whose gradient is zero.",
        cases=attacked.ids(evidence, attacked.flat),
    )


def anchored(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Findings by ids without a space, as pages make places of them."""
    for one in findings:
        yield replace(one, id=one.id.replace(", eps ", "-eps-").removesuffix("/255"))


def undecided(findings: Iterable[Finding], measured: Measured) -> Iterator[Finding]:
    """Where the attack is weak, a limit that is held is not decided: another may break it."""
    for one in findings:
        _, _, about = (one.measure or "").partition(":")
        by_gradient = about.startswith((FGSM, PGD))
        if measured.weak and one.state is State.PASS and by_gradient:
            why = f"{one.why} {_WEAK} The limit is therefore not decided."
            yield replace(one, state=State.CAUTION, why=why, action=_REPAIR)
        else:
            yield one
