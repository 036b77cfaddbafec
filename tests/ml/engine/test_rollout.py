"""Attention rollout is what its paper says, of attention that is found in the graph."""

from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from ml.engine.explain import Explainer
from ml.engine.rollout import Rollout
from ml.engine.session import ModelError
from ml.intake.onnx_graph import read_graph
from ml.intake.onnx_program import read_onnx_program
from ml.intake.pt2 import read_pt2
from ml.program.attention import attentions
from ml.program.cut import only_needed
from ml.program.to_onnx import to_onnx
from tests.ml.engine.small import small
from tests.ml.engine.test_features import manifest_of
from tests.ml.program.networks import exported, network

TOKENS, WIDTH, HEADS = 4, 8, 2


def by_hand(layers, read, skipped):
    """The paper's formula, in numpy, of (heads, tokens, tokens) for each layer."""
    total = np.eye(layers[0].shape[-1])
    for heads in layers:
        layer = 0.5 * heads.mean(axis=0) + 0.5 * np.eye(heads.shape[-1])
        total = (layer / layer.sum(axis=1, keepdims=True)) @ total
    return total[read].mean(axis=0)[skipped:]


def test_of_a_vision_transformer_the_class_token_is_followed_to_the_patches():
    net = small("vit")
    cases = net.case(3)
    explainer = Explainer(read_pt2(net.path), manifest_of("vit"), method="attention-rollout")
    found = explainer.maps(cases.numpy())

    blocks = [block.attn for block in net.module.blocks]
    for attention in blocks:
        attention.save_attn = True
    try:
        with torch.no_grad():
            answer = net.answer(cases)
    finally:
        for attention in blocks:
            attention.save_attn = False
    assert found.maps.shape == (3, 4, 4)
    for at in range(3):
        layers = [attention.att_mat[at].numpy() for attention in blocks]
        assert found.maps[at].ravel() == pytest.approx(by_hand(layers, [0], 1), abs=1e-6)
    expected = answer[:, 1] - answer[:, [0, 2]].logsumexp(1)  # log-odds against the others
    assert found.score == pytest.approx(expected.numpy(), abs=1e-5)
    rollout = explainer.rollout
    assert (rollout.skipped, rollout.read.tolist()) == (1, [True] + [False] * 16)
    assert (found.maps.sum((1, 2)) < 1).all()
    assert found.maps.min() > 0


