"""How often intervals hold the truth, by simulation: what an interval's level is worth."""
