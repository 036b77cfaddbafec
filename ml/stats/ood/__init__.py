"""How foreign an input is to the training data, and whether two samples differ."""
