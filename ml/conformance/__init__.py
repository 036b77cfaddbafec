"""Reference values of other people, recomputed by our own measures, value by value."""
