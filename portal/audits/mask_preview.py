"""What an audit of masks would rest on and which comparisons it needs, before it is started."""

from collections.abc import Iterator

from ml.assemble import masks_of_table
from ml.engine.plan import key_of_masks, masks_by_case, plan, shards
from ml.evidence import store as tables
from ml.protocol import Protocol as Rules
from portal.blobs import store
from portal.cohorts import catalogue
from portal.cohorts.masks import Masks
from portal.cohorts.models import CohortVersion
from portal.registry.models import Predictions
from portal.ui import numbers

Fact = tuple[str, bool]  # True: what makes an answer only part of one


def reference_facts(
    cohort: CohortVersion, predictions: Predictions | None, masks: Masks
) -> Iterator[Fact]:
    cases = numbers.count(cohort.n_cases)
    if masks.n_reference < cohort.n_cases:
        yield (
            f"only {numbers.count(masks.n_reference)} of {cases} cases have a reference mask",
            True,
        )
    if predictions is not None and predictions.n_cases < cohort.n_cases:
        yield f"masks of the model for {numbers.count(predictions.n_cases)} of {cases} cases", True
    yield f"{numbers.count(masks.n_reference)} reference masks", False


def panel_facts(
    cohort: CohortVersion, predictions: Predictions | None, masks: Masks
) -> Iterator[Fact]:
    if masks.n_compared < cohort.n_cases:
        of = f"{numbers.count(masks.n_compared)} of {numbers.count(cohort.n_cases)}"
        yield f"only {of} cases have the masks of two readers", True
    yield f"{numbers.count(masks.n_readers)} masks, up to {masks.most_readers} of a case", False
    if predictions is not None:
        # Two readers have no majority without one of them.
        beside = masks.most_readers > 2
        yield "the model beside them" if beside else "no majority to set the model beside", False


def shard_keys(
    cohort: CohortVersion, predictions: Predictions | None, rules: Rules
) -> dict[str, int]:
    """Evidence key of each shard of comparisons -> its number of cases."""
    predicted: dict[str, str] = {}
    if predictions is not None:
        predicted = masks_of_table(tables.table(store.read_bytes(predictions.table)))
    masks = masks_by_case(catalogue.load(cohort), predicted)
    n = len(cohort.classes)
    return {
        key_of_masks(planned, structures=n, shard=piece, masks=masks): len(piece)
        for planned in plan(rules, has_model=False, has_masks=True)
        for piece in shards(list(masks))
    }
