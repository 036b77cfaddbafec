"""The data of Van Dyke et al. (1993), read where they lie."""

import csv

import pytest

from ml.stats.mrmc.study import MrmcStudy
from tests.ml.stats.conftest import REFDATA


@pytest.fixture
def vandyke() -> MrmcStudy:
    path = REFDATA / "mrmc-vandyke.csv"
    if not path.exists():
        pytest.skip(f"reference data is not beside this repository: {path}")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return MrmcStudy.of(
        columns["treatment"], columns["reader"], columns["case"],
        [float(text) for text in columns["rating"]], [int(text) for text in columns["truth"]],
        higher_means="present",
    )  # fmt: skip
