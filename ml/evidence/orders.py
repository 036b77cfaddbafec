"""The orders in which the perturb pass takes parts of pictures away."""

MORF, LERF = "morf", "lerf"  # most, least relevant first
ORDERS = (MORF, LERF)
MAP, RANDOM, CENTRE, EDGES = "map", "random", "centre", "edges"  # what ranks positions
RANKINGS = (MAP, RANDOM, CENTRE, EDGES)
MEAN, BLUR, LINEAR = "mean", "blur", "noisy-linear"  # what takes the place of positions
BLIND = (RANDOM, CENTRE, EDGES)  # that know nothing of the network
_SUBSET = "subset-"


def order_named(ranking: str, order: str) -> str:
    """How the rows of the perturb pass call an order.

    Example:
        >>> order_named("map", "morf"), order_named("random", "lerf")
        ('morf', 'random lerf')
    """
    return order if ranking == MAP else f"{ranking} {order}"


def subset_named(percent: int) -> str:
    """How the rows of random subsets of one size call their order.

    Example:
        >>> subset_named(20), order_named("random", subset_named(20))
        ('subset-20', 'random subset-20')
    """
    return f"{_SUBSET}{percent}"


def size_of_subset(order: str) -> int | None:
    """The percentage of patches that a row takes away; None for an order of a curve.

    Example:
        >>> size_of_subset("random subset-20"), size_of_subset("morf")
        (20, None)
    """
    name = order.rpartition(" ")[2]
    return int(name.removeprefix(_SUBSET)) if name.startswith(_SUBSET) else None


def ranking_of(order: str) -> str:
    """What ranks the positions of a row.

    Example:
        >>> ranking_of("morf"), ranking_of("random subset-20")
        ('map', 'random')
    """
    return order.rpartition(" ")[0] or MAP
