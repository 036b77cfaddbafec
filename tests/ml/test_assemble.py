import numpy as np
import pytest

from ml.assemble import (
    cohort_block,
    evidence,
    model_block,
    run_checks,
)
from ml.checks.discrimination import discrimination
from ml.checks.registry import Check, State
from ml.evidence.store import outputs_table, samples_table
from ml.intake.model_manifest import Scores
from ml.protocol import Protocol
from ml.scores import activated, finding_score

META = {
    "kind": "probabilities",
    "classes": ["dark", "bright"],
    "activation": None,
    "positive": ["bright"],
    "operating_points": [{"name": "half", "threshold": 0.5}],
}


def case(case_id, label=None, cluster=None, **covariates):
    return {
        "case_id": case_id,
        "patient_id": None,
        "group": None,
        "cluster": cluster or f"case:{case_id}",
        "label": label,
        "covariates": covariates,
        "images": [],
    }


def catalogue(*cases, **changes):
    return {
        "title": "T",
        "sha256": "s",
        "task": "classification",
        "modality": "",
        "classes": ["healthy", "ill"],
        "positive": ["ill"],
        "cluster_kind": "case",
        "readers": "identified",
        "simulated": False,
        "questions": {},
        "covariates": [],
        "cases": list(cases),
        "readings": [],
        **changes,
    }


def uploaded(rows, **changes):
    return ({**META, **changes}, outputs_table(list(rows), list(rows.values())))


def test_labels_become_present_absent_or_missing():
    found = evidence(catalogue(case("a", "ill"), case("b", "healthy"), case("c")))

    assert found.present.tolist() == [1, 0, -1]
    assert found.label == ("ill", "healthy", None)
    assert found.prediction is None
    assert found.readings is None


def test_without_any_label_there_is_no_truth():
    assert evidence(catalogue(case("a"), case("b"))).present is None


def test_clusters_and_covariates():
    found = evidence(
        catalogue(
            case("a", cluster="patient:p", sex="f"),
            case("b", cluster="patient:q", sex=None),
            case("c", cluster="patient:p", sex="m"),
            covariates=["sex"],
            cluster_kind="patient",
        )
    )

    assert found.cluster[0] == found.cluster[2] != found.cluster[1]
    assert found.covariates == {"sex": ("f", None, "m")}
    assert found.cluster_kind == "patient"


def test_scores_are_joined_by_case_not_by_row():
    found = evidence(
        catalogue(case("a", "ill"), case("b", "healthy")),
        uploaded=uploaded({"b": [0.9, 0.1], "a": [0.2, 0.8]}),
    )

    assert found.prediction.score.tolist() == pytest.approx([0.8, 0.1])
    assert found.prediction.probabilities.tolist() == [[0.2, 0.8], [0.9, 0.1]]
    assert found.prediction.operating_points == (("half", 0.5),)
    assert found.prediction.source == "uploaded"


def test_what_went_wrong_is_said_by_case():
    table = outputs_table(
        ["a", "b", "c", "x"],
        [[0.5, 0.5], [None, None], [0.9, 0.9], [1.0, 0.0]],
        {"b": "pixel_limit"},
    )

    found = evidence(
        catalogue(case("a"), case("b"), case("c"), case("d")),
        outputs=table,
        manifest={"output": META, "operating_points": []},
    )

    assert found.prediction.failures == {
        "b": "pixel_limit",
        "c": "score_range",
        "d": "not_predicted",
        "x": "unknown_case",
    }
    assert np.isnan(found.prediction.score).tolist() == [False, True, True, True]


def test_rows_for_unknown_cases_are_said_in_the_report():
    found = evidence(
        catalogue(case("a", "ill"), case("b", "healthy")),
        uploaded=uploaded({"a": [0.2, 0.8], "b": [0.9, 0.1], "ghost1": [0.5, 0.5]}),
    )
    result = discrimination(found, Protocol.parse({"draws": 200}))

    assert [f.claim for f in result.findings if f.id.endswith("unknown-cases")] == [
        "The table has 1 row for a case this cohort does not have: ghost1."
    ]


