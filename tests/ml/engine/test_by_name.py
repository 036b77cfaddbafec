"""Networks built by name: every row of the table gives what MONAI's own class gives."""

import time

import pytest
import torch

from ml.engine.by_name import build, load, program_by_name
from ml.intake.architectures import TABLE, checked
from ml.intake.model_manifest import Architecture
from ml.intake.refusal import Refused
from ml.program.walk import Walker
from tests.ml.program.builders import CASES, DEEPER, FLAT, built, own

CLOSE = 1e-4  # of the largest number


def apart(found, expected):
    found, expected = found.detach(), expected.detach()
    assert expected.abs().max() > 0, "zeros are equal to anything that does nothing"
    return float((found - expected).abs().max() / expected.abs().max())


def test_every_network_of_the_table_is_tested():
    assert {f"monai.{name}" for name, _, _ in CASES.values()} | {
        f"monai.{name}" for name in DEEPER
    } == set(TABLE)


@pytest.mark.parametrize("case", CASES)
def test_values_are_the_modules(case):
    net = built(case)
    cases = net.case()

    with torch.no_grad():
        found = Walker(net.program).run([cases])[net.program.outputs[0]]
        expected = net.answer(cases)

    assert apart(found, expected) <= CLOSE


def layer_of(program):
    """The last attention block of a transformer that classifies, else the last convolution."""
    nodes = program.needed(program.outputs[:1])
    kinds = (
        ("conv",) if any(n.operation.base.startswith("conv") for n in nodes[5:]) else ("linear",)
    )
    scopes = [n for n in nodes if n.operation.base.startswith(kinds) and "head" not in n.scope]
    return scopes[-1]


@pytest.mark.parametrize("case", CASES)
def test_gradients_at_the_last_layer_are_autograds_on_the_module(case):
    net = built(case)
    node = layer_of(net.program)
    kept = {}
    part = dict(net.module.named_modules())[node.scope]
    hook = part.register_forward_hook(lambda module, given, found: kept.update(value=found))
    ours, theirs = net.case(2).requires_grad_(), net.case(2).requires_grad_()

    walked = Walker(net.program).run([ours], taps=[node.name])
    try:
        answer = net.answer(theirs)
    finally:
        hook.remove()
    found = torch.autograd.grad(
        walked[net.program.outputs[0]].square().sum(), [walked[node.name], ours]
    )
    expected = torch.autograd.grad(answer.square().sum(), [kept["value"], theirs])

    assert apart(walked[node.name], kept["value"]) <= CLOSE
    assert apart(found[0], expected[0]) <= CLOSE
    assert apart(found[1], expected[1]) <= CLOSE


@pytest.mark.parametrize("case", CASES)
def test_dropout_of_one_seed_is_the_modules(case):
    net = built(case)
    if not any(node.arguments["p"] for node in net.program.dropouts):
        pytest.skip("this network drops nothing")
    cases = net.case()
    try:
        net.drop()
        torch.manual_seed(11)
        with torch.no_grad():
            expected = net.answer(cases)
    finally:
        net.module.eval()
    torch.manual_seed(11)
    with torch.no_grad():
        found = Walker(net.program).run([cases], active=net.program.dropouts)

    assert apart(found[net.program.outputs[0]], expected) <= CLOSE
    with torch.no_grad():
        assert not torch.equal(expected, net.answer(cases)), "nothing was dropped"


@pytest.mark.parametrize("name", DEEPER)
def test_deeper_ones_take_the_weights_of_their_class(name):
    resnet = name.startswith("resnet")
    arguments = {"spatial_dims": 2} if resnet else dict(FLAT)
    if name.startswith("Dense"):
        arguments |= {"out_channels": 2}
    module = own(name, arguments)

    ours = build(Architecture(name=f"monai.{name}", arguments=arguments))

    assert load(ours, numbers(module), file="m") == []
    assert torch.equal(
        next(iter(ours.state_dict().values())), next(iter(module.state_dict().values()))
    )


def numbers(module):
    return {name: one.numpy() for name, one in module.state_dict().items()}


