"""Measures: pure functions of arrays, one per file, each with its interval and its source."""
