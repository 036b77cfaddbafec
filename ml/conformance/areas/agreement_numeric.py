"""Answers that are numbers: ICC, Bland-Altman, concordance, W."""

from ml.conformance.answer import Answers

ANSWERS: Answers = {}