SMALL = CASES["densenet"][1]


def architecture(**changes):
    return Architecture(name="monai.DenseNet", arguments={**SMALL, **changes})


@pytest.mark.parametrize("prefix", ["module.", "model.", "net.", "module.model."])
def test_a_prefix_all_names_have_is_taken_off_and_said(prefix):
    stored = {prefix + name: one for name, one in numbers(own("DenseNet", SMALL)).items()}

    program = program_by_name(architecture(), stored, (1, 32, 32), file="m")

    assert repr(prefix) in program.notes["weights"]


def test_names_that_begin_so_by_themselves_keep_it():
    """The weights of MONAI's UNet are called model.0...: that is no prefix to take off."""
    name, arguments, _ = CASES["unet"]
    module = own(name, arguments)

    assert load(build(Architecture(name=f"monai.{name}", arguments=arguments)), numbers(module),
                file="m") == []  # fmt: skip


def test_halves_are_computed_with_as_floats_and_that_is_said():
    stored = {
        name: one.astype("float16") if one.dtype == "float32" else one
        for name, one in numbers(own("DenseNet", SMALL)).items()
    }

    program = program_by_name(architecture(), stored, (1, 32, 32), file="m")

    assert "float16" in program.notes["weights"]


def test_old_files_without_counts_of_batches_are_taken():
    stored = numbers(own("DenseNet", SMALL))
    kept = {name: one for name, one in stored.items() if "num_batches" not in name}

    assert len(kept) < len(stored)
    assert load(build(architecture()), kept, file="m") == []


def mismatch(change):
    stored = numbers(own("DenseNet", SMALL))
    change(stored)
    with pytest.raises(Refused) as caught:
        load(build(architecture()), stored, file="m.safetensors")
    (refusal,) = caught.value.refusals
    assert (refusal.code, refusal.file) == ("weights_mismatch", "m.safetensors")
    return refusal.message


def test_a_weight_of_two_names_is_read_once_or_twice_alike():
    name, arguments, _ = CASES["dynunet"]
    module, spec = own(name, arguments), Architecture(name=f"monai.{name}", arguments=arguments)
    stored = numbers(module)
    twice = [n for n in stored if n.startswith("skip_layers.")]
    once = {key: one for key, one in stored.items() if key not in twice}

    assert twice
    assert load(build(spec), stored, file="m") == []
    assert load(build(spec), once, file="m") == []
    stored[twice[0]] = stored[twice[0]] + 1
    with pytest.raises(Refused, match="two different ones"):
        load(build(spec), stored, file="m")


def test_weights_that_do_not_fit_are_refused_by_name():
    assert "missing: features.conv0.weight" in mismatch(lambda s: s.pop("features.conv0.weight"))
    assert "not of this network: more" in mismatch(
        lambda s: s.update(more=s["features.conv0.weight"])
    )
    assert "features.conv0.weight is [2] of floats, not [8, 1, 7, 7] of floats" in mismatch(
        lambda s: s.update({"features.conv0.weight": s["features.conv0.weight"].ravel()[:2]})
    )
    assert "of whole numbers, not" in mismatch(
        lambda s: s.update({"features.conv0.weight": s["features.conv0.weight"].astype("int64")})
    )


