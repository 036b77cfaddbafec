"""Model against readers, margins, power, simulation, averaged curves."""

import numpy as np
import pytest
from scipy import stats

from ml.estimate import Estimate, undefined
from ml.stats.mrmc.components import Components
from ml.stats.mrmc.curve import average_curve, reader_curve
from ml.stats.mrmc.figures import auc_figures
from ml.stats.mrmc.margin import margin_test
from ml.stats.mrmc.obuchowski_rockette import obuchowski_rockette
from ml.stats.mrmc.sample_size import cases_needed, power, power_grid
from ml.stats.mrmc.simulate import RoeMetz, null_of, simulate, structure
from ml.stats.mrmc.standalone import model_against_readers
from tests.ml.stats.mrmc.naive import drawn, naive_left_out, study_of

# Van Dyke pilot: components as published with the MRMCaov user guide.
PILOT = Components(
    0.00153499934, 0.00020040252, 0.00080228827, 0.00034661371, 0.00034407483, 0.00023902837,
    0.00479617053, 0.00307, 0.00055103062,
)  # fmt: skip


def test_fixed_cases_are_a_one_sample_t_test() -> None:
    study = drawn(1, (1, 6, 30))
    found = model_against_readers(study, 2, "1T-RRFC")
    values = auc_figures(study).values[0]
    peer = stats.ttest_1samp(np.delete(values, 2) - values[2], 0)
    assert found.difference.extra["p"] == pytest.approx(peer.pvalue)
    assert found.difference.low == pytest.approx(peer.confidence_interval()[0])


def test_random_cases_add_the_covariance_of_differences() -> None:
    study = drawn(2, (1, 4, 24))
    left = naive_left_out(study)[0]
    apart = left[1:] - left[0]
    cov = np.cov(apart, ddof=0) * (24 - 1)
    cov2 = cov[~np.eye(3, dtype=bool)].mean()
    found = model_against_readers(study, 0)
    assert found.cov2 == pytest.approx(cov2)
    assert found.variance_error == pytest.approx(np.diag(cov).mean())
    values = auc_figures(study).values[0]
    spread = (values[1:] - values[0]).var(ddof=1)
    whole = spread + 3 * max(cov2, 0)
    assert found.difference.extra["variance"] == pytest.approx(whole / 3)
    assert found.difference.extra["df"] == pytest.approx(2 * (whole / spread) ** 2)


def test_two_modality_form_gives_the_same_p() -> None:
    study = drawn(3, (1, 5, 40))
    one, two = (model_against_readers(study, 0, method) for method in ("1T-RRRC", "2T-RRRC"))
    assert two.difference.extra["p"] == pytest.approx(one.difference.extra["p"])
    assert two.test.p == pytest.approx(one.difference.extra["p"])
    assert two.test.statistic == pytest.approx(one.difference.extra["statistic"] ** 2)


def test_model_refusals() -> None:
    with pytest.raises(ValueError, match="one modality"):
        model_against_readers(drawn(), 0)
    with pytest.raises(ValueError, match="method"):
        model_against_readers(drawn(1, (1, 4, 10)), 0, "t")


def test_margins() -> None:
    found = Estimate("difference:a-b", -0.01, extra={"se": 0.02, "df": 10.0})
    test = margin_test(found, 0.05)
    assert test.p == pytest.approx(stats.t.sf(2.0, 10))
    assert test.shown is False
    assert test.low == pytest.approx(-0.01 - stats.t.ppf(0.975, 10) * 0.02)
    assert margin_test(found, 0.1).shown is True
    superior = margin_test(found, 0.0, "superiority")
    assert superior.p == pytest.approx(stats.t.sf(-0.5, 10))
    equal = margin_test(found, 0.03, "equivalence", 0.05)
    assert equal.p == pytest.approx(max(stats.t.sf(1.0, 10), stats.t.sf(2.0, 10)))
    untested = margin_test(undefined("d", "Not estimated: no reader."), 0.05)
    assert untested.shown is None
    assert "no reader" in untested.reason
    with pytest.raises(ValueError, match="margin"):
        margin_test(found, -0.1)


