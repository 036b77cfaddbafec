"""Several readers, several modalities, the same cases."""

from ml.conformance.answer import Answers

ANSWERS: Answers = {}
