"""The client against real servers on loopback: good, slow, busy, lying, changing, endless."""

import shutil
import ssl
import struct
import subprocess
import time
from dataclasses import replace

import pytest

from ml.endpoint.client import Client, Target
from ml.endpoint.problem import EndpointError
from tests.ml.endpoint.server import serving

TOKEN = "a-secret-that-nobody-may-see"
CASES = struct.pack("<32f", *range(32))  # two cases of 1 x 4 x 4; means 7.5 and 23.5
SCORES = (0.0, 7.5, 0.0, 23.5)


def target_of(url, **changes):
    target = Target(
        url=url,
        model="cxr",
        version="",
        tensor="",
        output="",
        datatype="FP32",
        binary=False,
        case_shape=(1, 4, 4),
        n_classes=2,
        seconds=2.0,
        pause=0.01,
        total_seconds=5.0,
        allowed=(url,),
    )
    return replace(target, **changes)


@pytest.fixture
def server():
    with serving() as (model, url):
        yield model, url


def ask(url, token="", **changes):
    client = Client(target_of(url, **changes), token)
    try:
        client.describe()
        return client.infer(CASES, 2), client
    finally:
        client.close()


def code_of(call, *args, **changes):
    with pytest.raises(EndpointError) as caught:
        call(*args, **changes)
    assert TOKEN not in str(caught.value)
    return caught.value.code


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("datatype", ["FP32", "FP64", "FP16", "UINT8"])
def test_numbers_go_and_come(server, datatype, binary):
    model, url = server
    model.datatype = datatype
    model.out_datatype = "FP64" if datatype == "FP64" else "FP32"
    found, _ = ask(url, datatype=datatype, binary=binary)
    assert struct.unpack("<4d", found.values) == SCORES
    assert found.shape == (2, 2)
    assert found.version == "1"


def test_float32_arrives_to_the_last_bit(server):
    _, url = server
    third = struct.unpack("<f", struct.pack("<f", 1 / 3))[0]
    for binary in (False, True):
        client = Client(target_of(url, binary=binary))
        client.describe()
        found = client.infer(struct.pack("<16f", *[third] * 16), 1)
        client.close()
        assert struct.unpack("<2d", found.values)[1] == third


def test_addresses_name_and_version(server):
    model, url = server
    ask(url, version="1")
    paths = [path for _, path, _ in model.requests]
    base = "/v2/models/cxr/versions/1"
    assert paths == [f"{base}/ready", base, f"{base}/infer"]
    assert "Authorization" not in model.requests[0][2]


def test_one_connection_for_all_requests(server):
    _, url = server
    client = Client(target_of(url))
    client.describe()
    first = client.connection.http
    client.infer(CASES, 2)
    assert first is not None
    assert client.connection.http is first
    client.close()


@pytest.mark.parametrize("status", [429, 502, 503, 504, 0])
def test_what_passes_is_tried_again(server, status):
    model, url = server
    model.troubles = [(status, {})] * 2
    found, client = ask(url)
    assert struct.unpack("<4d", found.values) == SCORES
    assert client.requests == 5  # ready, metadata, and three times the cases


@pytest.mark.parametrize(
    ("status", "code", "requests"),
    [
        (429, "endpoint_busy", 4),
        (503, "endpoint_busy", 4),
        (0, "endpoint_unreachable", 4),
        (500, "endpoint_failed", 1),
        (400, "endpoint_failed", 1),
        (401, "endpoint_denied", 1),
        (403, "endpoint_denied", 1),
        (404, "endpoint_protocol", 1),
        (204, "endpoint_protocol", 1),
        (302, "endpoint_protocol", 1),
        (307, "endpoint_protocol", 1),
    ],
)
def test_tries_are_bounded_and_only_for_what_may_pass(server, status, code, requests):
    model, url = server
    model.troubles = [(status, {"Location": f"{url}/elsewhere"})] * 9
    assert code_of(ask, url, TOKEN) == code
    assert sum(method == "POST" for method, _, _ in model.requests) == requests
    assert not any("elsewhere" in path for _, path, _ in model.requests)


def test_a_server_may_ask_for_time_but_not_for_more_than_there_is(server):
    model, url = server
    slept = []
    model.troubles = [(429, {"Retry-After": "3"})]
    client = Client(target_of(url), sleep=slept.append)
    client.describe()
    client.infer(CASES, 2)
    assert slept == [3.0]
    model.troubles = [(429, {"Retry-After": "99999"})]
    assert code_of(client.infer, CASES, 2) == "endpoint_busy"
    assert slept == [3.0]
    client.close()


