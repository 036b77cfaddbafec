import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

from ml.stats.bootstrap import Settings, draw_counts
from ml.stats.clusters import Clusters
from ml.stats.discrimination.auroc import auroc, delong_variance, placements
from ml.stats.discrimination.auroc_bootstrap import bootstrap_auroc, left_out_auroc
from ml.stats.discrimination.auroc_interval import METHODS, hanley_mcneil_variance

FEW = Settings(draws=200)

labelled_scores = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        hnp.arrays(float, n, elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])),
        hnp.arrays(int, n, elements=st.integers(0, 1)).filter(lambda y: 0 < y.sum() < y.size),
    )
)


@pytest.mark.parametrize(
    ("case", "score"),
    [
        ("discr-pROC-aSAH", "wfns"),
        ("discr-pROC-aSAH", "s100b"),
        ("discr-pROC-aSAH", "ndka"),
        ("discr-delong1988-ovarian", "albumin"),
        ("discr-delong1988-ovarian", "total_protein"),
        ("discr-delong1988-ovarian", "kg_score"),
        ("discr-hanley-mcneil1982-ct", "rating"),
        ("discr-birthwt", "neg_lwt"),
        ("discr-birthwt", "neg_age"),
    ],
)
def test_value_and_logit_delong_interval_of_proc(reference, case, score):
    known = reference(case)
    scores, present = np.array(known.input["scores"][score], float), np.array(known.input["y"])

    estimate = auroc(scores, present)

    assert estimate.value == pytest.approx(known.value("auroc", score=score), abs=1e-9)
    assert [estimate.low, estimate.high] == pytest.approx(
        known.value("auroc_ci", score=score, method="delong_logit"), abs=1e-9
    )
    assert estimate.method == "logit-DeLong"
    variance = delong_variance(*placements(scores, present == 1))
    assert variance**0.5 == pytest.approx(
        known.value("auroc_se", score=score, method="delong"), abs=1e-9
    )


def test_by_hand():
    """Pairs (present over absent): 0.35 beats 0.1, loses to 0.4; 0.8 beats both: 3 of 4."""
    assert auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])).value == 0.75


@given(labelled_scores)
def test_equals_scikit_learn_with_ties(data):
    scores, present = data

    assert auroc(scores, present, settings=FEW).value == pytest.approx(
        roc_auc_score(present, scores), abs=1e-12
    )


@given(labelled_scores, st.randoms(use_true_random=False))
def test_order_of_cases_does_not_matter(data, random):
    scores, present = data
    order = list(range(scores.size))
    random.shuffle(order)

    assert (
        auroc(scores[order], present[order], settings=FEW).to_json()
        == auroc(scores, present, settings=FEW).to_json()
    )


@given(labelled_scores)
def test_turning_the_scores_round_mirrors_the_value(data):
    scores, present = data

    assert auroc(1 - scores, present, settings=FEW).value == pytest.approx(
        1 - auroc(scores, present, settings=FEW).value, abs=1e-12
    )


@given(labelled_scores)
def test_interval_holds_the_value_and_is_no_point(data):
    estimate = auroc(*data, settings=FEW)

    if estimate.has_interval:
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
        assert estimate.low < estimate.high
    else:
        assert estimate.reason


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_undefined(label):
    estimate = auroc(np.array([0.1, 0.2]), np.array([label, label]))

    assert estimate.value is None
    assert "all 2 cases" in estimate.reason


def test_one_case_is_undefined():
    assert auroc(np.array([0.3]), np.array([1])).value is None


def test_constant_scores_are_chance_without_interval():
    estimate = auroc(np.full(30, 0.4), np.arange(30) % 2)

    assert estimate.value == 0.5
    assert not estimate.has_interval
    assert "all scores are equal" in estimate.reason


@pytest.mark.parametrize(("direction", "value"), [(1, 1.0), (-1, 0.0)])
def test_perfect_ranking_gets_a_one_sided_bound(direction, value):
    """20 disjoint pairs, all won: 0.05^(1/20) = 0.8609."""
    present = np.arange(40) % 2
    estimate = auroc(direction * (present + np.linspace(0, 0.1, 40)), present)

    assert estimate.value == value
    bound = 0.05 ** (1 / 20)
    expected = [bound, 1.0] if value else [0.0, 1 - bound]
    assert [estimate.low, estimate.high] == pytest.approx(expected)
    assert "one-sided exact" in estimate.method


