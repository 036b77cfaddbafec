"""The links of jobs to an endpoint: which jobs get one, and how much may be asked over it."""

from ml.endpoint.link import Link
from ml.endpoint.policy import Policy
from ml.engine.endpoint import target_of
from ml.estimate import JsonObject
from ml.intake.model_manifest import ModelManifest

_AT_INTAKE = 16  # cases: two of noise twice, and once more each alone


def link_of_intake(policy: Policy) -> Link:
    """For reading a model: the address is the one of its manifest, which is checked here again."""
    return Link(
        lambda question: target_of(ModelManifest.model_validate(question["manifest"])),
        policy,
        most_cases=_AT_INTAKE,
    )


def link_of_shard(manifest: JsonObject, n_cases: int, policy: Policy) -> Link | None:
    """For one shard of a model behind an address; None for every other model.

    Args:
        manifest: of the accepted version; what the child says about it does not count.
        n_cases: of the shard. Each may be asked for twice: in its batch, and alone.
    """
    if manifest["format"] != "endpoint":
        return None
    target = target_of(ModelManifest.model_validate(manifest))
    return Link(lambda question: target, policy, most_cases=2 * n_cases)
