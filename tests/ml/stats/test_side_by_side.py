import threading
import time

import pytest

from ml.stats.side_by_side import side_by_side


def test_results_keep_their_order():
    assert side_by_side(lambda x: x * 2, 3, 4) == (6, 8)


def test_the_slower_is_waited_for():
    def work(seconds):
        time.sleep(seconds)
        return seconds

    assert side_by_side(work, 0.1, 0.0) == (0.1, 0.0)


def test_the_first_is_worked_on_beside_this_thread():
    here = threading.get_ident()
    first, second = side_by_side(lambda _: threading.get_ident(), 1, 2)
    assert (first != here, second == here) == (True, True)


@pytest.mark.parametrize("pair", [(0, 1), (1, 0)])
def test_what_either_raises_reaches_the_caller(pair):
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda x: 1 / x, *pair)
