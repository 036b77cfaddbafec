"""The demo's stress test: the platform's default and a few corruptions that its pictures suffer."""

from demo import br35h, stress, vgg16
from ml.checks import all_checks
from ml.corruptions import corruptions_for
from ml.engine.plan import colour_of
from ml.protocol import Protocol


def test_it_is_the_default_with_checks_of_the_cohort_and_of_corruptions():
    found = Protocol.parse(stress.protocol(Protocol.default(), 12))

    default = Protocol.default()
    assert found.checks == (*stress.OF_COHORT, *default.checks, "stress")
    known = {check.id for check in all_checks()}
    assert set(found.checks) <= known
    assert found.limits == default.limits
    assert (found.stress_cases, found.corruptions) == (12, stress.CORRUPTIONS)
    assert not found.is_default


def test_every_corruption_fits_the_images_and_the_model():
    modality = br35h.MODALITY
    fit = {one.id for one in corruptions_for(modality, colour_of(vgg16.MANIFEST))}

    assert set(stress.CORRUPTIONS) < fit
