"""How far a corruption takes a picture, in one place for drawn and for real ones."""

from dataclasses import replace

import numpy as np

from ml.corruptions import pack
from ml.corruptions.modality import PACKS
from ml.corruptions.registry import SEVERITIES
from ml.zoo.pictures import drawn_picture

DRAWS = 5  # cases over which noise is averaged
CASES_OF_A_SHARE = 40
ALL = [one for name in PACKS for one in pack(name)]
# What counts in pixels, and is stated so: the pass resizes before it corrupts.
IN_PIXELS = {"gaussian-blur", "low-resolution", "photo-jpeg"}


def picture_for(one, height=224, width=None):
    """Drawn, of the corruption's modality; a photo in colour, all else grey."""
    return drawn_picture(one.pack, height, width)


def rmse(one, picture, severity, case):
    return float(np.sqrt(np.mean(np.square(one(picture, severity, case, 7) - picture))))


def distortions(one, picture, draws=DRAWS):
    """Root mean square change at each severity, averaged over cases."""
    count = CASES_OF_A_SHARE if one.parameter == "share of the cases" else draws
    return [
        float(np.mean([rmse(one, picture, severity, f"c{n}") for n in range(count)]))
        for severity in range(1, SEVERITIES + 1)
    ]


def reversals(one, picture, draws=DRAWS):
    """Severities at which the picture is changed less than at the one before."""
    away = [0.0, *distortions(one, picture, draws)]
    return [at for at in range(1, len(away)) if away[at] < away[at - 1] * (1 - 1e-9)]


def backwards(one):
    """A planted fault: the values of the parameter are taken in the wrong order."""
    turned = dict(zip(one.values, reversed(one.values), strict=True))
    return replace(one, apply=lambda p, value, numbers: one.apply(p, turned[value], numbers))
