"""Maps and curves of explanations."""

from ml.conformance.answer import Answers

ANSWERS: Answers = {}