def test_pauses_grow_and_are_not_alike(server):
    model, url = server
    slept = []
    client = Client(target_of(url, pause=0.4), sleep=slept.append)
    client.describe()
    model.troubles = [(503, {})] * 9
    assert code_of(client.infer, CASES, 2) == "endpoint_busy"
    assert len(slept) == 3
    for at, pause in enumerate(slept):
        assert 0.2 * 2**at <= pause <= 0.4 * 2**at
    client.close()


@pytest.mark.parametrize("slow", [{"nap": 1.0}, {"drip": 0.02}])
def test_one_deadline_for_silence_and_for_drops(server, slow):
    model, url = server
    client = Client(target_of(url, seconds=0.25, tries=2))
    client.describe()
    for name, value in slow.items():
        setattr(model, name, value)
    began = time.monotonic()
    assert code_of(client.infer, CASES, 2) == "endpoint_timeout"
    assert time.monotonic() - began < 0.9  # two tries of a quarter
    client.close()


def test_all_tries_together_have_an_end(server):
    model, url = server
    client = Client(target_of(url, seconds=0.3, total_seconds=0.5, tries=50))
    client.describe()
    model.nap = 1.0
    began = time.monotonic()
    assert code_of(client.infer, CASES, 2) == "endpoint_timeout"
    assert time.monotonic() - began < 0.9
    client.close()


def test_an_endless_answer_is_not_read_on(server):
    model, url = server
    model.raw = b" " * 5_000_000
    assert code_of(ask, url) == "endpoint_protocol"


def test_an_answer_without_end_or_length_is_cut_off(server):
    model, url = server
    model.endless = True
    assert code_of(ask, url) == "endpoint_protocol"
    assert model.poured < 20_000_000  # what lay in the buffers on the way


def _set(**fields):
    return lambda answer: answer | fields


def _output(**fields):
    return lambda answer: answer | {"outputs": [answer["outputs"][0] | fields]}


LIES = {
    "another model": (_set(model_name="other"), "endpoint_changed"),
    "no model": (_set(model_name=None), "endpoint_changed"),
    "the token as version": (_set(model_version=TOKEN), "endpoint_protocol"),
    "a version that is none": (_set(model_version={"a": 1}), "endpoint_protocol"),
    "a long version": (_set(model_version="1" * 500), "endpoint_protocol"),
    "no outputs": (_set(outputs=[]), "endpoint_protocol"),
    "outputs that are none": (_set(outputs="all"), "endpoint_protocol"),
    "an output without shape": (_output(shape=None), "endpoint_protocol"),
    "too few cases": (_output(shape=[1, 2], data=[0, 1]), "endpoint_protocol"),
    "too many classes": (_output(shape=[2, 3], data=[0] * 6), "endpoint_protocol"),
    "rows and columns changed": (_output(shape=[4, 1]), "endpoint_protocol"),
    "a negative shape": (_output(shape=[2, -1]), "endpoint_protocol"),
    "an enormous shape": (_output(shape=[2, 2**40]), "endpoint_protocol"),
    "a shape in fractions": (_output(shape=[2.0, 2.0]), "endpoint_protocol"),
    "fewer numbers than said": (_output(data=[0, 1, 2]), "endpoint_protocol"),
    "more numbers than said": (_output(data=[0] * 5), "endpoint_protocol"),
    "words": (_output(data=["0", "1", "2", "3"]), "endpoint_protocol"),
    "true and false": (_output(data=[True, False, True, False]), "endpoint_protocol"),
    "nothing": (_output(data=None), "endpoint_protocol"),
    "another output": (_output(name="other"), "endpoint_protocol"),
    "whole numbers": (_output(datatype="INT64"), "endpoint_protocol"),
    "bytes that are not there": (
        _output(parameters={"binary_data_size": 16}), "endpoint_protocol",
    ),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_lies(server, lie):
    model, url = server
    model.lie, code = LIES[lie]
    assert code_of(ask, url, TOKEN) == code


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": ' * 9_000, b"1" * 10_000]
)
def test_answers_that_are_no_answers(server, raw):
    model, url = server
    model.raw = raw
    assert code_of(ask, url) == "endpoint_protocol"


