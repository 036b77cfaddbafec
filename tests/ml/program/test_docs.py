"""The page of formats names every operation that a graph may consist of."""

import re
import warnings

import pytest
import torch

import ml.intake.onnx_program  # noqa: F401  (enters the readers of operators)
from ml.intake.architectures import TABLE
from ml.intake.formats import HOW_TO_EXPORT
from ml.intake.onnx_program_step import HANDLERS
from ml.intake.program_card import describe_program
from ml.intake.pt2 import read_pt2
from ml.program.operations import allowed
from ml.program.walk import Walker


def test_the_page_lists_every_allowed_operation(repo_root):
    page = (repo_root / "docs" / "formats.md").read_text()
    listed = set(re.findall(r"`(\w+)`", page.partition("## Operations")[2]))

    assert listed - {"relu_", "pt2"} == {operation.base for operation in allowed().values()}


def test_the_page_lists_every_onnx_operator_that_is_taken_over(repo_root):
    page = (repo_root / "docs" / "formats.md").read_text()
    listed = page.partition("These operators are taken over:")[2].partition("## ")[0]

    assert set(re.findall(r"`(\w+)`", listed)) == set(HANDLERS)


def test_the_page_lists_every_network_that_is_built_by_name(repo_root):
    page = (repo_root / "docs" / "formats.md").read_text()

    assert set(re.findall(r"`(monai\.\w+)`", page)) == set(TABLE)


class Residual(torch.nn.Module):
    """Reads a tensor before and after it is dropped from, as VNet does."""

    def __init__(self):
        super().__init__()
        self.conv, self.dropout = torch.nn.Conv2d(3, 3, 1), torch.nn.Dropout2d(0.5)

    def forward(self, x):
        x = self.conv(x)
        return self.dropout(x) + x


@pytest.mark.parametrize("source", ["page", "refusal"])
def test_the_lines_that_export_a_network_export_its_dropout_as_it_is(
    source, repo_root, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    page = (repo_root / "docs" / "formats.md").read_text()
    lines = re.search(r"```python\n(.+?)```", page, re.DOTALL)[1]
    code = lines if source == "page" else HOW_TO_EXPORT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        exec(code.replace("224, 224", "4, 4"), {"model": Residual(), "torch": torch})

    program = read_pt2(tmp_path / "model.pt2")

    assert describe_program(program)["notes"] == []
    (dropout,) = program.dropouts
    add = program.nodes[-1]
    assert len(set(add.uses)) == 2, "the residual reads what was dropped from"
    assert dropout.name in add.uses


def test_without_them_the_residual_reads_what_was_dropped_from_and_the_card_says_so(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        exported = torch.export.export(Residual().eval(), (torch.zeros(2, 3, 4, 4),))
        torch.export.save(exported, tmp_path / "model.pt2")

    program = read_pt2(tmp_path / "model.pt2")

    assert program.nodes[-1].uses == (program.dropouts[0].name,)
    (note,) = describe_program(program)["notes"]
    assert "evaluation mode" in note


def test_the_lines_for_monai_lead_to_a_file_that_is_read(repo_root, tmp_path, monkeypatch):
    """The network of the page, made small; then the lines of `pt2`, as the page says."""
    from monai.networks.nets import DenseNet

    monkeypatch.chdir(tmp_path)
    page = (repo_root / "docs" / "formats.md").read_text()
    small = "init_features=8, growth_rate=4, block_config=(2, 2), "
    monai = re.search(r"\*\*MONAI\*\*\n\n```python\n(.+?)```", page, re.DOTALL)[1]
    monai = monai.replace("DenseNet121", "DenseNet").replace("DenseNet(", f"DenseNet({small}")
    arguments = {"init_features": 8, "growth_rate": 4, "block_config": (2, 2), "dropout_prob": 0.2}
    own = DenseNet(spatial_dims=2, in_channels=1, out_channels=2, **arguments)
    torch.save(own.state_dict(), tmp_path / "model.pt")
    lines = re.search(r"```python\n(.+?)```", page, re.DOTALL)[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        exec(monai + lines.replace("3, 224, 224", "1, 32, 32"), {"torch": torch})

    program = read_pt2(tmp_path / "model.pt2")

    assert len(program.dropouts) == 4
    case = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        found = Walker(program).run([case])[program.outputs[0]]
        assert torch.allclose(found, own.eval()(case), atol=1e-5)
