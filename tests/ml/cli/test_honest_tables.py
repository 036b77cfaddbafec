"""What a table leaves out, and what an option says, is heeded or refused, never passed over."""

import json

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from ml.cli.main import main
from ml.cli.stats.catalogue import MEASURES
from ml.cli.stats.shapes import SHAPES
from ml.stats.clusters import Clusters
from ml.stats.ood.detection import detection
from ml.stats.ood.shift import wasserstein_1
from tests.ml.cli.test_stats import N, command, table_of, write

WITH_TABLE = [name for name, measure in MEASURES.items() if SHAPES[measure.shape].has_table]
GRADES = np.array(["low", "medium", "high"])


@pytest.fixture
def asked(tmp_path, capsys):
    """What a measure answers of columns, and the code it ends with."""

    def ask(name, columns, *words):
        path = write(tmp_path / "asked.csv", columns)
        code = main(["stats", name, path, *words])
        return code, json.loads(capsys.readouterr().out, parse_constant=pytest.fail)

    return ask


def refusal(answer):
    code, made = answer
    assert code == 2, made
    return made["refused"][0]["message"]


def readings(answers):
    """A long table from (cases, readers)."""
    n, k = np.shape(answers)
    return {"case_id": np.repeat(np.arange(n), k), "reader_id": np.tile(np.arange(k), n),
            "score": np.ravel(answers)}  # fmt: skip


