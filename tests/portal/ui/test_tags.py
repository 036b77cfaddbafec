"""What templates are put together from."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.template import Context, Template

from portal.ui import icons
from portal.ui.states import LOOKS

from . import samples

SHA = "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35"


def render(source: str, **context: Any) -> str:
    return Template("{% load ui %}" + source).render(Context(context))


@pytest.mark.parametrize("value", sorted(LOOKS))
def test_a_state_is_word_and_icon(value: str) -> None:
    html = render("{% state value %}", value=value)
    assert LOOKS[value].word in html
    assert "<svg" in html
    assert LOOKS[value].icon in icons.NAMES


def test_a_more_exact_word_keeps_the_icon() -> None:
    html = render('{% state "fail" "Missed" tag=True %}')
    assert "Missed" in html
    assert "i-fail" in html
    assert 'class="st fail tag"' in html


def test_an_unknown_state_is_a_mistake_of_the_page() -> None:
    with pytest.raises(KeyError):
        render('{% state "splendid" %}')


@pytest.mark.parametrize("name", sorted(icons.NAMES))
def test_icons_are_hidden_from_screen_readers(name: str) -> None:
    assert 'aria-hidden="true"' in icons.icon(name)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{% chip "platform-default" %}', '<span class="chip dash">platform default</span>'),
        ("{% limit lim %}", "≥ 0.85"),
        ("{% limit none %}", "no limit"),
        ('{% count 1 "case" %}', "1 case"),
        ('{% count 3000 "case" %}', "3,000 cases"),
        ('{% count 2 "study" "studies" %}', "2 studies"),
        ("{% duration 418 %}", "6 min 58 s"),
        ("{% duration none %}", "not known"),
        ("{{ 3000|count }}", "3,000"),
        ("{{ 0.3373|percent }}", "33.7 %"),
        ("{{ 0.0001|plain }}", "0.0001"),
        ("{{ 64990000|size }}", "65.0 MB"),
        ("{{ none|decimal }}", "not known"),
        ("{{ state|tone }}", "na"),
    ],
)
def test_small_tags(source: str, expected: str) -> None:
    assert render(source, lim=samples.LIMIT, none=None, state="not assessed") == expected


def test_estimate_cell() -> None:
    html = render("{% estimate est %}", est=samples.SENSITIVITY)
    assert "33.7 %" in html
    assert "[30.4, 36.7]" in html
    assert "506 of 1,500" in html


@pytest.mark.parametrize("source", ["{% estimate est %}", '{% plumb est None "info" %}'])
def test_an_undefined_estimate_is_a_sentence(source: str) -> None:
    assert "not estimated: all scores are equal" in render(source, est=samples.UNDEFINED)


def test_finding_card() -> None:
    html = render(
        '{% finding_card f est check="Operating point" cases_url="/cases/" %}',
        f=samples.FINDING,
        est=samples.SENSITIVITY,
    )
    for part in ("find fail", samples.FINDING["claim"], "994 cases", "/cases/", "platform default"):
        assert str(part) in html
    assert "Action:" in html


def test_a_card_says_a_distance_and_its_limit_in_the_unit_of_the_estimate() -> None:
    apart = samples.estimate("hd95", 3.214, low=2.1, high=4.5, extra={"unit": "mm"})
    limit = samples.LIMIT | {"measure": "hd95", "value": 3.0, "direction": "max"}
    finding = samples.FINDING | {"measure": "hd95", "limit": limit}
    html = render("{% finding_card finding estimate %}", finding=finding, estimate=apart)
    assert '<div class="v">3.214 mm</div>' in html
    assert "limit ≤ 3 mm <span" in html


def test_the_table_of_limits_says_a_distance_in_the_unit_of_the_estimate() -> None:
    apart = samples.estimate("hd95", 3.214, low=2.1, high=4.5, extra={"unit": "mm"})
    limit = samples.LIMIT | {"measure": "hd95", "value": 3.0, "direction": "max"}
    row = {"name": "HD", "estimate": apart, "limit": limit, "state": "caution", "figure": "drawn"}
    html = render('{% include "reports/_endpoints.html" %}', page={"endpoints": [row]})
    assert '<span class="b">≤ 3 mm</span>' in html
    assert "<b>3.214 mm</b>" in html
    assert ">−0.214 mm<" in html


def test_a_finding_without_an_estimate_still_has_its_card() -> None:
    finding = samples.FINDING | {"limit": None, "state": "info", "cases": []}
    html = render("{% finding_card f %}", f=finding)
    assert samples.FINDING["claim"] in html
    assert "cases" not in html


def test_claims_are_escaped() -> None:
    html = render("{% finding_card f %}", f=samples.FINDING | {"claim": "<script>"})
    assert "<script>" not in html


def test_note_keeps_its_markup_and_escapes_values() -> None:
    html = render('{% note "caution" %}<b>{{ x }}</b>{% endnote %}', x="<i>")
    assert "<b>&lt;i&gt;</b>" in html
    assert "note caution" in html


def test_empty_state_has_one_button() -> None:
    html = render('{% empty_state "Nothing" action="Go" url="/x" %}Why.{% endempty_state %}')
    assert html.count("<a ") == 1


def test_hash_is_short_and_whole_on_copy() -> None:
    html = render('{% hash sha "sha256" %}', sha=SHA)
    assert ">sha256 64b551aa…5b35<" in html
    assert f'data-copy="{SHA}"' in html
    assert "not known" in render("{% hash none %}", none=None)


def test_dates_are_utc() -> None:
    moment = datetime(2026, 11, 23, 14, 7, tzinfo=UTC)
    assert "23 Nov 2026, 14:07 UTC" in render("{% when m %}", m=moment)
    assert ">23 Nov 2026<" in render("{% day m %}", m=moment)


def test_meter_never_rounds_up() -> None:
    assert 'aria-valuenow="99"' in render("{% meter 2999 3000 %}")
    assert 'aria-valuenow="0"' in render("{% meter 0 0 %}")


def test_shards_are_hidden_because_the_row_says_them() -> None:
    html = render("{% shards s %}", s=["done", "waiting"])
    assert 'aria-hidden="true"' in html
    assert html.count("<i ") == 2


def test_chart_has_its_table() -> None:
    html = render('{% chart s csv_url="/roc.csv" %}', s=samples.roc())
    assert "Table and CSV" in html
    assert "/roc.csv" in html
    assert html.count("<tr>") > 10


def test_paper_has_no_controls() -> None:
    html = render('{% chart s csv_url="/x" palette="print" %}', s=samples.roc())
    assert "details" not in html


def test_css_string_survives_quotes_of_an_escaped_text() -> None:
    html = render("{% filter css_string %}{{ x }}{% endfilter %}", x='a"b\\</style>')
    assert html == "&quot;a\\22 b\\5c \\3c /style\\3e &quot;"
