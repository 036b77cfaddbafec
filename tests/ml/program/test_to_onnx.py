"""A program written as ONNX is run by onnxruntime to the plain walk's answer."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch.nn import functional

from ml.intake.pt2 import read_pt2
from ml.program.graph import Program
from ml.program.onnx_rules import RULES, NotWritten
from ml.program.operations import allowed
from ml.program.to_onnx import to_onnx
from ml.program.walk import Walker
from tests.ml.program.networks import exported, network
from tests.ml.program.test_walk import apart

WRITTEN = ("resnet18", "vit", "unet-2d", "segresnet", "dynunet")


def run(data: bytes, program: Program, cases: torch.Tensor) -> torch.Tensor:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options)
    (found,) = session.run([program.outputs[0]], {program.inputs[0].name: cases.numpy()})
    return torch.from_numpy(np.asarray(found))


def plain(program: Program, cases: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return Walker(program).run([cases])[program.outputs[0]]


@pytest.mark.parametrize("name", WRITTEN)
def test_the_answer_is_the_plain_walks_for_any_batch(name):
    net = network(name)
    program = read_pt2(net.path)
    data = to_onnx(program, [net.shape])

    onnx.checker.check_model(onnx.load_model_from_string(data), full_check=True)
    for n in (1, 5):
        cases = net.case(n)
        assert apart(run(data, program, cases), plain(program, cases)) <= 1e-5


def test_what_has_no_rule_is_named(tmp_path):
    program = read_pt2(exported(Rolled().eval(), (4,), tmp_path / "net.pt2"))
    with pytest.raises(NotWritten, match="roll is not written"):
        to_onnx(program, [(4,)])


class Rolled(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.roll(x, 1, 1)


def test_rules_are_of_operations_that_exist():
    assert set(RULES) <= set(allowed())


class Pictures(torch.nn.Module):
    """Layers of pictures with arguments that differ from their defaults, kinds told apart."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(2, 8, 3, stride=(1, 2), padding=(2, 1), dilation=(2, 1))
        self.grouped = torch.nn.Conv2d(8, 8, 3, padding=1, groups=4, bias=False)
        self.up = torch.nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, output_padding=1)
        self.group = torch.nn.GroupNorm(2, 8)
        self.bare = torch.nn.GroupNorm(4, 8, affine=False)
        self.instance = torch.nn.InstanceNorm2d(8, affine=True)
        self.stored = torch.nn.InstanceNorm2d(8, track_running_stats=True)
        self.norm = torch.nn.BatchNorm2d(8, affine=False)
        self.prelu = torch.nn.PReLU(8)
        with torch.no_grad():
            for part in (self.group, self.instance):
                part.weight.uniform_(0.5, 2)
                part.bias.uniform_(-1, 1)
            for part in (self.norm, self.stored):
                part.running_mean.normal_()
                part.running_var.uniform_(0.5, 2)
            self.prelu.weight.uniform_(0.1, 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        y = self.grouped(x)
        parts = [
            self.up(x), self.group(y), self.bare(y), self.instance(y), self.stored(y),
            self.norm(x.sigmoid()), self.prelu(y),
            functional.max_pool2d(x, 3, 2, padding=1, ceil_mode=True),
            functional.avg_pool2d(x, (3, 2), stride=(2, 1), padding=1, count_include_pad=False),
            functional.avg_pool2d(x, 3, padding=1),
            functional.adaptive_avg_pool2d(y, (6, 1)),
            functional.interpolate(y, scale_factor=2, mode="nearest"),
            functional.interpolate(y, scale_factor=2, mode="bilinear", align_corners=True),
            functional.interpolate(y, scale_factor=2, mode="bilinear"),
            functional.pad(y, (1, 2, 0, 3), value=0.25), y[:, 2:7:2, 1:, :-1],
            functional.hardswish(y), functional.hardsigmoid(y), functional.hardtanh(y, -0.2, 0.3),
            functional.relu6(9 * y), y.clamp(min=0.1), y.clamp(-0.1, 0.2), functional.mish(y),
            functional.silu(y), functional.gelu(y), functional.gelu(y, approximate="tanh"),
            functional.leaky_relu(y, 0.3), functional.elu(y, 0.7), 2 - y, y - 0.5 * x, y / 3,
            y / x.exp(), y.mean((1, 3), keepdim=True), torch.sqrt(x.exp()),
        ]  # fmt: skip
        return torch.cat([torch.tanh(part).flatten(1) for part in parts], 1)


class Rows(torch.nn.Module):
    """Layers of tokens: attention in every spelling, cutting and joining, spreading."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(6, 12)
        self.bare = torch.nn.Linear(12, 12, bias=False)
        self.norm = torch.nn.LayerNorm(12)
        self.plain = torch.nn.LayerNorm((5, 12), elementwise_affine=False)
        self.token = torch.nn.Parameter(torch.randn(1, 1, 12))
        with torch.no_grad():
            self.norm.weight.uniform_(0.5, 2)
            self.norm.bias.uniform_(-1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = torch.cat([self.token.expand(x.shape[0], -1, -1), self.inner(x[:, 0])], 1)
        heads = self.norm(rows).reshape(x.shape[0], 5, 3, 4).permute(2, 0, 1, 3)
        query, key, value = heads.unbind(0)
        mask = torch.tanh(query @ key.transpose(1, 2))
        seen = functional.scaled_dot_product_attention(query, key, value)
        masked = functional.scaled_dot_product_attention(
            query[:, None], key[:, None], value[:, None], attn_mask=mask[:, None], scale=0.3
        ).squeeze(1)
        spelt = torch.einsum("bij,bjk->bik", torch.softmax(mask, 1), value)
        left, right = self.plain(self.bare(rows)).split([5, 7], 2)
        halves = rows.chunk(2, -1)
        return torch.cat(
            [seen.flatten(1), 2 * masked.flatten(1), 3 * spelt.flatten(1), left.flatten(1),
             right[:, -1], halves[0][:, 1] - halves[1][:, 2], rows.mean(1)], 1,
        )  # fmt: skip


@pytest.mark.parametrize(("module", "shape"), [(Pictures, (2, 12, 18)), (Rows, (1, 4, 6))])
def test_arguments_reach_onnx(module, shape, tmp_path):
    torch.manual_seed(5)
    net = module().eval()
    program, cases = read_pt2(exported(net, shape, tmp_path / "net.pt2")), torch.randn(3, *shape)

    found = run(to_onnx(program, [shape]), program, cases)

    with torch.no_grad():
        assert apart(found, net(cases)) <= 1e-5


class Crossed(torch.nn.Module):
    """Grows with the batch along two axes, which no constant shape could say."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, None].expand(-1, x.shape[0], -1).reshape(x.shape[0], x.shape[0], 2, -1)


class Mirrored(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(x, (1, 1), mode="reflect")


class Weighted(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.add(x, x.exp(), alpha=2)


@pytest.mark.parametrize(
    ("module", "said"),
    [(Crossed, "several axes"), (Mirrored, "pad with mode"), (Weighted, "add.Tensor with alpha")],
)
def test_what_a_rule_does_not_know_is_not_guessed(module, said, tmp_path):
    program = read_pt2(exported(module().eval(), (4,), tmp_path / "net.pt2"))
    with pytest.raises(NotWritten, match=said):
        to_onnx(program, [(4,)])
