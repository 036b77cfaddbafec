import numpy as np
import pytest

from ml.stats.uncertainty.conformal import coverage, coverage_by


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_without_a_column_is_refused(label):
    members, labels = np.array([[True, False], [False, True]]), np.array([0, label])
    with pytest.raises(ValueError, match=r"0\.\.1"):
        coverage(members, labels)
    with pytest.raises(ValueError, match=r"0\.\.1"):
        coverage_by(members, labels, np.array([0, 0]))
