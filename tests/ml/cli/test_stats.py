"""Every measure of the catalogue, asked for as a user would: a table, the command, JSON."""

import json

import numpy as np
import pytest

from ml.cli.main import main, parser
from ml.cli.stats.catalogue import MEASURES
from ml.cli.stats.columns import Table
from ml.cli.stats.options import options_of
from ml.cli.stats.output import jsonable
from ml.cli.stats.shapes import SHAPES
from ml.estimate import Estimate
from ml.stats.agreement.reader_bias import reader_bias
from ml.stats.clusters import Clusters
from ml.stats.discrimination.auroc import auroc

N = 40

# What a measure must be told, where it has no default.
REQUIRED = {
    "focus": "specificity", "low": "0.6", "high": "1", "specificity": "0.8", "sensitivity": "0.8",
    "least_sensitivity": "0.3", "least_specificity": "0.3", "cost_miss": "5", "distance": "1",
    "cost_false_alarm": "1", "margin": "0.1", "rate": "tpr", "threshold": "0.4", "mean": "0.1",
    "coverage": "0.8", "risk": "0.2", "auroc": "0.8", "half_width": "0.05", "auroc_a": "0.8",
    "auroc_b": "0.9", "kappa_null": "0.4", "kappa": "0.6", "prevalence": "0.3", "value": "0.6",
    "se": "0.1", "scale": "landis-koch", "n_a": "100", "n_b": "80", "base": "0.8", "sd": "0.5",
    "method": "holm", "readers": "3", "width": "0.2", "expected": "0.8", "least": "0.5",
    "accepted": "2", "share": "0.9",
}  # fmt: skip


