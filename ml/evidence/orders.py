"""The orders in which the perturb pass takes parts of pictures away."""

MORF, LERF = "morf", "lerf"  # most, least relevant first
ORDERS = (MORF, LERF)
MAP, RANDOM, CENTRE, EDGES = "map", "random", "centre", "edges"  # what ranks positions
RANKINGS = (MAP, RANDOM, CENTRE, EDGES)


def order_named(ranking: str, order: str) -> str:
    """How the rows of the perturb pass call an order.

    Example:
        >>> order_named("map", "morf"), order_named("random", "lerf")
        ('morf', 'random lerf')
    """
    return order if ranking == MAP else f"{ranking} {order}"


def ranking_of(order: str) -> str:
    """What ranks the positions in an order: the other way round of :func:`order_named`.

    Example:
        >>> ranking_of("morf"), ranking_of("random lerf")
        ('map', 'random')
    """
    return MAP if order in ORDERS else order.rpartition(" ")[0]
