"""The checks: what an audit asks, and how it answers in words."""
