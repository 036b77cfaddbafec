"""Answers on nominal and ordinal scales: kappas, alpha, AC1, symmetry of tables."""

from ml.conformance.answer import Answers

ANSWERS: Answers = {}