def test_several_positive_classes_are_added():
    rows = {"a": [0.1, 0.2, 0.3, 0.4]}
    found = evidence(
        catalogue(case("a")),
        uploaded=uploaded(rows, classes=list("wxyz"), positive=["w", "x", "z"]),
    )

    assert found.prediction.score[0] == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("positive", "score"),
    [(["a", "b", "c"], 0.0), (["a", "b"], 2e-9), (["none"], 1.0), (["a"], 1e-9)],
)
def test_of_two_equal_sums_the_shorter_is_taken(positive, score):
    """Single-precision softmax gives P(none) = 1 beside tiny others; ties must stay ties."""
    declared = Scores(kind="probabilities", classes=["a", "b", "c", "none"], positive=positive)

    assert finding_score(np.array([[1e-9, 1e-9, 1e-9, 1.0]]), declared).tolist() == [score]


def test_independent_classes_are_never_complemented():
    declared = Scores(
        kind="probabilities", activation="sigmoid", classes=["a", "b"], positive=["a"]
    )

    assert finding_score(np.array([[0.7, 0.9]]), declared).tolist() == [0.7]


@pytest.mark.parametrize(
    ("raw", "activation", "classes", "probabilities"),
    [
        ([0.0, 0.0], "softmax", "ab", [0.5, 0.5]),
        ([1000.0, 0.0], "softmax", "ab", [1.0, 0.0]),
        ([-1000.0], "sigmoid", "a", [0.0]),
        ([np.log(3), -np.log(3)], "sigmoid", "ab", [0.75, 0.25]),
    ],
)
@pytest.mark.filterwarnings("error")
def test_logits_are_activated_as_declared(raw, activation, classes, probabilities):
    declared = Scores(
        kind="logits", activation=activation, classes=list(classes), positive=[classes[0]]
    )

    assert activated(np.array(raw), declared) == pytest.approx(np.array(probabilities))


def test_declared_probabilities_are_never_rescaled():
    declared = Scores(**{key: META[key] for key in Scores.model_fields})

    assert activated(np.array([0.2, 0.8004]), declared).tolist() == [0.2, 0.8004]
    assert np.isnan(activated(np.array([0.2, 0.9]), declared)).all()
    assert np.isnan(activated(np.array([np.nan, 0.5]), declared)).all()


def test_readings_are_kept_one_by_one():
    def reading(reader, case_id, question, score=None, label=None):
        return {
            "reader_id": reader, "case_id": case_id, "question": question,
            "score": score, "label": label, "arm": None, "seconds": None,
        }  # fmt: skip

    found = evidence(
        catalogue(
            case("a"),
            case("b"),
            readers="exchangeable",
            questions={
                "size": {"position": 2, "scale": "interval", "values": []},
                "kind": {"position": 1, "scale": "nominal", "values": ["soft", "hard"]},
                "grade": {"position": 0, "scale": "ordinal", "values": ["1", "2"]},
            },
            readings=[
                reading("1", "b", "grade", score=2.0),
                reading("1", "a", "kind", label="soft"),
                reading("2", "a", "size", score=1.5),
            ],
        )
    ).readings

    assert found.case_index.tolist() == [1, 0, 0]
    assert found.value == ["2", "soft", "1.5"]
    assert found.number[[0, 2]].tolist() == [2, 1.5]
    assert np.isnan(found.number[1])
    assert found.exchangeable
    assert list(found.questions) == ["grade", "kind", "size"]  # as declared, not as stored


def test_a_model_and_a_table_are_one_too_many():
    table = outputs_table(["a"], [[0.5, 0.5]])
    with pytest.raises(ValueError):
        evidence(catalogue(case("a")), outputs=table, manifest={}, uploaded=(META, table))
    with pytest.raises(ValueError):
        evidence(catalogue(case("a")), outputs=table)


