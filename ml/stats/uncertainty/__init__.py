"""Doubt, and what it is good for: decomposition, Gaussian scores, conformal sets, abstaining."""
