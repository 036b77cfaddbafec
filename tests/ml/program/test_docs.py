"""The page of formats names every operation that a graph may consist of."""

import re

import ml.intake.onnx_program  # noqa: F401  (enters the readers of operators)
from ml.intake.onnx_program_step import HANDLERS
from ml.program.operations import allowed


def test_the_page_lists_every_allowed_operation(repo_root):
    page = (repo_root / "docs" / "formats.md").read_text()
    listed = set(re.findall(r"`(\w+)`", page.partition("## Operations")[2]))

    assert listed - {"relu_", "pt2"} == {operation.base for operation in allowed().values()}


def test_the_page_lists_every_onnx_operator_that_is_taken_over(repo_root):
    page = (repo_root / "docs" / "formats.md").read_text()
    listed = page.partition("These operators are taken over:")[2].partition("## ")[0]

    assert set(re.findall(r"`(\w+)`", listed)) == set(HANDLERS)