def test_pictures_with_x_first_are_turned_for_the_network_and_back():
    net = built("densenet")
    turned = Architecture(name="monai.DenseNet", arguments=SMALL, axes="xy")
    program = program_by_name(turned, numbers(net.module), (1, 64, 48), file="m")
    cases = torch.randn(2, 1, 64, 48, generator=torch.manual_seed(1))
    with torch.no_grad():
        found = Walker(program).run([cases])[program.outputs[0]]
        expected = net.answer(cases.transpose(2, 3))
        unturned = net.answer(cases)

    assert apart(found, expected) <= CLOSE
    assert apart(found, unturned) > CLOSE


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("os.system", {"command": "touch marker"}, "architecture_unknown"),
        ("monai.networks.nets.DenseNet121", {}, "architecture_unknown"),
        ("DenseNet121", {}, "architecture_unknown"),
        ("monai.DenseNet121", {}, "architecture_invalid"),
        ("monai.DenseNet121", {**FLAT, "out_channels": 10**6}, "architecture_invalid"),
        ("monai.DenseNet121", {**FLAT, "out_channels": "3"}, "architecture_invalid"),
        ("monai.DenseNet121", {**FLAT, "out_channels": True}, "architecture_invalid"),
        ("monai.DenseNet121", {**FLAT, "out_channels": 2, "act": "os.system"},
         "architecture_invalid"),
        ("monai.DenseNet121", {**FLAT, "out_channels": 2, "act": ["relu", {"p": "x"}]},
         "architecture_invalid"),
        ("monai.DenseNet121", {**FLAT, "out_channels": 2, "norm": ["group", {"num_groups": "8"}]},
         "architecture_invalid"),
        ("monai.DenseNet121", {**FLAT, "out_channels": 2, "norm": ["group"]},
         "architecture_invalid"),
        ("monai.DenseNet121", {**FLAT, "out_channels": 2, "block_config": [[6]]},
         "architecture_invalid"),
        ("monai.DenseNet121", {**FLAT, "out_channels": 2, "__class__": 1}, "architecture_invalid"),
        ("monai.EfficientNetBN", {"model_name": "../../x"}, "architecture_invalid"),
        ("monai.SegResNet", {"norm": "group"}, "architecture_invalid"),
        ("monai.DynUNet", {**FLAT, "out_channels": 1, "kernel_size": [3], "strides": [1, 2],
                           "upsample_kernel_size": [2]}, "architecture_invalid"),
        ("monai.DenseNet", {"spatial_dims": 3, "in_channels": 4096, "out_channels": 1000,
                            "init_features": 4096, "growth_rate": 4096, "bn_size": 16,
                            "block_config": [64] * 6}, "model_limit"),
        ("monai.ResNet", {"block": "basic", "layers": [64] * 4, "block_inplanes": [4096] * 4},
         "model_limit"),
        ("monai.ViT", {"in_channels": 4096, "img_size": 2048, "patch_size": 2048,
                       "hidden_size": 8192, "num_heads": 128, "classification": True},
         "model_limit"),
        ("monai.UNet", {"spatial_dims": 3, "in_channels": 1, "out_channels": 1,
                        "channels": [4096] * 8, "strides": [1] * 7, "kernel_size": 15,
                        "num_res_units": 16}, "model_limit"),
        ("monai.SwinUNETR", {"in_channels": 1, "out_channels": 1, "feature_size": 4080,
                             "num_heads": [1, 1, 1, 1], "depths": [64] * 4}, "model_limit"),
    ],
)  # fmt: skip
def test_other_names_and_arguments_are_refused_at_once(
    name, arguments, code, tmp_path, monkeypatch
):
    import resource

    monkeypatch.chdir(tmp_path)
    began = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Refused) as caught:
        build(Architecture(name=name, arguments=arguments))

    assert caught.value.refusals[0].code == code
    assert not list(tmp_path.iterdir())
    assert time.perf_counter() - began < 60
    # All that was given before the limit was reached; kilobytes.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 3 * 1024**2


def test_a_shape_the_network_cannot_take_is_a_sentence():
    name, arguments, _ = CASES["vit"]
    stored = numbers(own(name, arguments))
    with pytest.raises(Refused) as caught:
        program_by_name(Architecture(name=f"monai.{name}", arguments=arguments), stored,
                        (1, 48, 32), file="m")  # fmt: skip

    assert caught.value.refusals[0].code == "model_shape"


def test_published_weights_are_never_fetched():
    """`pretrained: true` of a training config would go and load a file from an address."""
    given = checked("monai.DenseNet121", {**FLAT, "out_channels": 2, "pretrained": True}, file="m")

    assert given["pretrained"] is False
    assert "pretrained" not in checked("monai.DenseNet", {**FLAT, "out_channels": 2}, file="m")
