"""A region of a case taken out by hand: the question, its answers, and what to ask a next audit.

None of it is part of the report: it is one case and one region, chosen by who looked.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from ml.engine.plan import takes_pictures
from ml.engine.region_form import AS_IT_IS, ELSEWHERE
from ml.evidence.orders import BLUR, MEAN
from portal.audits.models import Audit
from portal.leases import FINAL
from portal.reports.doors import Door
from portal.reports.explore import log_odds
from portal.reports.frozen import Case, Frozen, display_sha256
from portal.reports.gallery import score_text
from portal.seen.access import explorations_of
from portal.seen.models import Exploration
from portal.ui import numbers

MOST_SHOWN = 20
_WHOLE = 100.0  # sides are given in hundredths of the picture
_SLACK = 1e-9
_FILLED = {MEAN: "by the picture’s mean", BLUR: "by a blur of the picture"}
_FIRST = {"name": "region", "top": 40, "left": 40, "height": 20, "width": 20}
_APART = 1e-3  # of two runs of one model, beyond which something is another


def _side(words: str) -> forms.FloatField:
    return forms.FloatField(label=words, min_value=0, max_value=_WHOLE)


class RegionForm(forms.Form):
    """Sides in hundredths of the picture that the model takes, and so of the image."""

    top, left = _side("Top, %"), _side("Left, %")
    height, width = _side("Height, %"), _side("Width, %")
    name = forms.CharField(max_length=60, label="Name", required=False)

    def clean(self) -> dict[str, Any]:
        given = dict(super().clean() or self.cleaned_data)
        sides = [given.get(name) for name in ("top", "left", "height", "width")]
        known = [one for one in sides if one is not None]
        if len(known) < len(sides):
            return given  # each field says what is wrong with it
        top, left, height, width = known
        if min(height, width) <= 0:
            raise ValidationError("The region is empty: height and width must be above 0.")
        if max(top + height, left + width) > _WHOLE + _SLACK:
            raise ValidationError(
                "The region reaches beyond the picture: top and height together, and left and "
                "width, are at most 100."
            )
        if min(height, width) >= _WHOLE:
            raise ValidationError(
                "The region is the whole picture: nothing would be left to answer about."
            )
        return given

    @property
    def box(self) -> tuple[float, float, float, float]:
        """As shares of the picture."""
        top, left, height, width = (
            round(self.cleaned_data[name] / _WHOLE, 4)
            for name in ("top", "left", "height", "width")
        )
        return top, left, height, width


@dataclass(frozen=True)
class Line:
    """One replacement: what the answer becomes, and what it becomes by the same elsewhere."""

    how: str
    before: str
    after: str
    moved: str  # both in log-odds, which tell apart what lies near 0 or 1
    word: str  # whether the answer turns; "" without a threshold
    turns: bool
    elsewhere: str


@dataclass(frozen=True)
class Tried:
    """One region that somebody asked about."""

    row: Exploration
    sides: list[str]  # top, left, height, width, in hundredths
    lines: list[Line] = field(default_factory=list)
    differs: str = ""  # from the sealed score, where it does
    hypothesis: str = ""  # what a protocol would say of it


@dataclass(frozen=True)
class Panel:
    url: str
    form: RegionForm
    image_url: str
    width: int
    height: int
    tried: list[Tried]
    n_more: int  # that are not shown

    @property
    def is_open(self) -> bool:
        return any(one.row.state not in FINAL for one in self.tried)


def offers(frozen: Frozen, audit: Audit, case: Case) -> bool:
    """Whether the model can be asked about regions of a case here.

    Not of volumes, of networks that mark, or of models behind an address, which would be sent
    changed pictures that nobody agreed to.
    """
    version = audit.model_version
    return (
        version is not None
        and not case.cohort
        and bool(case.images)
        and not frozen.of_masks
        and version.format != "endpoint"
        and takes_pictures(version.manifest)
    )


def of(
    frozen: Frozen, door: Door, audit: Audit, case: Case, form: RegionForm | None = None
) -> Panel | None:
    """None where there is nothing to ask, or through a link."""
    url = door.regions(case.case_id)
    if not url or not offers(frozen, audit, case):
        return None
    image = case.images[0]
    picture = display_sha256(image)
    rows = explorations_of(audit, case.case_id)
    return Panel(
        url=url,
        form=form or RegionForm(initial=_FIRST),
        image_url=door.image(picture) if picture else "",
        width=image.get("width") or 100,
        height=image.get("height") or 100,
        tried=[_tried(frozen, case, row) for row in rows[:MOST_SHOWN]],
        n_more=max(0, rows.count() - MOST_SHOWN),
    )


def _tried(frozen: Frozen, case: Case, row: Exploration) -> Tried:
    sides = [f"{round(_WHOLE * one, 2):g}" for one in row.box]
    scores = row.answers.get("scores")
    if not scores:
        return Tried(row, sides)
    before = scores.get(AS_IT_IS)
    differs = ""
    if before is not None and case.score is not None and abs(before - case.score) > _APART:
        differs = f"The report has {score_text(case.score)} of this case: it was run otherwise."
    return Tried(
        row,
        sides,
        [_line(frozen, before, scores, how) for how in _FILLED],
        differs,
        _hypothesis(row),
    )


def _line(frozen: Frozen, before: float | None, scores: dict[str, float | None], how: str) -> Line:
    after, other = scores.get(how), scores.get(how + ELSEWHERE)
    word, turns = "", False
    if frozen.threshold is not None and before is not None and after is not None:
        turns = (before >= frozen.threshold) != (after >= frozen.threshold)
        word = "the answer turns" if turns else "the answer stays"
    return Line(
        how=_FILLED[how],
        before=score_text(before) or "no finite answer",
        after=score_text(after) or "no finite answer",
        moved=_odds_text(before, after),
        word=word,
        turns=turns,
        elsewhere=score_text(other) or ("no room" if how + ELSEWHERE not in scores else "none"),
    )


def _odds_text(before: float | None, after: float | None) -> str:
    first, second = log_odds(before), log_odds(after)
    if first is None or second is None:
        return ""
    return f"{numbers.decimal(first, 1)} → {numbers.decimal(second, 1)}"


def _hypothesis(row: Exploration) -> str:
    """The key of a protocol that has the next audit try the region on many cases."""
    box = ", ".join(f"{one:g}" for one in row.box)
    name = json.dumps(row.name, ensure_ascii=False)  # a YAML string too
    return f"shortcut_regions:\n  - name: {name}\n    box: [{box}]"
