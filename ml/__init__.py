"""The measuring part: evidence in, estimates and findings out. No server, no database."""
