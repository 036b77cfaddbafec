"""Whether a map says what moved the model, and where: measures of given maps and curves."""