def test_power_of_the_van_dyke_pilot() -> None:
    # RJafroc, SsSampleSizeKGivenJ: effect 0.05, 6 readers, 170 cases give power 0.8016.
    found = cases_needed(PILOT, 114, 0.05, 6)
    assert found.cases == 170
    assert found.power == pytest.approx(0.801618639846283, abs=1e-5)
    assert power(PILOT, 114, 0.05, 6, 169).power < 0.8


@pytest.mark.parametrize("inference", ["RRRC", "FRRC", "RRFC"])
def test_power_rises_and_is_alpha_without_an_effect(inference: str) -> None:
    assert power(PILOT, 114, 0.0, 6, 100, inference=inference).power == pytest.approx(0.05)
    grid = power_grid(PILOT, 114, 0.05, [3, 5, 9], [50, 100, 400], inference=inference)
    assert (np.diff(grid, axis=0) > 0).all()
    assert (np.diff(grid, axis=1) > 0).all()


def test_power_out_of_reach_is_said() -> None:
    found = cases_needed(PILOT, 114, 0.001, 3, most=500)
    assert found.cases is None
    assert found.reason.startswith("Not reached")


def test_simulation_has_its_auc_and_its_seed() -> None:
    model = structure("LL", 0.702, effect=0.8, spread=1.3)
    study = simulate(model, 60, 300, 300, seed=4)
    np.testing.assert_allclose(auc_figures(study).values.mean(axis=1), model.true_auc, atol=0.03)
    assert (simulate(model, 60, 300, 300, seed=4).scores == study.scores).all()
    assert null_of(model).separation == (0.75, 0.75)
    with pytest.raises(ValueError, match="HH, HL"):
        structure("XX")


@pytest.mark.parametrize(("between", "spread"), [(1.0, 1.0), (0.01, 2.5)])
def test_true_auc_of_large_variances(between: float, spread: float) -> None:
    model = RoeMetz((1.5, 1.5), between, between, 0.1, 0.1, 0.2, 0.6, spread=spread)
    expected = stats.norm.cdf(1.5 / (1 + spread**2 + 4 * between) ** 0.5)
    np.testing.assert_allclose(model.true_auc, expected)
    found = auc_figures(simulate(model, 600, 500, 500, seed=7)).values.mean()
    assert found == pytest.approx(expected, abs=0.02)


def test_type_one_error_under_the_null_is_near_alpha() -> None:
    model = structure("HL", 0.855)
    ps = [obuchowski_rockette(simulate(model, 5, 25, 25, seed=seed)).test.p for seed in range(400)]
    rejected = np.mean(np.array(ps) < 0.05)
    assert 0.01 < rejected < 0.09  # 0.05 +- 4 standard errors


def test_averages_of_curves_keep_the_mean_area() -> None:
    study = drawn(9, (1, 4, 40), ties=True)
    mean = auc_figures(study).values[0].mean()
    for how in ("vertical", "horizontal", "diagonal"):
        x, y = average_curve(study, 0, how, 4001).T
        assert np.trapezoid(y, x) == pytest.approx(mean, abs=2e-3), how
        assert (np.diff(x) >= -1e-12).all()
    x, y = reader_curve(study, 0, 1).T
    assert np.trapezoid(y, x) == pytest.approx(auc_figures(study).values[0, 1])
    same = study_of(np.repeat(study.scores[:, :1], 2, axis=1), study.present)
    x, y = average_curve(same, 0, "pooled").T
    assert np.trapezoid(y, x) == pytest.approx(auc_figures(study).values[0, 0])


def test_readers_without_both_kinds_have_no_curve() -> None:
    study = study_of(np.ones((1, 2, 4)), np.ones(4))
    assert reader_curve(study, 0, 0).shape == (0, 2)
    assert average_curve(study, 0).shape == (0, 2)
