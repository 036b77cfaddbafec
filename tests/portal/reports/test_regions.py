"""What the page says of regions that were tried by hand, and to whom."""

import html
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from ml.version import ENGINE_VERSION
from portal.reports import regions
from portal.reports.doors import shared_door, team_door
from portal.reports.frozen import open_report
from portal.seen.models import Exploration
from tests.portal.people import text

CASE = "c1"  # scored 0.02 when the report was sealed


@pytest.fixture
def tried(report: Any) -> Any:
    """A region of a case, answered with these scores."""

    def made(**changes: Any) -> Exploration:
        audit = report.audit
        scores = {"as it is": 0.93, "mean": 0.41, "blur": 0.81, "mean elsewhere": 0.92,
                  "blur elsewhere": None}  # fmt: skip
        return Exploration.objects.create(
            **{
                "audit": audit, "case": audit.cohort_version.cases.get(case_id=CASE),
                "engine": ENGINE_VERSION, "name": 'L "tag" <b>', "state": "done",
                "top": 0.0, "left": 0.75, "height": 0.125, "width": 0.25,
                "answers": {"scores": scores, "elsewhere": [0.5, 0.5, 0.125, 0.25]},
                "created_by": audit.created_by,
            } | changes
        )  # fmt: skip

    return made


def page(client: Any, address: Any) -> str:
    return html.unescape(text(client.get(address("case", CASE))))


def test_an_answer_that_turns_is_told_from_one_that_stays(
    tried: Any, report: Any, as_owner: Any, address: Any
) -> None:
    tried()
    (one,) = regions.of(
        open_report(report), team_door(report), report.audit, open_report(report).by_id[CASE]
    ).tried

    mean, blur = one.lines
    assert (mean.before, mean.after, mean.word, mean.elsewhere) == (
        "0.930", "0.410", "the answer turns", "0.920",
    )  # fmt: skip
    assert (mean.moved, blur.moved) == ("2.6 → −0.4", "2.6 → 1.4")
    assert (blur.after, blur.word, blur.elsewhere) == ("0.810", "the answer stays", "none")
    assert one.sides == ["0", "75", "12.5", "25"]
    said = page(as_owner, address)
    assert "0.930 → 0.410</b> (log-odds 2.6 → −0.4)" in said
    assert "The report has 0.020 of this case: it was run otherwise." in said
    assert '- name: "L \\"tag\\" <b>" box: [0, 0.75, 0.125, 0.25]' in said


def test_what_was_not_answered_says_why(tried: Any, as_owner: Any, address: Any) -> None:
    nothing = {"answers": {}}
    tried(state="waiting", error="Something broke.", **nothing)
    tried(state="running", **nothing)
    tried(state="failed", error="It took longer than 20 minutes.", **nothing)
    tried(refusal={"code": "x", "message": "The file has changed."}, **nothing)
    scores = {"as it is": None, "mean": 0.4, "blur": None}
    tried(answers={"scores": scores, "elsewhere": None})
    said = page(as_owner, address)

    for sentence in (
        "Waiting for a worker. The attempt before: Something broke.",
        "The model is being asked.",
        "It took longer than 20 minutes.",
        "The image could not be prepared. The file has changed.",
        "no finite answer → 0.400",
        "The same elsewhere: no room.",
    ):
        assert sentence in said, sentence
    assert "the answer turns" not in said, "nothing is known of what was not answered"


def test_only_the_newest_are_shown_and_all_are_counted(
    tried: Any, as_owner: Any, address: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regions, "MOST_SHOWN", 2)
    for at, name in enumerate(("oldest tag", "middle tag", "newest tag")):
        tried(name=name, created_at=timezone.now() + timedelta(seconds=at))
    said = page(as_owner, address)
    assert "newest tag" in said
    assert "oldest tag" not in said
    assert "1 older not shown." in said


def test_a_link_knows_nothing_of_it(tried: Any, report: Any, make_link: Any, client: Any) -> None:
    tried()
    link, address = make_link(with_images=True)
    said = text(client.get(f"{address}case/{CASE}/"))
    assert "without this" not in said
    frozen = open_report(report)
    assert regions.of(frozen, shared_door(link, "t"), report.audit, frozen.by_id[CASE]) is None


def test_models_that_cannot_be_asked_are_not(report: Any) -> None:
    frozen = open_report(report)
    case, own = frozen.by_id[CASE], report.audit.model_version
    deep = dict(own.manifest) | {"input": own.manifest["input"] | {"dims": 3}}

    def offered(format_: str = "onnx", manifest: Any = own.manifest) -> bool:
        version = SimpleNamespace(format=format_, manifest=manifest)
        audit: Any = SimpleNamespace(model_version=version)
        return regions.offers(frozen, audit, case)

    assert offered()
    assert not offered("endpoint"), "nobody agreed to send it changed pictures"
    assert not offered(manifest=deep)
    nobody: Any = SimpleNamespace(model_version=None)
    assert not regions.offers(frozen, nobody, case)
    beside = replace(case, cohort="ct")
    assert not regions.offers(frozen, report.audit, beside)
    assert not regions.offers(frozen, report.audit, replace(case, images=[]))
