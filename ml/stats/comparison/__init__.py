"""Two or more methods on the same cases, and many p-values at once."""
