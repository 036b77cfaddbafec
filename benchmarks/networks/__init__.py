"""Which networks come in, by which format, and how far their numbers are from the module's own."""
