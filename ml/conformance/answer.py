"""What an answer is: a measure of ours, asked for one reference value."""

from collections.abc import Callable, Mapping
from typing import Any

from ml.conformance.cases import Case, Params

# From a case and the params of one expected value to our answer: a number, list, object, or None
# where it is undefined. Thin: it reads the input, calls a public measure and picks a field.
Answer = Callable[[Case, Params], Any]
Answers = Mapping[str, Answer]  # by metric


class NotOffered(Exception):
    """Raised by an answer for params (a convention) that our measures do not have."""
