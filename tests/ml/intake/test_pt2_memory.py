"""Writes into tensors and views of them: what is read afterwards is what torch itself reads."""

import json
import warnings
import zipfile

import pytest
import torch

from ml.intake.pt2 import read_pt2
from ml.intake.refusal import Refused
from ml.program.walk import Walker


def into_a_slice(x):
    y = x * 2
    y[:, 0] = 1.0
    y[:, 1:3] += x[:, :2]
    return y.sum(2), y


def through_a_view_taken_before(x):
    y = x * 2
    row, rest = y[:, 0], y[:, 1:]
    y.add_(1)  # row and rest see it
    rest.mul_(3)  # y sees it
    return row + y[:, -1], y, rest


def through_views_of_views(x):
    y = x + 0
    y.transpose(1, 2)[:, 1:4].unsqueeze(1)[:, 0, 2].neg_()
    y.permute(2, 0, 1)[0].fill_(7.0)
    return y


def through_another_shape(x):
    y = x * 1
    flat = y.view(x.shape[0] * 2, -1)
    flat.mul_(2)
    y.unsqueeze(0).squeeze(0)[:, 1].zero_()
    return y, flat


def every_row_by_itself(x):
    y = x * 1
    for at, row in enumerate(y.unbind(1)):
        row.add_(at)
    return y


def in_pieces(x):
    first, second = (x * 2).chunk(2, 1)
    a, b, c = x.split([1, 2, 3], 2)
    return first - second, a + b[..., :1] + c[..., :1]


def where_a_mask_says(x):
    y = x * 1
    y[x > 0.5] = 0.0
    y[:, [0, 2]] = x[:, [1, 3]]
    return y


def a_copy_of_one_row_and_another_type(x):
    y = torch.zeros_like(x)
    y[:, 1] = x[0, 0].double()
    y[:, 2].copy_(x[:, 3])
    return y


def twice_in_place(x):
    y = (x * 2).relu_()
    z = y.add_(1)
    return z.mul_(3), y


def of_a_reshaped_tensor_nobody_reads_again(x):
    return (x * 2).permute(0, 2, 1).reshape(x.shape[0], -1).relu_()


WRITES = [
    into_a_slice, through_a_view_taken_before, through_views_of_views, through_another_shape,
    every_row_by_itself, in_pieces, where_a_mask_says, a_copy_of_one_row_and_another_type,
    twice_in_place, of_a_reshaped_tensor_nobody_reads_again,
]  # fmt: skip


NO_GRADIENT = {every_row_by_itself, twice_in_place}  # torch's own refuses: the values alone


class Module(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def exported(function, path):
    batch = ({0: torch.export.Dim("batch")},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        program = torch.export.export(Module(function), (torch.zeros(2, 4, 6),),
                                      dynamic_shapes=batch)  # fmt: skip
        torch.export.save(program, path)
    return path


def answers(found):
    return list(found) if isinstance(found, tuple) else [found]


@pytest.mark.parametrize("function", WRITES)
def test_values_and_gradients_are_torchs(function, tmp_path):
    program = read_pt2(exported(function, tmp_path / "m.pt2"))
    ours, theirs = (torch.randn(3, 4, 6, generator=torch.manual_seed(3)) for _ in range(2))
    ours.requires_grad_(function not in NO_GRADIENT)
    theirs.requires_grad_(function not in NO_GRADIENT)

    found = Walker(program).run([ours])
    expected = answers(function(theirs))
    for name, one in zip(program.outputs, expected, strict=True):
        assert torch.equal(found[name], one)
    if function in NO_GRADIENT:
        return
    sum(found[name].square().sum() for name in program.outputs).backward()
    sum(one.square().sum() for one in expected).backward()
    assert torch.allclose(ours.grad, theirs.grad)


def test_a_change_that_cannot_be_followed_is_refused(tmp_path):
    """Whether reshape copies depends on how the tensor lies in memory: nothing is guessed."""

    def forward(x):
        y = x * 2
        y.reshape(x.shape[0], -1).add_(1)
        return y

    with pytest.raises(Refused) as caught:
        read_pt2(exported(forward, tmp_path / "m.pt2"))

    assert caught.value.refusals[0].code == "custom_op"
    assert "x = x + y" in caught.value.refusals[0].message


def alias(name, of):
    return {
        "target": "torch.ops.aten.alias.default", "metadata": {},
        "inputs": [{"name": "self", "arg": {"as_tensor": {"name": of}}, "kind": 1}],
        "outputs": [{"as_tensor": {"name": name}}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("nodes", "code"),
    [
        ([alias("a", "a")], "model_corrupt"),
        ([alias("a", "b"), alias("b", "a")], "model_corrupt"),
        ([alias("a", "x"), alias("a", "x")], "model_corrupt"),
        ([alias("x", "x")], "model_corrupt"),
        ([alias("v0", "x"), *(alias(f"v{n}", f"v{n - 1}") for n in range(1, 500))], "model_limit"),
    ],
)
def test_views_in_a_circle_or_too_deep_are_refused(nodes, code, tmp_path):
    path = exported(into_a_slice, tmp_path / "m.pt2")
    with zipfile.ZipFile(path) as opened:
        files = {info.filename: opened.read(info) for info in opened.infolist()}
    name = next(name for name in files if name.endswith("models/model.json"))
    model = json.loads(files[name])
    model["graph_module"]["graph"]["nodes"][:0] = nodes
    files[name] = json.dumps(model).encode()
    with zipfile.ZipFile(path, "w") as opened:
        for member, data in files.items():
            opened.writestr(member, data)

    with pytest.raises(Refused) as caught:
        read_pt2(path)

    assert caught.value.refusals[0].code == code
