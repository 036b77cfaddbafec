"""Foreign inputs, and shift between two samples."""

from ml.conformance.answer import Answers

ANSWERS: Answers = {}