def test_a_broken_check_costs_its_own_result_only():
    def broken(found, protocol):
        raise ZeroDivisionError("oh")

    check = Check("broken", "Broken", "Does it break?", (), broken)

    ((same, result, seconds),) = run_checks(
        evidence(catalogue(case("a"))), Protocol.default(), [check]
    )

    assert same is check
    assert result.state is State.NOT_ASSESSED
    assert "ZeroDivisionError" in result.reason
    assert seconds >= 0


def test_blocks_of_the_document():
    predictions = {
        "meta": {**META, "model": {"name": "N", "version": "1"}, "intended_use": ""},
        "sha256": "h",
    }

    assert model_block(None, None) is None
    assert model_block(None, predictions)["name"] == "N"
    assert model_block(None, predictions)["kind"] == "predictions"
    assert cohort_block(catalogue(), {"n_cases": 0})["n_cases"] == 0


DECLARED = {"name": "x", "format": "pt2", "output": META, "operating_points": []}
THREE = {"a": [[0.2, 0.8], [0.4, 0.6], [0.0, 1.0]], "b": [[0.9, 0.1]] * 3}


def test_samples_of_a_pass_stand_in_the_order_of_the_cohort():
    table = samples_table(["b", "f", "a"], {**THREE, "f": []}, {"f": "no_image"}, 2)
    cohort = catalogue(case("a"), case("f"), case("b"), case("never"))

    found = evidence(cohort, manifest=DECLARED, samples=table).samples

    assert found.kind == "dropout"
    assert found.score.shape == (3, 4)
    assert found.score[:, 0].tolist() == [0.8, 0.6, 1.0]
    assert found.score[:, 2].tolist() == [0.1] * 3
    assert np.isnan(found.score[:, [1, 3]]).all()
    assert found.failures == {"f": "no_image", "never": "not_predicted"}
    members = evidence(cohort, manifest={**DECLARED, "format": "ensemble"}, samples=table)
    assert members.samples.kind == "members"


def test_one_answer_that_is_none_fails_the_case_and_no_other():
    wrong = {**THREE, "a": [[0.2, 0.8], [0.4, 0.9], [0.0, 1.0]]}
    table = samples_table(["a", "b"], wrong, {}, 2)

    found = evidence(catalogue(case("a"), case("b")), manifest=DECLARED, samples=table).samples

    assert found.failures == {"a": "score_range"}
    assert np.isnan(found.score[:, 0]).all()
    assert np.isfinite(found.score[:, 1]).all()


@pytest.mark.parametrize(("several", "kind"), [("member", "members"), ("sample", "samples")])
def test_the_prediction_of_a_table_with_several_rows_is_their_mean(several, kind):
    table = samples_table(["a", "b", "other"], {**THREE, "other": THREE["b"]}, {}, 2)
    meta = {**META, "several": several}

    found = evidence(catalogue(case("a"), case("b"), case("c")), uploaded=(meta, table))

    assert found.prediction.score[:2] == pytest.approx([0.8, 0.1])
    assert found.prediction.failures == {"other": "unknown_case", "c": "not_predicted"}
    assert (found.samples.kind, found.samples.source) == (kind, "uploaded")
    assert found.samples.score[:, 0].tolist() == [0.8, 0.6, 1.0]


def test_logits_of_members_are_averaged_as_probabilities():
    raw = {"a": [[0.0, 4.0], [0.0, -1.0]]}
    meta = {**META, "kind": "logits", "activation": "softmax", "several": "member"}

    found = evidence(catalogue(case("a")), uploaded=(meta, samples_table(["a"], raw, {}, 2)))

    each = 1 / (1 + np.exp([-4.0, 1.0]))
    assert found.samples.score[:, 0] == pytest.approx(each)
    assert found.prediction.score == pytest.approx([each.mean()])


def test_why_there_are_no_samples_is_passed_on():
    plain = evidence(catalogue(case("a")), uploaded=uploaded({"a": [0.5, 0.5]}))
    model = evidence(catalogue(case("a")), manifest=DECLARED, no_samples="It has no dropout.")

    assert plain.samples is None
    assert "one prediction for each case" in plain.no_samples
    assert (model.samples, model.no_samples) == (None, "It has no dropout.")
