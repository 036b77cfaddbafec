"""Doubt, and what it is good for: decomposition, conformal sets, selective prediction."""

from ml.conformance.answer import Answers

ANSWERS: Answers = {}
