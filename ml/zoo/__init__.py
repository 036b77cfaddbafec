"""Small networks and data made up by us, for tests and benchmarks; always marked as simulated."""
