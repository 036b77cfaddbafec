import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml.stats.bootstrap import Settings
from ml.stats.mrmc.components import components
from ml.stats.mrmc.covariance import covariance_of
from ml.stats.mrmc.dbm import dorfman_berbaum_metz
from ml.stats.mrmc.figures import auc_figures, sensitivity_figures
from ml.stats.mrmc.obuchowski_rockette import obuchowski_rockette
from tests.ml.stats.mrmc.naive import drawn, kernel, naive_left_out, study_of


def test_jackknife_covariance_is_that_of_a_naive_loop() -> None:
    study = drawn(1, ties=True)
    left = naive_left_out(study).reshape(6, -1)
    away = left - left.mean(axis=1, keepdims=True)
    n = left.shape[1]
    np.testing.assert_allclose(
        covariance_of(auc_figures(study)), (n - 1) / n * away @ away.T, atol=1e-14
    )


def test_delong_covariance_from_its_definition() -> None:
    study = drawn(2, ties=True)
    success = kernel(study).reshape(6, 7, 7)
    by_positive, by_negative = success.mean(axis=1), success.mean(axis=2)
    expected = np.cov(by_positive) / 7 + np.cov(by_negative) / 7
    np.testing.assert_allclose(covariance_of(auc_figures(study), "delong"), expected, atol=1e-14)


def test_unbiased_covariance_has_no_bias() -> None:
    # The mean over all samples (with both kinds drawn without replacement) of the unbiased
    # estimate equals the true variance; here: normal scores, known AUC variance by simulation.
    rng = np.random.default_rng(5)
    found, values = [], []
    for _ in range(1500):
        study = study_of(rng.normal(size=(1, 1, 8)), [0, 1] * 4)
        figures = auc_figures(study)
        values.append(figures.values[0, 0])
        found.append(covariance_of(figures, "unbiased")[0, 0])
    assert np.mean(found) == pytest.approx(np.var(values), rel=0.1)


def test_bootstrap_covariance_comes_near_the_jackknife_and_is_seeded() -> None:
    study = drawn(3, (2, 2, 200))
    figures = auc_figures(study)
    drawn_cov = covariance_of(figures, "bootstrap", Settings(draws=2000, seed=1))
    np.testing.assert_allclose(drawn_cov, covariance_of(figures), rtol=0.25, atol=1e-4)
    again = covariance_of(figures, "bootstrap", Settings(draws=2000, seed=1))
    assert (drawn_cov == again).all()
    shares = sensitivity_figures(study, 0.5)
    np.testing.assert_allclose(
        np.diag(covariance_of(shares, "bootstrap")), np.diag(covariance_of(shares)), rtol=0.2
    )


def test_order_of_the_covariance_is_modality_by_modality() -> None:
    # Readers of one modality correlate; the same reader in two modalities does not.
    table = np.kron(np.eye(2), np.full((3, 3), 0.5)) + 0.5 * np.eye(6)
    found = components(np.arange(6.0).reshape(2, 3) / 10, table)
    assert (found.error, found.cov1, found.cov2, found.cov3) == (1.0, 0.0, 0.5, 0.0)


def test_two_modalities_with_fixed_cases_are_a_paired_t_test() -> None:
    study = drawn(4, (2, 6, 40))
    found = obuchowski_rockette(study, inference="RRFC")
    values = auc_figures(study).values
    peer = stats.ttest_rel(values[0], values[1])
    assert found.differences[0].extra["p"] == pytest.approx(peer.pvalue, abs=1e-12)
    assert found.test.statistic == pytest.approx(peer.statistic**2)
    low, high = peer.confidence_interval(0.95)
    assert found.differences[0].low == pytest.approx(low)
    assert found.differences[0].high == pytest.approx(high)


