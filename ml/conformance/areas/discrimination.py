"""Scores and calls against the truth."""

from ml.conformance.answer import Answers

ANSWERS: Answers = {}
