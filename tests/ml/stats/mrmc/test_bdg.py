import numpy as np
import pytest

from ml.stats.clusters import Clusters
from ml.stats.mrmc.bdg import gallas_bdg
from ml.stats.mrmc.study import MrmcStudy
from tests.ml.stats.mrmc.naive import drawn, naive_moments, study_of


@pytest.mark.parametrize("missing", [0.0, 0.25])
def test_moments_equal_those_of_going_through_all_pairs(missing: float) -> None:
    study = drawn(5, (2, 3, 10), ties=True, missing=missing)
    found = gallas_bdg(study)
    for (a, b), key in {(0, 0): ("m0", "m0"), (0, 1): ("m0", "m1")}.items():
        np.testing.assert_allclose(found.moments[key], naive_moments(study, a, b), atol=1e-12)


def test_variance_of_a_crossed_study_from_its_moments() -> None:
    # Gallas (2006): with R readers, n and m cases, each moment weighs by its share of pairs.
    study = drawn(6, (2, 3, 10))
    moments = naive_moments(study, 0, 0)
    r, n, m = 3, 5, 5
    kinds = np.array([1, n - 1, m - 1, (n - 1) * (m - 1)])
    weights = np.r_[kinds, (r - 1) * kinds] / (r * n * m)
    weights[7] -= 1
    got = gallas_bdg(study).means[0]
    assert got.extra["variance"] == pytest.approx(float(weights @ moments), abs=1e-13)


def test_v_statistic_is_the_ideal_bootstrap() -> None:
    # The V-statistic variance is that of resampling readers and both kinds of cases.
    study = drawn(7, (1, 4, 12))
    rng = np.random.default_rng(0)
    positive = study.scores[0][:, study.present]
    negative = study.scores[0][:, ~study.present]
    success = (positive[:, :, None] > negative[:, None, :]).astype(float)
    r, m, n = success.shape
    weights = [rng.multinomial(k, np.full(k, 1 / k), size=40_000) / k for k in (r, m, n)]
    values = np.einsum("br,bm,bn,rmn->b", *weights, success, optimize=True)
    found = gallas_bdg(study, "V").means[0].extra["variance"]
    assert found == pytest.approx(values.var(), rel=0.03)


def test_negative_variance_of_a_difference_is_said_and_not_tested() -> None:
    found = None
    for seed in range(60):
        got = gallas_bdg(drawn(seed, (2, 3, 12)))
        if got.differences[0].extra["variance"] < 0:
            found = got
            break
    assert found is not None
    difference = found.differences[0]
    assert difference.extra["p"] is None
    assert difference.extra["p_normal"] is None
    assert not difference.has_interval
    assert "negative" in difference.reason
    assert any("negative" in note for note in found.notes)


def test_split_plot_weights_readers_by_their_pairs() -> None:
    scores = np.full((2, 2, 12), np.nan)
    scores[:, 0, :8] = np.random.default_rng(1).normal(size=(2, 8))
    scores[:, 1, 8:] = np.random.default_rng(2).normal(size=(2, 4))
    study = study_of(scores, np.arange(12) % 2)
    found = gallas_bdg(study)
    np.testing.assert_allclose(found.moments["m0", "m1"], naive_moments(study, 0, 1), atol=1e-12)
    assert found.means[0].value == pytest.approx(np.nanmean(_success(study, 0)), abs=1e-12)


def _success(study: MrmcStudy, modality: int) -> list[float]:
    found = []
    for row in study.scores[modality]:
        for p in row[study.present]:
            found += [float(p > n) for n in row[~study.present] if not np.isnan(p - n)]
    return found


def test_binary_endpoint_of_one_reader_is_the_binomial_variance() -> None:
    study = drawn(8, (1, 1, 20))
    found = gallas_bdg(study, endpoint="sensitivity", threshold=0.5).means[0]
    hits = study.scores[0, 0, study.present] >= 0.5
    assert found.value == pytest.approx(hits.mean())
    # One reader: readers cannot be a population, and the U-statistic has no such moment.
    v = gallas_bdg(study, "V", endpoint="sensitivity", threshold=0.5).means[0]
    assert v.extra["variance"] == pytest.approx(hits.var() / hits.size)


def test_refusals() -> None:
    study = drawn()
    with pytest.raises(ValueError, match="threshold"):
        gallas_bdg(study, endpoint="sensitivity")
    with pytest.raises(ValueError, match="U or V"):
        gallas_bdg(study, "X")
    clustered = MrmcStudy(
        study.scores, study.present, study.modalities, study.readers, study.cases,
        Clusters.of(np.arange(14) // 2),
    )  # fmt: skip
    with pytest.raises(ValueError, match="independent"):
        gallas_bdg(clustered)


def test_a_modality_nobody_read_is_undefined_with_a_reason() -> None:
    study = drawn()
    study.scores[1] = np.nan
    found = gallas_bdg(study)
    assert found.means[1].value is None
    assert found.means[1].reason.startswith("Not estimated")
    assert found.differences[0].value is None


def test_vandyke(reference, vandyke) -> None:
    case = reference("mrmc-vandyke")
    expected = case.value("bdg_moments", statistic="Ustat")
    found = gallas_bdg(vandyke)
    for row in expected:
        key = (row["modalityID.1"][1:], row["modalityID.2"][1:])
        np.testing.assert_allclose(found.moments[key], [row[f"M{k}"] for k in range(1, 9)])
    assert found.differences[0].extra["variance"] == pytest.approx(4.2731e-4, abs=1e-8)
    assert found.differences[0].extra["p"] == pytest.approx(0.0556, abs=5e-5)


def test_a_modality_differs_from_its_copy_by_nothing() -> None:
    study = drawn(9, (1, 3, 12))
    twice = study_of(np.repeat(study.scores, 2, axis=0), study.present)
    for statistic in ("U", "V"):
        difference = gallas_bdg(twice, statistic).differences[0]
        assert difference.value == 0
        assert difference.extra["variance"] == pytest.approx(0, abs=1e-15)
        assert not difference.has_interval


def test_variance_of_a_difference_takes_off_twice_the_covariance() -> None:
    found = gallas_bdg(drawn(10, (2, 4, 20)))
    parts = [found.covariances[key] for key in (("m0", "m0"), ("m1", "m1"), ("m0", "m1"))]
    expected = parts[0] + parts[1] - 2 * parts[2]
    assert found.differences[0].extra["variance"] == pytest.approx(expected, abs=1e-15)


def test_degrees_of_freedom_from_the_biased_components() -> None:
    # Three components (negative, positive, reader) with n - 1, m - 1, R - 1 degrees of freedom.
    rng = np.random.default_rng(11)
    present = np.arange(24) % 2
    skill = np.linspace(0, 1.5, 6)[:, None]
    hard = rng.normal(size=(1, 1, 24))  # a case that is hard for one reader is for all
    study = study_of(0.5 * rng.normal(size=(1, 6, 24)) + hard + skill * present, present)
    found = gallas_bdg(study, "V", whole_df=False)
    biased = found.moments_v["m0", "m0"]
    below = sum((biased[at] - biased[7]) ** 2 / df**3 for at, df in ((6, 11), (5, 11), (3, 5)))
    expected = found.means[0].extra["variance"] ** 2 / below
    assert expected > 5
    assert found.means[0].extra["df"] == pytest.approx(expected)
