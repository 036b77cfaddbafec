"""How well a score, or an answer, tells cases with the finding from cases without."""
