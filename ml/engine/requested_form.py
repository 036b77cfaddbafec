"""What passes that a protocol has to ask for by a field of their own are run with, leave and cost.

Nothing here loads torch: plans are made where no model is run.
"""

from collections.abc import Iterable
from itertools import product
from typing import cast

from ml.corruptions.registry import SEVERITIES
from ml.engine.cost import ROW, Cost, Sizes
from ml.engine.explain_form import KEPT
from ml.engine.sampling import MEMBERS
from ml.estimate import JsonObject, JsonValue
from ml.evidence.forms import Form, Key
from ml.evidence.passes import AS_IT_IS, ODIN
from ml.evidence.sampled_copies import DRAWS, OUTPUTS, SAMPLES
from ml.protocol import Protocol

CORRUPT_SAMPLES, COPIES_SAMPLED = "corrupt-samples", "corrupted-samples"
GRADIENT_SCORES, SCORES = "gradient-scores", "gradient-scores"  # the pass, and the need
SAMPLED = "sampled"  # what is asked of the sampler, among the params


def requested(needs: Iterable[str], protocol: Protocol) -> set[str]:
    """The needs without those that cost too much to be met where the protocol does not say so.

    KEPT is a need of the protocol's own.

    >>> sorted(requested(["labels", "corrupted-samples"], Protocol()))
    ['labels']
    >>> sorted(requested(["labels", "corrupted-samples"], Protocol(stress_samples=10)))
    ['corrupted-samples', 'labels']
    """
    wanted = {COPIES_SAMPLED: protocol.stress_samples > 0, SCORES: protocol.gradient_scores}
    kept = {KEPT} if protocol.keep_maps else set()
    return {need for need in needs if wanted.get(need, True)} | kept


def sampled_as(samples: JsonObject | None, protocol: Protocol) -> JsonObject | None:
    """What is asked of the sampler of corrupted copies; None where the model has none.

    Args:
        samples: of ``ml.engine.sampling.samples_params``. The members of an ensemble are all
            asked, whatever number the protocol gives.
    """
    if samples is None or not protocol.stress_samples or "structures" in samples:
        return None
    if samples["kind"] == MEMBERS:
        return dict(samples)
    return samples | {"samples": protocol.stress_samples}


def sampled_versions(params: JsonObject) -> list[tuple[str, int]]:
    """Corruption and severity of every row of a case; first the image as it is.

    >>> sampled_versions({"corruptions": ["gamma"]})[:2]
    [('none', 0), ('gamma', 1)]
    """
    names = [str(one) for one in cast(list[JsonValue], params["corruptions"])]
    return [(AS_IT_IS, 0), *product(names, range(1, SEVERITIES + 1))]


def corrupt_samples_form(params: JsonObject, n_outputs: int) -> Form:
    """A row for each case, corruption and severity, with all answers; the image as it is first."""
    wanted = sampled_versions(params)
    keys: dict[str, list[Key]] = {
        "corruption": [name for name, _ in wanted],
        "severity": [severity for _, severity in wanted],
    }
    return Form(keys=keys, sides=(DRAWS, OUTPUTS), arrays={SAMPLES: n_draws(params) * n_outputs})


def corrupt_samples_cost(params: JsonObject, sizes: Sizes) -> Cost:
    """Of dropout each answer counts as a forward, though it may repeat no more than a tail."""
    rows, draws = len(sampled_versions(params)), n_draws(params)
    kind = cast(JsonObject, params.get(SAMPLED) or {}).get("kind")
    each = 1 if kind == MEMBERS else draws
    return Cost(rows * each, 0, rows * (ROW + 4 * draws * sizes.outputs))


def n_draws(params: JsonObject) -> int:
    """Answers to each copy; 1 before a plan says how many."""
    return int(cast(int, cast(JsonObject, params.get(SAMPLED) or {}).get("samples", 1)))


def gradient_scores_form(params: JsonObject, n_outputs: int) -> Form:
    """One row for each case, with its scores."""
    del params, n_outputs
    return Form(numbers=(ODIN,))


def gradient_scores_cost(params: JsonObject, sizes: Sizes) -> Cost:
    """A forward with its backward, and a forward of the moved input."""
    del params, sizes
    return Cost(1, 1, ROW + 8)