def test_one_reader_is_delongs_test() -> None:
    study = drawn(5, (2, 1, 40))
    found = obuchowski_rockette(study, "delong", "FRRC").differences[0]
    cov = covariance_of(auc_figures(study), "delong")
    variance = cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]
    assert found.extra["variance"] == pytest.approx(variance)
    refused = obuchowski_rockette(study)
    assert refused.differences[0].value is None
    assert "one reader" in refused.differences[0].reason


def test_one_modality_gives_its_mean_alone() -> None:
    study = drawn(6, (2, 4, 40))
    both, one = obuchowski_rockette(study), obuchowski_rockette(study.part(modalities=[0]))
    assert one.test is None
    assert one.differences == ()
    assert one.means[0].low == pytest.approx(both.means[0].low)


@pytest.mark.parametrize("inference", ["RRRC", "RRFC"])
def test_pseudovalues_give_the_same_answer(inference: str) -> None:
    study = drawn(7, (3, 4, 30))
    ours = obuchowski_rockette(study, inference=inference)
    dbm = dorfman_berbaum_metz(study, inference)
    assert dbm.test.p == pytest.approx(ours.test.p, abs=1e-12)
    assert dbm.test.statistic == pytest.approx(ours.test.statistic)
    for a, b in zip(dbm.differences, ours.differences, strict=True):
        assert a.low == pytest.approx(b.low, abs=1e-12)
    assert dbm.components["error"] == pytest.approx(dbm.mean_squares["TRC"])


def test_intervals_of_means_stay_in_0_to_1_and_perfect_readers_have_none() -> None:
    study = drawn(8, (2, 3, 12))
    study.scores[:, :, study.present] += 1.5
    for mean in obuchowski_rockette(study).means:
        if mean.has_interval:
            assert 0 <= mean.low <= mean.high <= 1
    study.scores[:, :, study.present] += 100
    found = obuchowski_rockette(study)
    assert found.test.p is None
    for one in (*found.means, *found.differences):
        assert not one.has_interval
        assert "zero" in one.reason


def test_negative_components_are_kept_and_said() -> None:
    values = np.array([[0.8, 0.8, 0.8], [0.7, 0.7, 0.7]])
    table = np.full((6, 6), 0.002)
    table[np.arange(6), np.arange(6)] = 0.01
    table[:3, :3] -= 0.001 * (1 - np.eye(3))
    table[3:, 3:] -= 0.001 * (1 - np.eye(3))
    found = components(values, table)
    assert found.cov2 - found.cov3 == pytest.approx(-0.001)
    said = " ".join(found.notes())
    assert "counts as 0" in said
    assert "modality x reader is negative" in said


def test_one_class_is_undefined_with_a_reason() -> None:
    found = obuchowski_rockette(study_of(np.ones((2, 3, 5)), np.ones(5)))
    assert found.means[0].value is None
    assert found.means[0].reason.startswith("Not estimated")


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValueError, match="inference"):
        obuchowski_rockette(drawn(), inference="both")
    with pytest.raises(ValueError, match="covariance"):
        obuchowski_rockette(drawn(), "magic")
    with pytest.raises(ValueError, match="not defined"):
        covariance_of(sensitivity_figures(drawn(), 0.0), "delong")


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_order_of_readers_modalities_and_cases_does_not_matter(seed: int) -> None:
    study = drawn(seed, (2, 3, 16), ties=bool(seed % 2))
    rng = np.random.default_rng(seed)
    readers, cases = rng.permutation(3), rng.permutation(16)
    other = study_of(study.scores[::-1][:, readers][:, :, cases], study.present[cases])
    a, b = obuchowski_rockette(study), obuchowski_rockette(other)
    assert a.components.cov2 == pytest.approx(b.components.cov2, abs=1e-14)
    assert a.differences[0].value == pytest.approx(-b.differences[0].value, abs=1e-14)
    if a.test.p is not None:
        assert a.test.p == pytest.approx(b.test.p, abs=1e-9)


