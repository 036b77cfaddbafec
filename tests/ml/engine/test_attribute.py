"""Maps from a kept cut are those that autograd gives on the module itself."""

from functools import cache

import pytest
import torch

from ml.engine.attribute import CLASS_MAPS, Attributor, map_layer, moved_positions
from ml.intake.pt2 import read_pt2
from ml.program.cut import cut_at
from ml.program.graph import Node, Port, Program, Ref
from ml.program.operations import allowed
from ml.program.places import channel_axis, features_of, found_value, logits_of, single_cuts
from ml.program.walk import Walker
from tests.ml.engine.small import CLASSIFIERS, small
from tests.ml.program.test_walk import apart

CLOSE = 1e-4  # of the largest number


@cache
def explained(name):
    net = small(name)
    program = read_pt2(net.path)
    return net, program, Attributor(program, [net.shape])


def one_hot(classes):
    return torch.nn.functional.one_hot(torch.tensor(classes), 3).float()


def on_the_module(net, cases, weights, value):
    """The module's own value that equals the cut's, and the score's gradient there."""
    seen = []

    def note(part, given, found):
        if isinstance(found, torch.Tensor) and found.shape == value.shape and found.requires_grad:
            found.retain_grad()
            seen.append(found)

    hooks = [part.register_forward_hook(note) for part in net.module.modules()]
    try:
        (net.answer(cases) * weights).sum().backward()
    finally:
        for hook in hooks:
            hook.remove()
    same = [one for one in seen if one.grad is not None and apart(one.detach(), value) <= CLOSE]
    return same[-1].detach(), same[-1].grad


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_map_from_the_kept_cut_is_autograds_on_the_module(name):
    net, _, ours = explained(name)
    cases, weights = net.case(3), one_hot([2, 0, 1])
    cached = ours.forward([cases])

    value, slope = on_the_module(net, cases, weights, cached.between[0])
    around = [at for at in range(1, value.dim()) if at != ours.layer.axis]
    expected = (slope.mean(dim=around, keepdim=True) * value).sum(dim=ours.layer.axis)
    expected = expected.flatten(1)[:, ours.layer.skipped :].reshape(3, *ours.layer.sides)

    assert apart(ours.class_map(cached, weights), expected) <= CLOSE
    with torch.no_grad():
        assert apart(ours.scores(cached), net.answer(cases)) <= CLOSE


@pytest.mark.parametrize("name", ["densenet", "resnet", "vit"])
def test_the_gradient_of_the_input_is_the_modules(name):
    net, _, ours = explained(name)
    cases, weights = net.case(2), one_hot([1, 2])
    theirs = cases.clone().requires_grad_()
    (net.answer(theirs) * weights).sum().backward()

    assert apart(ours.gradient([cases], weights), theirs.grad) <= CLOSE


def test_the_layer_found_is_the_one_that_reads_everything():
    """Not the last convolution, nor the last block of a transformer: one token of it is read."""
    layers = {name: explained(name)[2].layer for name in CLASSIFIERS}
    channels = {
        name: explained(name)[2].forward([explained(name)[0].case(1)]).between[0].shape
        for name in CLASSIFIERS
    }

    assert channels["densenet"][1] == small("densenet").module.class_layers.out.in_features
    assert (layers["vit"].sides, layers["vit"].axis, layers["vit"].skipped) == ((4, 4), 2, 1)
    net, program, ours = explained("vit")
    shares = moved_positions(program, [net.shape], ours.logits, single_cuts(program, ours.logits))
    assert any(share == pytest.approx(1 / 17) for share, _ in shares.values())
    assert shares[ours.layer.name][0] == 1


def test_a_map_does_not_depend_on_the_cases_beside_it():
    net, _, ours = explained("densenet")
    cases, weights = net.case(3), one_hot([0, 1, 2])
    together = ours.class_map(ours.forward([cases]), weights)
    alone = ours.class_map(ours.forward([cases[1:2]]), weights[1:2])

    assert apart(alone[0], together[1]) <= 1e-5


def test_the_other_maps_are_what_their_papers_say():
    net, _, ours = explained("tiny")
    cases = net.case(2)
    weights = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    cached = ours.forward([cases])
    value = cached.between[0]
    # The mean of the map goes to the head: the gradient is the head's weight over all positions.
    head = (weights @ net.module.head.weight.detach())[:, :, None, None] / 64
    slope = head.expand_as(value)

    assert apart(ours.class_map(cached, weights, "hires-cam"), (slope * value).sum(1)) <= 1e-5
    # With a constant gradient HiResCAM and Grad-CAM are the same map.
    assert apart(ours.class_map(cached, weights), (slope * value).sum(1)) <= 1e-5
    share = slope**2 / (2 * slope**2 + value.sum((2, 3), keepdim=True) * slope**3)
    plus = ((share * slope.relu()).sum((2, 3), keepdim=True) * value).sum(1)
    assert apart(ours.class_map(cached, weights, "grad-cam++"), plus) <= 1e-4
    layer = (slope.relu() * value).sum(1)
    assert apart(ours.class_map(cached, weights, "layer-cam"), layer) <= 1e-5
    assert set(CLASS_MAPS) == {"grad-cam", "grad-cam++", "hires-cam", "layer-cam"}
    with pytest.raises(ValueError, match="no such map"):
        ours.class_map(cached, weights, "score-cam")


