"""/t/<team>/seen/: which case, what was made of it, its progress and its pictures."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from portal.cohorts.actions import discard_draft
from portal.leases import claim
from portal.seen import actions, steps
from portal.seen.models import Seen
from portal.seen.steps import number_text, position
from tests.conftest import png_bytes
from tests.portal.people import signed_in, text

STEP = {"dtype": "float32", "low": -2.5, "high": 255.0, "mean": 12.25}
STEPS = [
    STEP | {"name": "decode", "says": "image/png, L, the file's own values", "shape": [12, 16]},
    STEP | {"name": "layout", "says": "channels first (NCHW)", "shape": [1, 8, 8]},
]


@pytest.fixture
def version(team: Any, make_model_version: Callable[..., Any]) -> Any:
    return make_model_version(team)


@pytest.fixture
def case(team: Any, make_cohort_version: Callable[..., Any]) -> Any:
    return make_cohort_version(team).cases.first()


def url(name: str, version: Any, case: Any = None) -> str:
    more = [case.pk] if case else []
    return reverse(f"seen:{name}", args=[version.model.team.slug, version.pk, *more])


def made(team: Any, version: Any, case: Any, n: int = 1) -> Seen:
    seen = actions.ask(actor=team.owner, version=version, case=case)
    fence = claim(Seen, seen.pk)
    assert fence is not None
    actions.keep(seen, fence, [(row, [png_bytes(at) for at in range(n)]) for row in STEPS])
    seen.refresh_from_db()
    return seen


def test_a_model_leads_to_its_cases(as_viewer: Client, version: Any, case: Any) -> None:
    assert url("cases", version) in text(as_viewer.get(version.get_absolute_url()))

    shown = text(as_viewer.get(url("cases", version)))
    found = text(as_viewer.get(url("cases", version), {"text": "no-such-case"}))

    assert url("case", version, case) in shown
    assert "No case with an image fits." in found


def test_a_case_of_the_cohort_leads_to_it(as_viewer: Client, version: Any, case: Any) -> None:
    page = reverse("cohorts:case", args=[version.model.team.slug, case.pk])

    assert url("case", version, case) in text(as_viewer.get(page))


def test_looking_makes_nothing_and_asking_makes_one(
    as_viewer: Client, version: Any, case: Any
) -> None:
    before = text(as_viewer.get(url("case", version, case)))
    assert "Not made yet" in before
    assert not Seen.objects.exists()

    for _ in range(2):
        after = as_viewer.post(url("make", version, case), follow=True)

    assert "Waiting for a worker" in text(after)
    assert "data-live-url" in text(after)
    assert Seen.objects.count() == 1
    assert "data-live-url" in text(as_viewer.get(url("progress", version, case)))


def test_shows_every_step_with_its_numbers(
    team: Any, as_viewer: Client, version: Any, case: Any
) -> None:
    seen = made(team, version, case)

    shown = text(as_viewer.get(url("case", version, case)))

    assert "Decoded</h2>" in shown
    assert "the file’s own values" in shown
    assert "What the network is given</h2>" in shown
    assert "1 × 8 × 8" in shown
    assert "<dt>Lowest</dt><dd>−2.5</dd>" in shown
    assert "slices.js" not in shown
    assert "data-live-url" not in shown
    assert 'data-live-done="reload"' in text(as_viewer.get(url("progress", version, case)))
    picture = reverse("seen:picture", args=[team.slug, seen.pk, 1, 0])
    assert picture in shown
    answer = as_viewer.get(picture)
    assert (answer.content, answer["Content-Type"]) == (png_bytes(0), "image/png")
    assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'"


def test_a_volume_has_a_slider_that_needs_no_script(
    team: Any, as_viewer: Client, version: Any, case: Any
) -> None:
    seen = made(team, version, case, n=9)
    picture = reverse("seen:picture", args=[team.slug, seen.pk, 1, 2])

    middle = text(as_viewer.get(url("case", version, case)))
    third = text(as_viewer.get(url("case", version, case), {"at": "3"}))

    assert 'min="1" max="9" value="5"' in middle
    assert f'<img src="{picture}"' not in middle
    assert f'<img src="{picture}"' in third
    assert as_viewer.get(picture).content == png_bytes(2)
    for step, at in ((1, 9), (2, 0)):
        gone = reverse("seen:picture", args=[team.slug, seen.pk, step, at])
        assert as_viewer.get(gone).status_code == 404


def test_what_cannot_be_prepared_says_why(
    team: Any, as_viewer: Client, version: Any, case: Any
) -> None:
    seen = actions.ask(actor=team.owner, version=version, case=case)
    fence = claim(Seen, seen.pk)
    assert fence is not None
    actions.refuse(seen, fence, "several_images", "The model takes one image.")

    shown = text(as_viewer.get(url("case", version, case)))

    assert "The model cannot be given this case" in shown
    assert "The model takes one image." in shown
    assert "several_images" in shown


def test_what_failed_can_be_asked_for_again(
    team: Any, as_viewer: Client, version: Any, case: Any
) -> None:
    seen = actions.ask(actor=team.owner, version=version, case=case)
    Seen.objects.filter(pk=seen.pk).update(state="failed", attempts=5, error="It was killed.")

    shown = text(as_viewer.get(url("case", version, case)))
    assert "It was killed." in shown
    assert "Try again" in shown
    as_viewer.post(url("make", version, case))

    seen.refresh_from_db()
    assert (seen.state, seen.attempts, seen.error) == ("waiting", 0, "")


def test_a_case_without_image_says_so(
    team: Any, as_viewer: Client, version: Any, make_cohort_version: Callable[..., Any]
) -> None:
    case = make_cohort_version(team, sealed=False).cases.first()
    case.images.all().delete()

    shown = text(as_viewer.get(url("case", version, case)))

    assert "This case has no image." in shown
    assert "<form" not in shown.partition("<main")[2].partition("</main>")[0]


def test_what_was_made_goes_with_its_draft(
    team: Any, version: Any, make_cohort_version: Callable[..., Any]
) -> None:
    draft = make_cohort_version(team, sealed=False)
    made(team, version, draft.cases.first())

    discard_draft(actor=team.owner, version=draft)

    assert not Seen.objects.exists()


def test_another_teams_case_and_model_do_not_meet(
    version: Any,
    case: Any,
    make_team: Callable[..., Any],
    make_model_version: Callable[..., Any],
) -> None:
    other = make_team("Elsewhere")
    theirs = make_model_version(other)
    stranger = signed_in(other.owner)

    for name, method in (("case", "get"), ("make", "post"), ("progress", "get")):
        for of in (version, theirs):
            address = reverse(f"seen:{name}", args=[other.slug, of.pk, case.pk])
            assert getattr(stranger, method)(address).status_code == 404
    assert not Seen.objects.exists()


@pytest.mark.parametrize(
    ("wanted", "at"), [("1", 0), ("9", 8), ("0", 4), ("10", 4), ("-1", 4), ("²", 4), ("", 4)]
)
def test_any_position_in_an_address_is_one(wanted: str, at: int) -> None:
    assert position(wanted) == at


@pytest.mark.parametrize(
    ("value", "said"),
    [(255.0, "255"), (-1024.0, "−1024"), (0.123456, "0.1235"), (0.0, "0"), (30123.4, "30123")],
)
def test_numbers_are_short(value: float, said: str) -> None:
    assert number_text(value) == said


def test_the_declaration_in_words() -> None:
    window = {"size": [8, 8], "intensity": {"window": [-1000, 400], "std": 0.5}}
    volume = {"dims": 3, "patch": {"size": [4, 4, 4]}, "spacing_mm": [1, 1, 2.5]}

    assert dict(steps.declared(window))["Window"] == "cut to −1000 to 400, which becomes 0 to 1"
    assert dict(steps.declared(window))["Intensity"] == "divided by 0.5"
    said = dict(steps.declared(volume))
    assert (said["Takes"], said["Orientation"]) == ("volumes", "RAS")
    assert (said["Spacing"], said["Size"]) == ("1 × 1 × 2.5", "as large as it comes")