def test_nested_rows_and_numbers_that_are_none_come_as_they_are(server):
    model, url = server
    model.lie = _output(data=[[0.0, float("nan")], [float("-inf"), 10**400]])
    found, _ = ask(url)
    first, second, third, fourth = struct.unpack("<4d", found.values)
    assert (first, third, fourth) == (0.0, float("-inf"), float("inf"))
    assert second != second


def test_binary_answers_of_another_size(server):
    model, url = server
    model.binary = True
    model.lie = lambda answer: (
        answer | {"outputs": [*answer["outputs"], answer["outputs"][0] | {"name": "more"}]}
    )
    found, _ = ask(url)  # an output more than was asked for does no harm
    assert struct.unpack("<4d", found.values) == SCORES
    model.lie = _output(data=[0.0] * 3)
    assert code_of(ask, url) == "endpoint_protocol"


def test_not_ready_is_busy(server):
    model, url = server
    model.ready = 503
    assert code_of(ask, url) == "endpoint_busy"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": "other"}, "endpoint_changed"),
        ({"versions": "1"}, "endpoint_protocol"),
        ({"versions": [1]}, "endpoint_protocol"),
        ({"inputs": [{"name": "image"}]}, "endpoint_protocol"),
        ({"platform": TOKEN}, "endpoint_protocol"),
        ({"inputs": [], "outputs": []}, "endpoint_protocol"),
        (
            {"inputs": [{"name": n, "datatype": "FP32", "shape": [-1]} for n in "ab"]},
            "endpoint_protocol",
        ),
    ],
)
def test_metadata_that_cannot_be_used(server, change, code):
    model, url = server
    model.change = change
    assert code_of(ask, url, TOKEN) == code


def test_names_of_tensors_may_be_declared(server):
    model, url = server
    model.change = {"inputs": [], "outputs": []}
    found, _ = ask(url, tensor="image", output="scores")
    assert struct.unpack("<4d", found.values) == SCORES
    model.change = {}
    assert code_of(ask, url, tensor="picture") == "endpoint_protocol"


def test_a_version_that_was_not_asked_for(server):
    model, url = server
    model.answers_version = "2"
    assert ask(url)[0].version == "2"
    assert code_of(ask, url, version="1") == "endpoint_changed"


def test_the_token_is_sent(server):
    model, url = server
    ask(url, TOKEN)
    assert {headers["Authorization"] for *_, headers in model.requests} == {f"Bearer {TOKEN}"}


def test_nobody_listens():
    with serving() as (_, url):
        pass
    assert code_of(ask, url) == "endpoint_unreachable"


def test_the_name_is_looked_up_once_and_the_address_called(server):
    model, url = server
    port = url.rsplit(":", 1)[1]
    asked = []

    def lookup(host, _):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    named = f"http://models.internal:{port}"
    client = Client(target_of(named), lookup=lookup)
    client.describe()
    client.close()
    client.infer(CASES, 2)  # connects again
    client.close()
    assert asked == ["models.internal"]
    assert model.requests[0][2]["Host"] == f"models.internal:{port}"


def test_an_address_inside_is_refused_before_anything_is_sent(server):
    model, url = server
    assert code_of(ask, url, allowed=()) == "endpoint_refused"
    port = url.rsplit(":", 1)[1]
    lookup = lambda *_: ["127.0.0.1"]  # noqa: E731
    for name, allowed in (
        ("https://models.example.org", ()),
        (f"https://a.org:{port}", (f"b.org:{port}",)),
    ):
        with pytest.raises(EndpointError) as refused:
            Client(target_of(name, allowed=allowed), lookup=lookup)
        assert refused.value.code == "endpoint_refused"
    assert model.requests == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Of 127.0.0.1 and of no other host."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate, and is not installed")
    folder = tmp_path_factory.mktemp("tls")
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", str(folder / "key"), "-out", str(folder / "cert")]  # fmt: skip
    subprocess.run(words, check=True, capture_output=True)
    return folder


def test_certificates_are_verified(certificate):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "cert", certificate / "key")
    with serving(tls=tls) as (model, url):
        ca = str(certificate / "cert")
        found, _ = ask(url, ca_file=ca)
        assert struct.unpack("<4d", found.values) == SCORES
        model.requests.clear()
        assert code_of(ask, url, TOKEN) == "endpoint_refused"  # nobody known has signed it
        named = url.replace("127.0.0.1", "localhost")  # the right place, another name
        client = Client(target_of(named, ca_file=ca), TOKEN, lookup=lambda *_: ["127.0.0.1"])
        assert code_of(client.describe) == "endpoint_refused"
        assert model.requests == []