def test_integrated_gradients_add_up_to_the_difference_of_the_scores():
    net, _, ours = explained("tiny")
    cases, weights = net.case(2), torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    baseline = torch.zeros(1, *net.shape)
    found = ours.integrated_gradients([cases], weights, baseline, steps=64)
    walker = Walker(ours.program)
    with torch.no_grad():
        scores = [
            (walker.run([one], taps=[ours.logits])[ours.logits] * weights).sum(1)
            for one in (cases, baseline.expand_as(cases))
        ]

    assert (found.sum((1, 2, 3)) - (scores[0] - scores[1])).abs().max() <= 0.01 * scores[
        0
    ].abs().max()
    few = ours.integrated_gradients([cases], weights, baseline, steps=2)
    assert apart(few, found) > 1e-4


def test_probabilities_are_explained_by_their_logits():
    net, program, ours = explained("tiny")

    assert ours.logits != program.outputs[0]
    assert logits_of(program, program.outputs[0]) == ours.logits
    cases = net.case(2)
    own = torch.softmax(ours.scores(ours.forward([cases])), 1)
    assert apart(own, net.module(cases).detach()) <= 1e-5


def test_a_named_layer_is_taken_and_an_unknown_one_is_not():
    net, program, ours = explained("tiny")
    first = Attributor(program, [net.shape], layer=single_cuts(program, ours.logits)[2])

    assert first.layer.name != ours.layer.name
    assert first.forward([net.case(1)]).between[0].shape[1] == 4
    assert found_value(program, "second") in {node.name for node in program.nodes}
    with pytest.raises(KeyError, match="no layer called"):
        Attributor(program, [net.shape], layer="third")


@pytest.mark.parametrize("name", ["densenet", "resnet", "seresnet", "vit"])
def test_features_are_what_the_last_linear_layer_reads(name):
    net, program, _ = explained(name)
    wanted = features_of(program, program.outputs[0])
    last = [part for part in net.module.modules() if isinstance(part, torch.nn.Linear)][-1]
    seen = []
    hook = last.register_forward_pre_hook(lambda part, given: seen.append(given[0]))
    try:
        with torch.no_grad():
            net.module(net.case(2))
            found = Walker(program).run([net.case(2)], taps=[wanted])[wanted]
    finally:
        hook.remove()

    assert apart(found, seen[-1]) <= CLOSE


def program_of(*nodes, outputs, shape=(None, 2, 4, 4), dtype="float32"):
    made = tuple(Node(allowed()[name], arguments, outs) for name, arguments, outs in nodes)
    return Program((Port("x", shape, dtype),), {}, made, outputs)


def test_a_shortcut_is_no_cut_and_a_size_is_no_path():
    program = program_of(
        ("relu", {"self": Ref("x")}, ("a",)),
        ("sym_size.int", {"self": Ref("x"), "dim": 0}, ("n",)),
        ("relu", {"self": Ref("a")}, ("b",)),
        ("add.Tensor", {"self": Ref("a"), "other": Ref("b")}, ("c",)),
        ("view", {"self": Ref("c"), "size": (Ref("n"), -1)}, ("d",)),
        outputs=("d",),
    )

    assert single_cuts(program, "d") == ("x", "a", "c", "d")
    cut = cut_at(program, "c", "d")
    assert cut.between == ("c", "n")
    assert [node.name for node in cut.trunk.nodes] == ["a", "n", "b", "c"]
    assert [node.name for node in cut_at(program, "a", "d").tail.nodes] == ["b", "c", "d"]
    with pytest.raises(ValueError, match="does not depend"):
        cut_at(program, "d", "a")
    assert channel_axis(program, "c", 4) == 1
    assert features_of(program, "d") is None


def test_channels_are_followed_through_a_row_of_positions_and_its_exchange():
    program = program_of(
        ("relu", {"self": Ref("x")}, ("a",)),
        ("max_pool2d", {"self": Ref("a"), "kernel_size": (1, 1)}, ("b",)),
        ("flatten.using_ints", {"self": Ref("b"), "start_dim": 2}, ("c",)),
        ("transpose.int", {"self": Ref("c"), "dim0": 1, "dim1": 2}, ("d",)),
        ("relu", {"self": Ref("d")}, ("e",)),
        outputs=("e",),
    )

    axes = {name: channel_axis(program, name, dims) for name, dims in
            (("a", 4), ("b", 4), ("c", 3), ("d", 3), ("e", 3))}  # fmt: skip
    assert axes == {"a": 1, "b": 1, "c": 1, "d": 2, "e": 2}
    # Tokens alone, without any layer around: the last axis.
    bare = program_of(("relu", {"self": Ref("x")}, ("a",)), outputs=("a",), shape=(None, 5, 6))
    assert channel_axis(bare, "a", 3) == 2


def test_without_positions_or_without_floats_there_is_no_map():
    flat = program_of(("relu", {"self": Ref("x")}, ("a",)), outputs=("a",), shape=(None, 3))
    with pytest.raises(ValueError, match="no layer with more than one position"):
        map_layer(flat, [(3,)], "a")
    whole = program_of(("relu", {"self": Ref("x")}, ("a",)), outputs=("a",), dtype="uint8")
    with pytest.raises(ValueError, match="whole numbers"):
        map_layer(whole, [(2, 4, 4)], "a")
