"""A refusal is a sentence, sometimes with a recipe on the lines below it."""

from django import template

register = template.Library()


@register.filter
def first_line(message: str) -> str:
    return message.partition("\n")[0]


@register.filter
def other_lines(message: str) -> str:
    return message.partition("\n")[2]