def write(path, columns):
    names = list(columns)
    rows = zip(*(columns[name] for name in names), strict=True)
    path.write_text("\n".join([",".join(names), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return str(path)


def table_of(shape, rng):
    present = np.arange(N) % 2
    score = np.round(np.clip(0.5 + 0.2 * (present - 0.5) + rng.normal(0, 0.15, N), 0.01, 0.99), 4)
    other = np.round(np.clip(score + rng.normal(0, 0.1, N), 0.01, 0.99), 4)
    case = np.repeat(np.arange(N), 3)
    answer = (np.repeat(score, 3) + rng.normal(0, 0.1, 3 * N) > 0.5).astype(int)
    of_class = rng.dirichlet([2, 2, 2], N)
    return {
        "scores": {"score": score, "present": present},
        "two-scores": {"score_a": score, "score_b": other, "present": present},
        "pairs": {"a": 3 * score, "b": 3 * other},
        "calls": {"called": (score > 0.5).astype(int), "present": present},
        "paired-calls": {
            "called_a": (score > 0.5).astype(int),
            "called_b": (other > 0.5).astype(int),
            "present": present,
        },
        "values": {"value": score},
        "readings-numbers": {
            "case_id": case,
            "reader_id": np.tile([1, 2, 3], N),
            "score": np.round(np.repeat(score, 3) + rng.normal(0, 0.1, 3 * N), 4),
        },
        "readings": {"case_id": case, "reader_id": np.tile([1, 2, 3], N), "score": answer},
        "classes": {
            "label": np.array(["x", "y", "z"])[np.arange(N) % 3],
            **dict(zip("xyz", np.round(of_class, 6).T, strict=True)),
        },
        "p-values": {"p": [0.01, 0.02, 0.4]},
        "confidence": {"confidence": score, "error": 1 - present},
        "two-samples": {"sample": np.repeat(["reference", "target"], N // 2), "value": score},
        "foreign": {"score": score, "foreign": present},
        "two-answers": {"a": answer[:N], "b": answer[N : 2 * N]},
        "study": {
            "modality": np.repeat(["A", "B"], 3 * N),
            "reader_id": np.tile(np.repeat([1, 2, 3], N), 2),
            "case_id": np.tile(np.arange(N), 6),
            "score": np.round(np.tile(score, 6) + rng.normal(0, 0.1, 6 * N), 4),
            "present": np.tile(present, 6),
        },
        "grouped-calls": {
            "called": (score > 0.5).astype(int),
            "present": present,
            "group": np.repeat(["f", "m"], N // 2),
        },
        "grouped-scores": {
            "score": score,
            "present": present,
            "group": np.repeat(["f", "m"], N // 2),
        },
        "strata": {
            "first": present,
            "outcome": (score > 0.5).astype(int),
            "stratum": np.repeat(["s", "t"], N // 2),
        },
        "members": {
            "case_id": np.repeat(np.arange(N // 2), 2),
            "member": np.tile([1, 2], N // 2),
            **dict(zip("xyz", np.round(of_class, 12).T, strict=True)),
        },
        "gaussian": {"mean": score, "sd": np.full(N, 0.2), "truth": other},
        "mask-cases": {
            "dice": [*score[:-1], 0.0],
            "voxels_prediction": [*(np.arange(N - 1) + 1), 0],
            "voxels_reference": np.arange(N) + 2,
        },
        "mask-pairs": {
            "case_id": case,
            "a": np.tile(["reader:1", "reader:1", "model"], N),
            "b": np.tile(["reader:2", "reference", "reader:2"], N),
            "dice": np.round(np.repeat(score, 3), 4),
        },
        "methods": {"case_id": np.arange(N), "m": score, "k": other},
        "none": {},
    }[shape]


def command(name, tmp_path, rng):
    measure = MEASURES[name]
    words = ["stats", name]
    if SHAPES[measure.shape].has_table:
        words.append(write(tmp_path / "t.csv", table_of(measure.shape, rng)))
    if measure.shape in ("classes", "members"):
        words += ["--classes", "x,y,z"]
    if measure.shape == "methods":
        words += ["--methods", "m,k"]
    taken = [c.option for c in SHAPES[measure.shape].columns]
    taken += [f.option for f in SHAPES[measure.shape].flags]
    for option in options_of(measure.function, measure.given):
        if option.required and option.name not in measure.defaults:
            flag = option.name.replace("_", "-")
            words += [f"--{flag}-kind" if flag in taken else f"--{flag}", REQUIRED[option.name]]
    return [*words, *(["--draws", "60"] if measure.takes("settings") else [])]


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_answers_in_json(name, tmp_path, rng, capsys):
    words = command(name, tmp_path, rng)

    assert main(words) == 0, words
    text = capsys.readouterr().out
    made = json.loads(text, parse_constant=pytest.fail)
    assert made not in (None, [], {})


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_has_a_measure(shape):
    assert any(measure.shape == shape for measure in MEASURES.values())


def test_clusters_and_settings_reach_the_measure(tmp_path, rng, capsys):
    columns = table_of("scores", rng) | {"patient": np.arange(N) // 2}
    path = write(tmp_path / "t.csv", columns)

    main(["stats", "brier", path, "--cluster", "patient", "--draws", "77", "--level", "0.9"])
    made = json.loads(capsys.readouterr().out)

    assert made["level"] == 0.9
    assert "20 groups" in made["method"]
    assert "77 draws" in made["method"]


def test_an_option_reaches_the_measure(tmp_path, rng, capsys):
    columns = table_of("scores", rng)
    path = write(tmp_path / "t.csv", columns)

    main(["stats", "auroc", path, "--method", "hanley_mcneil"])
    made = json.loads(capsys.readouterr().out)
    ours = auroc(columns["score"], columns["present"], method="hanley_mcneil")

    assert made["low"] == pytest.approx(ours.low)
    assert made["method"] == ours.method


@pytest.mark.parametrize(
    "words", [["--method", "best"], ["--draws", "many"], ["--unheard-of", "1"]]
)
def test_options_that_do_not_exist_are_refused(words, tmp_path, rng, capsys):
    path = write(tmp_path / "t.csv", table_of("scores", rng))

    with pytest.raises(SystemExit) as ended:
        main(["stats", "auroc", path, *words])
    assert ended.value.code == 2


def test_a_table_that_a_measure_refuses_is_refused_in_words(tmp_path, capsys):
    path = write(tmp_path / "t.csv", {"score": [3, 4], "present": [0, 1]})

    assert main(["stats", "brier", path]) == 2
    refused = json.loads(capsys.readouterr().out)["refused"][0]
    assert refused["code"] == "label_value"
    assert "0..1" in refused["message"]


@pytest.mark.parametrize(
    "wrong", [["--level", "1"], ["--level", "nan"], ["--draws", "-1"], ["--seed", "-3"]]
)
def test_levels_and_draws_that_cannot_be_are_refused_in_words(wrong, tmp_path, rng, capsys):
    table = write(tmp_path / "t.csv", {"a": rng.normal(size=5), "b": rng.normal(size=5)})
    assert main(["stats", "bland_altman", table, *wrong]) == 2
    refused = json.loads(capsys.readouterr().out)["refused"][0]
    assert wrong[0].strip("-") in refused["message"]


def test_a_gap_is_nan_only_where_gaps_are_allowed(tmp_path):
    write(tmp_path / "t.csv", {"a": [1, ""], "b": [2, 3]})
    table = Table.read(tmp_path / "t.csv", ["a", "b"], None)

    assert np.isnan(table.numbers("a", gaps=True)[1])
    assert table.numbers("b").tolist() == [2, 3]


def test_results_become_json():
    assert jsonable({"a": (np.float64(1), Estimate("m", 0.5))})["a"][0] == 1.0
    assert jsonable(float("inf")) is None
    assert jsonable({("A", "B"): 1}) == {"A, B": 1}
    with pytest.raises(TypeError):
        jsonable(object())


def test_a_deviation_is_that_of_a_named_reader(tmp_path, rng, capsys):
    """Rows come in any order, and so do readers: a number of a column would say nothing."""
    answers = rng.random((N, 3)) < [0.7, 0.2, 0.2]
    rows = [(case, f"R{reader + 8}", int(answers[case, reader]), case // 2)
            for case in range(N) for reader in (1, 2, 0)]  # fmt: skip
    columns = dict(zip(("case_id", "reader_id", "score", "patient"), zip(*rows, strict=True),
                       strict=True))  # fmt: skip
    path = write(tmp_path / "t.csv", columns)

    assert main(["stats", "reader_bias", path, "--answer", "1", "--cluster", "patient"]) == 0
    made = json.loads(capsys.readouterr().out)

    ours = reader_bias(answers.astype(float), 1, Clusters.of(np.arange(N) // 2))
    found = {one["reader"]: one for one in made["readers"]}
    assert [one["reader"] for one in made["readers"]] == ["R9", "R10", "R8"]
    for at, name in enumerate(("R8", "R9", "R10")):
        assert found[name]["bias"]["value"] == pytest.approx(ours.readers[at].bias.value)
        assert found[name]["p"] == pytest.approx(ours.readers[at].p)
    assert found["R8"]["bias"]["low"] > 0
    assert "20 groups" in found["R8"]["bias"]["method"]

    assert main(["stats", "reader_bias", path, "--least", "41"]) == 0
    few = json.loads(capsys.readouterr().out)
    assert "at least 41 are needed" in few["readers"][0]["bias"]["reason"]


def test_a_missing_column_says_which_option_names_it(tmp_path, capsys):
    (tmp_path / "t.csv").write_text("score,label\n0.1,0\n0.9,1\n")
    assert main(["stats", "auroc", str(tmp_path / "t.csv")]) != 0
    assert "--score, --present" in capsys.readouterr().out


def test_only_the_measure_asked_for_is_made_ready(capsys):
    """To make a hundred commands ready takes longer than most of them."""
    for wanted, ready in ((["aurc"], {"aurc"}), (["nonsense"], set(MEASURES)), ([], set(MEASURES))):
        made = parser(wanted)._subparsers._group_actions[0].choices["stats"]
        assert set(made._subparsers._group_actions[0].choices) == ready
    with pytest.raises(SystemExit):
        main(["stats", "nonsense"])
    assert "brier" in capsys.readouterr().err, "who errs is shown what there is"
