"""The page of formats names every operation that a graph may consist of."""

import re

from ml.program.operations import allowed


def test_the_page_lists_every_allowed_operation(repo_root):
    page = (repo_root / "docs" / "formats.md").read_text()
    listed = set(re.findall(r"`(\w+)`", page.partition("## Operations")[2]))

    assert listed - {"relu_", "pt2"} == {operation.base for operation in allowed().values()}