class Attending(torch.nn.Module):
    """Four patches, two layers of attention as ``how`` says it, the mean of the tokens read."""

    def __init__(self, how, read=slice(None)):
        super().__init__()
        torch.manual_seed(5)
        self.how, self.read, self.kept = how, read, []
        self.patches = torch.nn.Conv2d(1, WIDTH, 4, stride=4)
        self.mixed = torch.nn.ModuleList(torch.nn.Linear(WIDTH, 3 * WIDTH) for _ in range(2))
        self.head = torch.nn.Linear(WIDTH, 2)
        self.own = torch.nn.Parameter(9 * torch.eye(TOKENS), requires_grad=False)
        self.mask = torch.nn.Parameter(torch.randn(TOKENS, TOKENS), requires_grad=False)

    def forward(self, image):
        tokens = self.patches(image).flatten(2).transpose(1, 2)
        for mixed in self.mixed:
            parts = mixed(tokens).reshape(-1, TOKENS, 3, HEADS, WIDTH // HEADS)
            query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
            found = self.attended(query * 3, key, value)
            tokens = tokens + found.transpose(1, 2).reshape(-1, TOKENS, WIDTH)
        return self.head(tokens[:, self.read].mean(1))

    def seen(self):
        return self.mask + self.own >= 0

    def attended(self, query, key, value):
        scores = query @ key.transpose(-1, -2) / (WIDTH // HEADS) ** 0.5
        barred = torch.ones(TOKENS, TOKENS, dtype=torch.bool).triu(1)
        if self.how == "causal":
            scores = scores.masked_fill(barred, -torch.inf)
        elif self.how == "mask":
            scores = scores + self.mask
        elif self.how == "barred":
            scores = scores.masked_fill(self.mask + self.own < 0, -torch.inf)
        elif self.how == "scale":
            scores = scores * 0.7 * (WIDTH // HEADS) ** 0.5
        shares = torch.softmax(scores, -1)
        if not torch.compiler.is_exporting():
            self.kept.append(shares)
            return shares @ value
        given = {
            "causal": {"is_causal": True},
            "mask": {"attn_mask": self.mask},
            "barred": {"attn_mask": self.seen()},
            "scale": {"scale": 0.7},
            "torch": {},
        }
        if self.how in given:
            return scaled_dot_product_attention(query, key, value, **given[self.how])
        if self.how == "heads in the batch":
            flat = shares.reshape(-1, TOKENS, TOKENS)
            return torch.bmm(
                torch.softmax(torch.log(flat), -1), value.reshape(-1, TOKENS, WIDTH // HEADS)
            ).reshape(value.shape)
        return torch.nn.functional.dropout(shares, 0.1, self.training) @ value


def program_of(module):
    path = Path(mkdtemp(prefix="plumbline-attending-")) / "m.pt2"
    return read_pt2(exported(module.eval(), (1, 8, 8), path))


@pytest.mark.parametrize(
    "how", ["torch", "causal", "mask", "barred", "scale", "heads in the batch", "softmax"]
)
def test_attention_is_found_however_it_is_written(how):
    module = Attending(how)
    program = program_of(module)
    rollout = Rollout(program, [(1, 8, 8)], program.outputs[0])
    cases = torch.randn((3, 1, 8, 8), generator=torch.Generator().manual_seed(6))
    module.kept.clear()
    with torch.no_grad():
        module(cases)

    found = rollout.of(cases).numpy()
    assert (rollout.sides, rollout.skipped, rollout.read.tolist()) == ((2, 2), 0, [True] * 4)
    assert [one.whole for one in rollout.sites] == [
        how not in ("softmax", "heads in the batch")
    ] * 2
    for at in range(3):
        layers = [one[at].double().numpy() for one in module.kept]
        assert found[at].ravel() == pytest.approx(by_hand(layers, slice(None), 0), abs=1e-6)
    assert found.sum((1, 2)) == pytest.approx(1)
    assert np.ptp(found) > 0.05


def test_the_tokens_that_are_read_are_told_by_the_gradient():
    module = Attending("torch", read=slice(1, 3))
    program = program_of(module)
    rollout = Rollout(program, [(1, 8, 8)], program.outputs[0])
    cases = torch.randn((2, 1, 8, 8), generator=torch.Generator().manual_seed(6))
    module.kept.clear()
    with torch.no_grad():
        module(cases)

    assert rollout.read.tolist() == [False, True, True, False]
    expected = by_hand([one[1].double().numpy() for one in module.kept], [1, 2], 0)
    assert rollout.of(cases)[1].numpy().ravel() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("how", ["torch", "softmax"])
def test_attention_is_found_in_an_onnx_file_too(how):
    program = program_of(Attending(how))
    data = to_onnx(only_needed(program), [(1, 8, 8)])
    read = read_onnx_program(read_graph(data, "model.onnx"), "model.onnx")
    cases = torch.randn((2, 1, 8, 8), generator=torch.Generator().manual_seed(6))
    ours, theirs = (Rollout(one, [(1, 8, 8)], one.outputs[0]).of(cases) for one in (program, read))

    assert ours.numpy() == pytest.approx(theirs.numpy(), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "said"),
    [("resnet", "no attention that can be found"), ("densenet", "no attention that can be found")],
)
def test_without_attention_it_is_said(name, said):
    with pytest.raises(ModelError, match=said) as caught:
        Explainer(read_pt2(small(name).path), manifest_of(name), method="attention-rollout")
    assert caught.value.code == "map_layer"


def test_attention_within_windows_is_refused():
    net = network("swin-unetr")
    program = read_pt2(net.path)

    assert attentions(program, program.outputs[0])
    with pytest.raises(ValueError, match="not between all the tokens"):
        Rollout(program, [net.shape], program.outputs[0])


def test_an_answer_that_hears_of_earlier_layers_is_refused():
    net = network("unetr")
    program = read_pt2(net.path)

    with pytest.raises(ValueError, match="these alone"):
        Rollout(program, [net.shape], program.outputs[0])


def test_a_product_with_weights_is_no_attention():
    """A softmax that weighs the same learnt values for every case mixes no positions."""

    class Mixed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.learnt = torch.nn.Parameter(torch.randn(8, 4))

        def forward(self, image):
            return (torch.softmax(image, -1) @ self.learnt).mean((1, 2))

    program = program_of(Mixed())
    assert attentions(program, program.outputs[0]) == ()
