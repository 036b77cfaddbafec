"""Reading what a user hands in: a model, a cohort or predictions, as a folder or a zip of it."""