def test_vandyke_published(vandyke) -> None:
    # Hillis (2014), Statistics in Medicine 33:330-360; MRMCaov user guide.
    found = obuchowski_rockette(vandyke)
    assert found.test.statistic == pytest.approx(4.4563, abs=5e-5)
    assert found.test.df2 == pytest.approx(15.26, abs=5e-3)
    assert found.test.p == pytest.approx(0.05167, abs=5e-6)
    difference = found.differences[0]
    assert difference.value == pytest.approx(-0.0438, abs=5e-5)
    assert (round(difference.low, 4), round(difference.high, 4)) == (-0.0880, 0.0004)
    assert obuchowski_rockette(vandyke, inference="FRRC").test.p == pytest.approx(0.0193, abs=5e-5)
    assert obuchowski_rockette(vandyke, inference="RRFC").test.p == pytest.approx(0.0420, abs=5e-5)
    assert dorfman_berbaum_metz(vandyke, "FRRC").test.p == pytest.approx(0.0210, abs=5e-5)


def test_nested_designs(vandyke) -> None:
    nested = np.full((2, 5, 570), np.nan)
    for j in range(5):
        nested[:, j, 114 * j : 114 * (j + 1)] = vandyke.scores[:, j]
    found = obuchowski_rockette(study_of(nested, np.tile(vandyke.present, 5)))
    assert found.design == "cases in readers"
    assert (found.components.cov2, found.components.cov3) == (0, 0)
    assert found.components.cov1 == pytest.approx(0.000349067611808451)
    assert found.test.p == pytest.approx(0.041958752494639)


def test_components_of_the_van_dyke_table() -> None:
    # Reader AUCs and components of the Van Dyke study, MRMCaov user guide (cf. Hillis 2014).
    values = np.array(
        [
            [0.919645733, 0.858776167, 0.903864734, 0.973107890, 0.829790660],
            [0.947826087, 0.905314010, 0.921739130, 0.999355878, 0.929951691],
        ]
    )
    error, cov1, cov2, cov3 = 0.00080228827, 0.00034661371, 0.00034407483, 0.00023902837
    same_modality, same_reader = np.kron(np.eye(2), np.ones((5, 5))), np.tile(np.eye(5), (2, 2))
    table = np.where(
        same_modality * same_reader > 0,
        error,
        np.where(same_reader > 0, cov1, np.where(same_modality > 0, cov2, cov3)),
    )
    found = components(values, table)
    assert found.reader == pytest.approx(0.00153499934, abs=1e-8)
    assert found.modality_reader == pytest.approx(0.00020040252, abs=1e-8)
    assert found.ms_modality == pytest.approx(0.00479617053, abs=1e-8)
    assert found.ms_interaction == pytest.approx(0.00055103062, abs=1e-8)
    assert found.correlations["r1"] == pytest.approx(cov1 / error)


def test_degrees_of_freedom_of_means_and_differences() -> None:
    # Hillis (2007, 2014): the squared denominator over MS^2 / df of the mean square in it.
    rng = np.random.default_rng(12)
    present = np.arange(60) % 2
    hard = rng.normal(size=(2, 1, 60))  # for all readers of a modality
    study = study_of(rng.normal(size=(2, 5, 60)) + hard + present, present)
    found = obuchowski_rockette(study)
    values = found.values
    whole = found.components
    ms, shared = whole.ms_interaction, max(whole.cov2 - whole.cov3, 0)
    assert found.test.df2 == pytest.approx((ms + 5 * shared) ** 2 / (ms**2 / 4))
    for mean, part, row in zip(found.means, found.by_modality, values, strict=True):
        ms = row.var(ddof=1)
        assert part.cov2 > 0
        assert mean.extra["df"] == pytest.approx((ms + 5 * part.cov2) ** 2 / (ms**2 / 4))
        assert mean.extra["se"] == pytest.approx((ms / 5 + part.cov2) ** 0.5)
