"""Errors under corruption."""

from ml.conformance.answer import Answers

ANSWERS: Answers = {}
