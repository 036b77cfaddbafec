import pytest

from ml.stats.side_by_side import side_by_side


def test_results_keep_their_order():
    assert side_by_side(lambda x: x * 2, 3, 4) == (6, 8)


@pytest.mark.parametrize("pair", [(0, 1), (1, 0)])
def test_what_either_raises_reaches_the_caller(pair):
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda x: 1 / x, *pair)
