"""Probabilities against what happened."""

from ml.conformance.answer import Answers

ANSWERS: Answers = {}
