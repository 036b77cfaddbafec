"""Samples that are further apart where the model is wrong."""

import numpy as np


def wavering(rng, n=120, t=30):
    """Cases of growing spread between samples; the wider, the more often wrong."""
    spread = np.linspace(0.01, 0.45, n)
    present = rng.integers(0, 2, n)
    wrong = rng.random(n) < spread
    centre = np.where(present ^ wrong, 0.5 + 0.9 * (0.5 - spread), 0.5 - 0.9 * (0.5 - spread))
    noise = rng.uniform(-1, 1, (t, n)) * spread
    return np.clip(centre + noise, 0.001, 0.999), present
