"""How a case and its copies without a region are called. Nothing here loads torch."""

from ml.evidence.orders import BLUR, MEAN

AS_IT_IS = "as it is"
FILLED = (MEAN, BLUR)  # by what a region is replaced
ELSEWHERE = " elsewhere"  # after the name of a change: the same of another place of the same size
VERSIONS = (AS_IT_IS, *FILLED, *(one + ELSEWHERE for one in FILLED))
