"""A refusal is a sentence, sometimes with a recipe on the lines below it."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import template

register = template.Library()


@register.filter
def first_line(message: str) -> str:
    return message.partition("\n")[0]


@register.filter
def recipes(refusals: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each recipe once, however many refusals carry it."""
    found = (str(refusal["message"]).partition("\n")[2] for refusal in refusals)
    return list(dict.fromkeys(recipe for recipe in found if recipe))
