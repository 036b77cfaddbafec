import pytest


@pytest.fixture(autouse=True)
def _own_files():
    """Nothing here needs the portal: what every other test is prepared with is left out."""
