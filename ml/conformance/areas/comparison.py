"""Paired and stratified comparisons, and many p-values at once."""

from ml.conformance.answer import Answers

ANSWERS: Answers = {}
