"""Masks against masks."""

from ml.conformance.answer import Answers

ANSWERS: Answers = {}
