"""Groups side by side, and what a decision is worth."""

from ml.conformance.answer import Answers

ANSWERS: Answers = {}