def test_perfect_ranking_counts_clusters_not_cases():
    present = np.arange(40) % 2
    patients = Clusters.of(np.arange(40) // 10, "patient")  # 4 patients: 2 disjoint pairs

    assert auroc(present.astype(float), present, patients).low == pytest.approx(0.05**0.5)


def test_copies_of_a_case_in_its_cluster_do_not_narrow_the_interval(rng):
    present = np.arange(60) % 2
    scores = rng.normal(size=60) + present
    once = Clusters.of(np.arange(60), "patient")
    copies = Clusters.of(np.repeat(np.arange(60), 10), "patient")

    alone = bootstrap_auroc(scores, present == 1, once, FEW)
    copied = bootstrap_auroc(np.repeat(scores, 10), np.repeat(present == 1, 10), copies, FEW)

    assert copied == pytest.approx(alone)
    assert "60 patients" in auroc(np.repeat(scores, 10), np.repeat(present, 10), copies, FEW).method


def test_each_replicate_is_the_weighted_value(rng):
    """Against drawing the cases out one by one and asking scikit-learn."""
    present = rng.integers(0, 2, 50)
    scores = rng.integers(0, 6, 50) / 5
    clusters = Clusters.of(rng.integers(0, 15, 50), "group")
    settings = Settings(draws=20)

    replicates = bootstrap_auroc(scores, present == 1, clusters, settings)

    counts = np.concatenate(list(draw_counts(clusters.count, settings)))
    for drawn, value in zip(counts, replicates, strict=True):
        rows = np.repeat(np.arange(50), drawn[clusters.codes].astype(int))
        assert value == pytest.approx(roc_auc_score(present[rows], scores[rows]), abs=1e-12)


def test_replicates_of_one_class_are_left_out_and_counted():
    """One patient of 14 holds all findings: (13/14)^14 = 35 % of the replicates lack it."""
    present = np.zeros(28, int)
    present[:2] = 1
    scores = np.linspace(1, 0, 28)
    scores[1] = 0.2
    patients = Clusters.of(np.arange(28) // 2, "patient")

    estimate = auroc(scores, present, patients, FEW, method="percentile")
    default = auroc(scores, present, patients, FEW)

    assert estimate.value == default.value
    assert not estimate.has_interval
    assert not default.has_interval
    assert "undefined in" in estimate.reason
    assert "a single cluster" in default.reason


def test_clusters_take_the_logit_interval_by_default(rng):
    """Whoever draws patients instead gets ends that lie too low: docs/adr/0010."""
    present = np.arange(80) % 2
    scores = rng.normal(size=80) + present
    patients = Clusters.of(np.arange(80) // 4, "patient")

    default = auroc(scores, present, patients)

    assert default == auroc(scores, present, patients, method="logit_delong")
    assert "Obuchowski 1997, 20 patients" in default.method
    logits = [np.log(end / (1 - end)) for end in (default.low, default.value, default.high)]
    assert logits[1] - logits[0] == pytest.approx(logits[2] - logits[1])


def test_too_few_clusters_for_an_interval(rng):
    present = np.arange(40) % 2
    estimate = auroc(rng.random(40), present, Clusters.of(np.arange(40) // 20, "patient"))

    assert estimate.value is not None
    assert estimate.reason == "No interval: only 2 patients, and at least 10 are needed."


def test_chunks_do_not_change_the_draws(monkeypatch, rng):
    present, scores = rng.integers(0, 2, 80), rng.random(80)
    clusters = Clusters.of(rng.integers(0, 30, 80), "group")
    whole = bootstrap_auroc(scores, present == 1, clusters, FEW)

    monkeypatch.setattr("ml.stats.bootstrap._CHUNK", 240)

    assert bootstrap_auroc(scores, present == 1, clusters, FEW).tolist() == whole.tolist()


@pytest.mark.parametrize(
    ("scores", "present", "message"),
    [
        ([0.1], [0, 1], "two"),
        ([np.nan, 0.1], [0, 1], "finite"),
        ([0.2, 0.1], [0, -1], "0 or 1"),
    ],
)
def test_refuses(scores, present, message):
    with pytest.raises(ValueError, match=message):
        auroc(np.array(scores), np.array(present))


@pytest.mark.parametrize("method", METHODS)
def test_named_intervals_hold_the_value(rng, method):
    present = np.arange(90) % 2
    scores = present + rng.normal(0, 1.5, 90)
    estimate = auroc(scores, present, settings=FEW, method=method)

    assert 0 <= estimate.low < estimate.value < estimate.high <= 1


def test_hanley_and_mcneil_1982_table_3():
    """109 CT images: area .893 by Wilcoxon, standard error .032 (Radiology 143:29-36)."""
    absent, present = (
        np.repeat(np.arange(1, 6), [33, 6, 6, 11, 2]),
        np.repeat(np.arange(1, 6), [3, 2, 2, 11, 33]),
    )
    scores = np.r_[absent, present].astype(float)
    truth = np.r_[np.zeros(58, int), np.ones(51, int)]
    estimate = auroc(scores, truth, method="hanley_mcneil")

    assert estimate.value == pytest.approx(0.893, abs=5e-4)
    assert hanley_mcneil_variance(estimate.value, 51, 58) ** 0.5 == pytest.approx(0.032, abs=6e-4)
    assert estimate.high - estimate.low == pytest.approx(2 * 1.959964 * 0.0324866, abs=1e-5)


@pytest.mark.parametrize("clustered", [False, True])
def test_left_out_values_by_leaving_out(rng, clustered):
    present = rng.integers(0, 2, 40)
    scores = rng.integers(0, 6, 40) / 5
    clusters = Clusters.of(rng.integers(0, 15, 40)) if clustered else Clusters.singles(40)

    for unit, value in enumerate(left_out_auroc(scores, present == 1, clusters)):
        rows = clusters.codes != unit
        assert value == pytest.approx(roc_auc_score(present[rows], scores[rows]), abs=1e-12)


def test_leaving_out_the_only_case_is_undefined():
    left = left_out_auroc(np.arange(3.0), np.array([False, True, False]), Clusters.singles(3))

    assert np.isnan(left).tolist() == [False, True, False]


def test_bca_interval_by_hand(rng):
    """Against scipy's BCa of the same statistic, both by simulation."""
    from scipy.stats import bootstrap

    present = np.arange(60) % 2
    scores = present + rng.normal(0, 1, 60)
    ours = auroc(scores, present, settings=Settings(draws=4000), method="bca")
    theirs = bootstrap(
        (np.arange(60),),
        lambda rows: roc_auc_score(present[rows], scores[rows]),
        vectorized=False, n_resamples=1000, method="BCa", rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip

    assert [ours.low, ours.high] == pytest.approx([theirs.low, theirs.high], abs=0.025)
    assert "BCa" in ours.method


def test_closed_form_of_clusters_is_near_their_bootstrap(rng):
    patients = np.repeat(np.arange(150), 4)
    present = (rng.random(600) < 0.3 + 0.3 * rng.random(150)[patients]).astype(int)
    scores = present + rng.normal(0, 1, 150)[patients] + rng.normal(0, 0.7, 600)
    clusters = Clusters.of(patients, "patient")
    closed = auroc(scores, present, clusters, method="logit_delong")
    drawn = auroc(scores, present, clusters)
    alone = auroc(scores, present)

    assert [closed.low, closed.high] == pytest.approx([drawn.low, drawn.high], abs=0.006)
    assert "Obuchowski" in closed.method
    assert closed.high - closed.low != pytest.approx(alone.high - alone.low, rel=0.02)


def test_copies_in_clusters_do_not_narrow_the_closed_form(rng):
    present = np.arange(60) % 2
    scores = rng.normal(size=60) + present
    alone = auroc(scores, present)
    copies = Clusters.of(np.repeat(np.arange(60), 5), "patient")
    copied = auroc(np.repeat(scores, 5), np.repeat(present, 5), copies, method="logit_delong")

    assert [copied.low, copied.high] == pytest.approx([alone.low, alone.high])


def test_too_few_clusters_have_no_closed_form_either(rng):
    clusters = Clusters.of(np.arange(40) // 10, "patient")
    estimate = auroc(rng.random(40), np.arange(40) % 2, clusters, method="delong_wald")

    assert not estimate.has_interval
    assert "4 patients" in estimate.reason


def test_refuses_methods_it_has_not(rng):
    with pytest.raises(ValueError, match="logit_delong"):
        auroc(rng.random(4), np.array([0, 1, 0, 1]), method="exact")
    with pytest.raises(ValueError, match="clusters"):
        auroc(rng.random(4), np.array([0, 1, 0, 1]), Clusters.of(np.array([0, 0, 1, 1])),
              method="hanley_mcneil")  # fmt: skip


def test_scores_at_both_ends_of_a_float_are_ranked():
    scores, present = np.arange(20.0), np.arange(20) % 2
    wide = np.where(scores == 0, -1.7e308, np.where(scores == 19, 1.7e308, scores))

    assert auroc(wide, present) == auroc(scores, present)
