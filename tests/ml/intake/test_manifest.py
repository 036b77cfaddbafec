import pytest

from ml.intake.cohort_manifest import CohortManifest
from ml.intake.manifest import parse_yaml, validated
from ml.intake.model_manifest import ModelManifest, Scores
from ml.intake.refusal import Refused
from tests.ml.intake.build import MANIFEST, codes, merged


def refusals(changes):
    with pytest.raises(Refused) as refused:
        validated(ModelManifest, merged(MANIFEST, changes), "model.yaml")
    assert set(codes(refused)) == {"manifest_invalid"}
    return [refusal.message for refusal in refused.value.refusals]


def test_a_good_manifest_is_normalised():
    manifest = validated(ModelManifest, merged(MANIFEST, {"version": 1.5}), "model.yaml")

    assert manifest.version == "1.5"
    assert manifest.input.shape == (1, 8, 8)
    assert manifest.model_dump(mode="json")["input"]["resize"] == {
        "mode": "bilinear",
        "antialias": "pillow",
    }


def test_all_problems_are_said_at_once():
    said = refusals(
        {"name": None, "typo": 1, "input": {"size": [0, 8], "colour": "rgb"}, "output": {"kind": 7}}
    )

    assert len(said) == 4
    assert "'name' is missing." in said
    assert "'typo' is not a known key; check the spelling." in said
    assert any(text.startswith("input: size is [height, width]") for text in said)
    assert any(text.startswith("'output.kind': input should be") for text in said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"output": {"positive": ["x"]}}, "positive names what is not a class: x."),
        ({"output": {"positive": ["dark", "bright"]}}, "if every class is positive"),
        ({"output": {"kind": "logits", "activation": None}}, "logits need an activation"),
        ({"output": {"classes": ["a", "a"], "positive": ["a"]}}, "every class is named once"),
        (
            {"output": {"activation": "sigmoid", "positive": ["dark", "bright"]}},
            "name one positive class",
        ),
        ({"input": {"channels": 3}}, "colour gray has 1 channels"),
        ({"input": {"intensity": {"mean": [0.1, 0.2]}}}, "one number, or one for each channel"),
        ({"input": {"intensity": {"window": [5, 1]}}}, "low below high"),
        ({"input": {"intensity": {"std": 0}}}, "std must be above zero"),
        ({"input": {"intensity": {"scale": 0}}}, "greater than 0"),
        ({"files": ["a", "b"]}, "name the weights once"),
        ({"operating_points": [{"name": "a", "threshold": 2}]}, "less than or equal to 1"),
        ({"input": {"intensity": {"scale": float("nan")}}}, "finite number"),
    ],
)
def test_contradictions_are_named(changes, said):
    assert any(said in message for message in refusals(changes))


def test_one_size_means_a_square():
    assert validated(ModelManifest, merged(MANIFEST, {"input": {"size": 32}}), "m").input.size == (
        32,
        32,
    )


@pytest.mark.parametrize(
    ("kind", "activation", "classes", "softmax"),
    [
        ("probabilities", None, ["a", "b"], True),
        ("probabilities", None, ["a"], False),
        ("probabilities", "sigmoid", ["a", "b"], False),
        ("logits", "softmax", ["a", "b"], True),
    ],
)
def test_what_adds_up_to_one(kind, activation, classes, softmax):
    scores = Scores(kind=kind, activation=activation, classes=classes, positive=["a"])

    assert scores.softmax is softmax


@pytest.mark.parametrize(
    "data",
    [
        b"[1, 2]",
        b"a: [",
        b"\xff\xfe",
        b"just words",
        b"!!python/object/apply:os.system ['true']",
        b"a: !!python/name:os.system",
        b"1: 2",
        b"[" * 5000,
        b"a: &a [x]\nb: [" + b"*a, " * 100 + b"]",
    ],
)
def test_yaml_that_is_not_read(data):
    with pytest.raises(Refused) as refused:
        parse_yaml(data, "m.yaml")
    assert codes(refused) == ["manifest_yaml"]


@pytest.mark.parametrize("sign", ["\\0", "\\ud800", "\\x07", "\\x7f", "\\u2028", "\\n"])
@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('title: "a%sz"', "title"),
        ('classes: ["a", "b%sz"]', "classes[1]"),
        ('questions: {q: {scale: nominal, values: ["a%sz", b]}}', "questions.q.values[0]"),
        ('"ti%s": a', "ti"),
    ],
)
def test_unprintable_characters_are_refused_by_key(line, key, sign):
    with pytest.raises(Refused) as refused:
        validated(CohortManifest, parse_yaml((line % sign).encode(), "c"), "c")

    assert codes(refused) == ["manifest_invalid"]
    said = refused.value.refusals[0].message
    assert said.startswith(f"'{key}")
    assert said.isprintable()


def test_notes_have_lines_but_no_bells():
    notes = "one\n\ttwo"
    assert validated(CohortManifest, {"title": "T", "notes": notes}, "c").notes == notes
    with pytest.raises(Refused):
        validated(CohortManifest, {"title": "T", "notes": "\x07"}, "c")


def test_a_list_that_holds_itself_is_refused():
    with pytest.raises(Refused):
        validated(CohortManifest, parse_yaml(b"title: T\nclasses: &a [*a]", "c"), "c")


@pytest.mark.parametrize("name", [".", "..", "a/b", "a\\b"])
def test_names_of_questions_are_part_of_addresses(name):
    value = {"title": "T", "questions": {name: {"scale": "interval"}}}
    with pytest.raises(Refused) as refused:
        validated(CohortManifest, value, "c")
    assert codes(refused) == ["manifest_invalid"]


def test_texts_are_measured_in_characters():
    assert any("200 characters" in said for said in refusals({"name": "x" * 201}))


def test_a_title_written_as_a_block_loses_its_last_new_line():
    read = validated(CohortManifest, {"title": "Two words\n"}, "cohort.yaml")

    assert read.title == "Two words"
