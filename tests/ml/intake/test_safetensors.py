"""safetensors as the package writes it, and as a stranger may damage it."""

import json
import resource

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file
from safetensors.torch import save_file

from ml.intake.refusal import Refused
from ml.intake.safetensors_file import read_safetensors, write_safetensors

TENSORS = {
    "conv.weight": torch.arange(24, dtype=torch.float32).reshape(2, 3, 2, 2),
    "conv.bias": torch.tensor([0.5, -0.25], dtype=torch.float16),
    "wide": torch.tensor([1.0, 3.140625, -1e30], dtype=torch.bfloat16),
    "double": torch.tensor([1e-300], dtype=torch.float64),
    "count": torch.tensor(7),
    "index": torch.tensor([[1, 2]], dtype=torch.int32),
    "small": torch.tensor([-1, 127], dtype=torch.int8),
    "bytes": torch.tensor([255], dtype=torch.uint8),
    "mask": torch.tensor([True, False]),
    "nothing": torch.zeros(0, 3),
}


@pytest.fixture
def path(tmp_path):
    save_file(TENSORS, tmp_path / "m.safetensors", metadata={"format": "pt"})
    return tmp_path / "m.safetensors"


def parts(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def assembled(header, body, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def test_what_the_package_writes_is_read_to_the_last_bit(path):
    stored = read_safetensors(path)

    assert stored.metadata == {"format": "pt"}
    assert stored.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        expected = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
        found = torch.from_numpy(stored.tensors[name].copy())
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)


def test_what_is_written_the_package_reads_and_the_bytes_depend_on_the_tensors_alone(tmp_path):
    arrays = {name: one.float().numpy() for name, one in TENSORS.items() if name != "wide"}
    write_safetensors(tmp_path / "a", arrays)
    write_safetensors(tmp_path / "b", dict(reversed(arrays.items())))

    read = load_file(tmp_path / "a")

    assert read.keys() == arrays.keys()
    assert all(np.array_equal(read[name], arrays[name]) for name in arrays)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def changed(name, **changes):
    def of(header, body):
        header[name] |= changes
        return assembled(header, body)

    return of


HOSTILE = {
    "cut off": lambda header, body: assembled(header, body[:-1]),
    "more behind": lambda header, body: assembled(header, body + b"x"),
    "length beyond the file": lambda header, body: assembled(header, body, 10**7),
    "length beyond everything": lambda header, body: assembled(header, body, 2**64 - 1),
    "no JSON": lambda header, body: assembled(b"{'a': 1}", body),
    "no UTF-8": lambda header, body: assembled(b'{"\xff": 1}', body),
    "a list": lambda header, body: assembled(b"[]", body),
    "deep": lambda header, body: assembled(b'{"a":' + b"[" * 100_000, body),
    "a name twice": lambda header, body: assembled(
        json.dumps(header).encode().replace(b'"small"', b'"mask"'), body
    ),
    "negative size": changed("conv.weight", shape=[-2, -3, 2, 2]),
    "float size": changed("conv.weight", shape=[24.0]),
    "too large a size": changed("conv.weight", shape=[2**40, 2**40]),
    "sizes that overflow to the right number": changed("conv.weight", shape=[2**32, 2**32, 24]),
    "many sizes": changed("conv.weight", shape=[1] * 20 + [24]),
    "backwards": changed("conv.weight", data_offsets=[96, 0]),
    "negative offset": changed("conv.weight", data_offsets=[-96, 0]),
    "shared bytes": lambda header, body: assembled(header | {"more": header["conv.weight"]}, body),
    "a gap": lambda header, body: assembled(
        {key: one for key, one in header.items() if key != "conv.bias"}, body
    ),
    "metadata that are numbers": changed("__metadata__", format=1),
    "no number": lambda header, body: assembled(b'{"a":{"dtype":NaN}}', body),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_not_sound_is_refused(what, path):
    path.write_bytes(HOSTILE[what](*parts(path)))

    with pytest.raises(Refused) as caught:
        read_safetensors(path)

    assert caught.value.refusals[0].code == "model_corrupt"


def test_types_that_are_not_read_and_headers_without_end_are_refused(path, tmp_path):
    header, body = parts(path)
    path.write_bytes(changed("conv.weight", dtype="F8_E4M3")(header, body))
    with pytest.raises(Refused) as caught:
        read_safetensors(path)
    assert caught.value.refusals[0].code == "format_unsupported"

    path.write_bytes(assembled(b"{" + b" " * (17 * 1024**2) + b"}", b""))
    with pytest.raises(Refused) as caught:
        read_safetensors(path)
    assert caught.value.refusals[0].code == "model_limit"


@settings(max_examples=200, deadline=None, database=None, derandomize=True,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    edits=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6),
    cut=st.none() | st.integers(0, 1100),
    junk=st.binary(max_size=4),
)
def test_a_damaged_file_is_read_or_refused_and_nothing_else(edits, cut, junk, tmp_path):
    source = tmp_path / "sound.safetensors"
    if not source.exists():
        save_file(TENSORS, source, metadata={"format": "pt"})
    data = bytearray(source.read_bytes())
    for at, value in edits:
        data[at % len(data)] = value
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(bytes(data[:cut]) + junk)

    code, held = outcome(path)

    assert code in (None, "model_corrupt", "model_limit", "format_unsupported")
    assert held <= 2 * len(data)


def outcome(path):
    """The code of the refusal, if it is refused; the bytes of all tensors, if it is read."""
    try:
        return None, sum(one.nbytes for one in read_safetensors(path).tensors.values())
    except Refused as refused:
        return refused.refusals[0].code, 0


def test_a_small_file_cannot_ask_for_much_memory(tmp_path):
    """A header of a kilobyte that declares a terabyte is refused before anything is allocated."""
    path = tmp_path / "m.safetensors"
    header = {"a": {"dtype": "F32", "shape": [2**38], "data_offsets": [0, 2**40]}}
    path.write_bytes(assembled(header, b""))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(Refused):
        read_safetensors(path)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kilobytes
