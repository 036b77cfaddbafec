"""The links of jobs to an endpoint: which jobs get one, and how much may be asked over it."""

from math import ceil

from ml.endpoint.link import Link
from ml.endpoint.policy import Policy
from ml.engine.cost import Sizes
from ml.engine.endpoint import target_of
from ml.engine.passes import cost_of
from ml.estimate import JsonObject
from ml.intake.model_manifest import ModelManifest

_AT_INTAKE = 16  # cases: ml.engine.smoke sends eight, and each of them may be asked for alone


def link_of_intake(policy: Policy) -> Link:
    """For reading a model: the address is the one of its manifest, which is checked here again."""
    return Link(
        lambda question: target_of(ModelManifest.model_validate(question["manifest"])),
        policy,
        most_cases=_AT_INTAKE,
    )


def link_of_shard(
    manifest: JsonObject, name: str, params: JsonObject, n_cases: int, policy: Policy
) -> Link | None:
    """For one shard of a model behind an address; None for every other model.

    Args:
        manifest: of the accepted version; what the child says about it does not count.
        name, params: of the pass.
        n_cases: of the shard. Each may be asked for twice as often as the pass has forwards: in
            its batch, and alone.
    """
    if manifest["format"] != "endpoint":
        return None
    target = target_of(ModelManifest.model_validate(manifest))
    forwards = ceil(cost_of(name, params, Sizes()).forwards)
    return Link(lambda question: target, policy, most_cases=2 * forwards * n_cases)