@pytest.mark.parametrize("name", WITH_TABLE)
def test_clusters_are_heeded_or_refused(name, tmp_path, rng, capsys):
    """An answer as if rows were independent, to one who says that they are not, would mislead."""
    words = command(name, tmp_path, rng)
    table = table_of(MEASURES[name].shape, rng)
    units = np.asarray(table.get("case_id", np.arange(len(next(iter(table.values()))))))
    words[2] = write(tmp_path / "c.csv", table | {"patient": units // 4})

    code = main([*words, "--cluster", "patient"])
    text = capsys.readouterr().out
    if code == 2:
        assert "cluster" in text
        return
    main(words)
    alone = capsys.readouterr().out
    unheeded = {"shrunken_rates", "rate_heterogeneity"}  # no correlation to be found in this table
    assert text != alone or name in unheeded


@pytest.mark.parametrize("name", ["mann_whitney", "paired_t", "wilcoxon", "cohen_kappa", "ks"])
def test_a_test_of_independent_rows_refuses_clusters(name, tmp_path, rng, capsys):
    words = command(name, tmp_path, rng)
    table = table_of(MEASURES[name].shape, rng)
    words[2] = write(tmp_path / "c.csv", table | {"patient": np.arange(N) // 3})

    assert main([*words, "--cluster", "patient"]) == 2
    assert "leave --cluster out" in capsys.readouterr().out


def test_clusters_reach_two_samples(asked, rng):
    sample = np.tile(["target", "reference"], 60)  # not in the order in which samples are given
    value = np.round(np.repeat(rng.normal(size=30), 4) + (sample == "target"), 4)
    patient = np.arange(120) // 4 * 2 + np.arange(120) % 2
    one = sample == "reference"

    _, made = asked("wasserstein", {"sample": sample, "value": value, "p": patient},
                    "--cluster", "p")  # fmt: skip
    ours = wasserstein_1(value[one], value[~one], Clusters.of(patient[one], "group"),
                         Clusters.of(patient[~one], "group"))  # fmt: skip
    assert made["low"] == pytest.approx(ours.low)
    assert made["extra"]["p"] == pytest.approx(ours.extra["p"])

    both = asked("smd", {"sample": sample, "value": value, "p": patient // 2}, "--cluster", "p")
    assert "both samples" in refusal(both)


def test_clusters_reach_foreign_inputs(asked, rng):
    foreign = np.arange(80) % 2
    score = np.round(np.repeat(rng.normal(size=20), 4) + foreign, 4)
    patient = np.arange(80) // 4
    _, made = asked("ood_detection", {"score": score, "foreign": foreign, "p": patient},
                    "--cluster", "p")  # fmt: skip
    order = np.argsort(foreign, kind="stable")
    ours = detection(score[foreign == 0], score[foreign == 1],
                     clusters=Clusters.of(patient[order], "group"))  # fmt: skip
    assert made["auroc"]["low"] == pytest.approx(ours.auroc.low)


@pytest.mark.parametrize("name", ["mann_whitney", "mcnemar", "kappa_size", "p_adjust"])
def test_options_without_an_effect_are_not_offered(name, tmp_path, rng):
    with pytest.raises(SystemExit) as ended:
        main([*command(name, tmp_path, rng), "--draws", "10"])
    assert ended.value.code == 2


@pytest.mark.parametrize("name", ["fleiss", "ac1", "alpha", "percent_agreement", "dawid_skene"])
def test_an_empty_cell_is_no_answer(asked, rng, name):
    """It is the same as a reading without a row, and no category of its own."""
    answers = rng.choice(["x", "y"], (40, 3)).astype(object)
    full = readings(answers)
    lost = np.arange(120) % 7 == 0
    empty = full | {"score": np.where(lost, "", full["score"])}
    without = {key: column[~lost] for key, column in full.items()}

    assert asked(name, empty) == asked(name, without)


def test_an_empty_cell_is_no_number(asked, rng):
    full = readings(np.round(rng.normal(size=(20, 1)) + rng.normal(size=(20, 3)), 3))
    lost = np.arange(60) % 11 == 0
    empty = full | {"score": np.where(lost, "", full["score"].astype(str))}
    without = {key: column[~lost] for key, column in full.items()}

    assert asked("icc_one_way", empty) == asked("icc_one_way", without)


def test_two_readers_are_compared_where_both_answered(asked):
    a, b = ["x", "y", "", "y", "x", ""], ["x", "y", "x", "x", "x", "y"]
    code, made = asked("cohen_kappa", {"a": a, "b": b})
    assert code == 0
    assert made["kappa"]["n"] == 4
    true = cohen_kappa_score(["x", "y", "y", "x"], ["x", "y", "x", "x"])
    assert made["kappa"]["value"] == pytest.approx(true)
    code, made = asked("mcnemar", {"a": a, "b": b})
    assert code == 0
    assert "No row has a value in 'a' and 'b'" in refusal(
        asked("mcnemar", {"a": ["", ""], "b": ["x", ""]})
    )


@pytest.mark.parametrize(
    ("name", "column"),
    [("auroc", "patient"), ("group_rates", "group"), ("icc", "case_id"), ("icc", "reader_id"),
     ("obuchowski_rockette", "case_id"), ("mantel_haenszel", "stratum"), ("hand_till", "label"),
     ("max_auroc_gap", "group"), ("entropy_parts", "member")],
)  # fmt: skip
def test_an_empty_name_is_not_shared(name, column, tmp_path, rng, capsys):
    """Rows of nobody known would all pass for the same patient, group or case."""
    words = command(name, tmp_path, rng)
    table = table_of(MEASURES[name].shape, rng)
    if column == "patient":
        table |= {"patient": np.arange(N) // 2}
        words += ["--cluster", "patient"]
    table[column] = ["" if at in (1, 4) else x for at, x in enumerate(table[column])]
    words[2] = write(tmp_path / "e.csv", table)

    assert main(words) == 2
    refused = json.loads(capsys.readouterr().out)["refused"][0]
    assert f"'{column}' is empty" in refused["message"]
    assert refused["row"] == 3


@pytest.mark.parametrize("weights", ["linear", "quadratic"])
def test_weights_go_by_the_order_of_answers(asked, rng, weights):
    """The word high sorts before low, and 10 before 2: weights of sorted texts are wrong."""
    a = rng.integers(0, 3, 80)
    b = np.clip(a + rng.integers(-1, 2, 80), 0, 2)
    true = cohen_kappa_score(a, b, weights=weights)

    for names in (GRADES, np.array(["1", "2", "10"])):
        table = {"a": names[a], "b": names[b]}
        said = "Weights need --values"
        assert said in refusal(asked("cohen_kappa", table, "--weights", weights))
        _, made = asked("cohen_kappa", table, "--weights", weights, "--values", ",".join(names))
        assert made["kappa"]["value"] == pytest.approx(true)
        long = readings(np.stack([names[a], names[b]], axis=1))
        for name in ("conger", "ac1", "fleiss", "percent_agreement"):
            assert said in refusal(asked(name, long, "--weights", weights))
        _, made = asked("conger", long, "--weights", weights, "--values", ",".join(names))
        assert made["value"] == pytest.approx(true)


@pytest.mark.parametrize("values", ["x,x,y", "x,,y"])
def test_declared_answers_are_named_once(asked, values):
    """A second one would count as an answer that nobody gave, and move AC1."""
    table = readings([["x", "y"], ["x", "x"]])
    assert "each once" in refusal(asked("ac1", table, "--values", values))


def test_a_case_lies_in_one_group(asked, rng):
    table = readings(np.round(rng.normal(size=(30, 2)), 3))
    patient = table["case_id"] // 2
    patient[1] = 9
    assert "two groups" in refusal(asked("icc", table | {"p": patient}, "--cluster", "p"))


def test_a_member_answers_once(asked):
    table = {"case_id": [1, 1, 1], "member": [1, 1, 2], "x": [0.5, 0.4, 0.4], "y": [0.5, 0.6, 0.6]}
    assert "two rows for one case" in refusal(asked("entropy_parts", table, "--classes", "x,y"))


@pytest.mark.parametrize(
    ("score", "said"),
    [("", "the cell is empty"), ("NA", "not 'NA'"), ('"1,200"', "not '1,200'"), ("1e999", "1e999")],
)
def test_a_cell_that_is_no_number_is_shown(asked, score, said):
    message = refusal(asked("auroc", {"score": [0.1, score], "present": [0, 1]}))
    assert message.startswith("'score' must be a number")
    assert said in message


@pytest.mark.parametrize(("present", "said"), [("yes", "not 'yes'"), ("", "is empty"), (2, "'2'")])
def test_a_cell_that_is_not_1_or_0_is_shown(asked, present, said):
    message = refusal(asked("auroc", {"score": [0.1, 0.2], "present": [0, present]}))
    assert message.startswith("'present' must be 1 or 0")
    assert said in message


def test_undeclared_names_tell_which_option_declares_them(asked):
    message = refusal(asked("ks", {"sample": ["a", "b"], "value": [1, 2]}))
    assert "--first and --second: reference, target" in message
    table = {"label": ["x", "z"], "x": [0.5, 0.4], "y": [0.5, 0.6]}
    assert "--classes: x, y" in refusal(asked("nll", table, "--classes", "x,y"))
    assert "column z: name the columns with --classes" in refusal(asked("nll", table))


def test_an_empty_file_is_said_to_be_empty(tmp_path, capsys):
    (tmp_path / "t.csv").write_text("")
    assert main(["stats", "auroc", str(tmp_path / "t.csv")]) == 2
    assert "first line is empty" in capsys.readouterr().out


def test_what_is_said_of_one_answer_names_it(asked):
    """Answers 1 to 3 have places 0 to 2: a number of a place would be read as another answer."""
    table = readings(np.array([[1, 1, 2], [2, 2, 2], [3, 1, 3], [1, 1, 1], [3, 3, 2]]))
    _, made = asked("specific_agreement", table)
    assert [one["id"] for one in made] == [f"specific_agreement:{answer}" for answer in (1, 2, 3)]
    assert made[0]["value"] == pytest.approx(8 / 12)  # pairs: 2 + 0 + 6 of 4 + 2 + 6

    _, made = asked("fleiss_test", table)
    assert [one["id"] for one in made["per_category"]] == [f"kappa_fleiss:{k}" for k in (1, 2, 3)]

    _, made = asked("dawid_skene", table | {"reader_id": np.tile(["C", "A", "B"], 5)})
    assert made["answers"] == ["1", "2", "3"]
    assert made["readers"] == ["C", "A", "B"]
    assert made["cases"] == ["0", "1", "2", "3", "4"]


def test_indices_with_a_sign_say_which_answer_is_first(asked):
    table = {"a": ["yes", "yes", "no"], "b": ["yes", "yes", "no"]}
    _, made = asked("two_reader_indices", table)
    assert made["answers"] == ["no", "yes"]
    assert made["prevalence_index"] == pytest.approx(-1 / 3)


def test_a_detectable_difference_names_the_level_of_its_test(capsys):
    assert main(["stats", "detectable_difference", "--n-a", "100", "--n-b", "100", "--base", "0.8",
                 "--level", "0.9"]) == 0  # fmt: skip
    assert "two-sided test at 0.1" in json.loads(capsys.readouterr().out)["convention"]
