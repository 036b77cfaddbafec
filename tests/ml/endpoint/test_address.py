"""Which addresses may be called: every way inwards that is known."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.endpoint.address import Address, Allowed, check, parse, resolve
from ml.endpoint.problem import EndpointError

REFUSED_TEXTS = (
    "http://models.example.org",
    "ftp://models.example.org",
    "file:///etc/passwd",
    "gopher://models.example.org",
    "//models.example.org",
    "models.example.org",
    "https://",
    "https://user@models.example.org",
    "https://user:secret@models.example.org",
    "https://models.example.org@evil.example.org",
    "https://models.example.org:8000",
    "https://models.example.org:22",
    "https://models.example.org:0",
    "https://models.example.org:99999",
    "https://models.example.org:x",
    "https://models.example.org/?to=inside",
    "https://models.example.org/#part",
    "https://models.example.org/../v2",
    "https://models.example.org/a/./b",
    "https://models.example.org/%2e%2e",
    "https://models.example.org/a b",
    "https://models.example.org\\@evil.example.org",
    "https://models..example.org",
    "https://-a.example.org",
    "https://[fe80::1%25eth0]",
    "https://[::1",
    "https://127.0.0.1",
    "https://127.1",
    "https://2130706433",
    "https://0x7f000001",
    "https://0x7f.1",
    "https://0177.0.0.1",
    "https://10.0.0.1",
    "https://172.16.0.1",
    "https://192.168.1.1",
    "https://169.254.169.254",
    "https://100.64.0.1",
    "https://100.100.100.200",
    "https://0.0.0.0",
    "https://224.0.0.1",
    "https://255.255.255.255",
    "https://198.18.0.1",
    "https://[::1]",
    "https://[::]",
    "https://[::ffff:127.0.0.1]",
    "https://[::ffff:7f00:1]",
    "https://[::127.0.0.1]",
    "https://[::ffff:8.8.8.8]",
    "https://[64:ff9b::7f00:1]",
    "https://[64:ff9b::808:808]",
    "https://[2002:7f00:1::]",
    "https://[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "https://[fe80::1]",
    "https://[fc00::1]",
    "https://[fd00:ec2::254]",
    "https://[fec0::1]",
    "https://[ff02::1]",
    "https://[2001:db8::1]",
)


@pytest.mark.parametrize("url", REFUSED_TEXTS)
def test_what_is_never_called(url):
    with pytest.raises(EndpointError) as refused:
        parse(url)
    assert refused.value.code == "endpoint_refused"


@pytest.mark.parametrize("sign", ["\n", "\r", "\t", "\0", "é", "\u2024", " "])
def test_no_odd_signs(sign):
    with pytest.raises(EndpointError):
        parse(f"https://models.example.org/{sign}")


def test_an_ordinary_address():
    found = parse("https://Models.example.org/serving/cxr/")
    assert found == Address("https", "models.example.org", 443, "/serving/cxr", listed=False)
    assert parse("https://8.8.8.8").host == "8.8.8.8"
    assert parse("https://[2606:4700::1111]").host_header == "[2606:4700::1111]"


def test_what_an_operator_lists_and_no_more():
    allowed = Allowed.of(["triton.internal", "http://127.0.0.1:8000", "gpu.internal:8443"])
    assert parse("https://triton.internal", allowed).listed
    assert parse("http://127.0.0.1:8000", allowed).listed
    assert parse("https://gpu.internal:8443", allowed).host_header == "gpu.internal:8443"
    for url in (
        "http://triton.internal",
        "https://triton.internal:8000",
        "https://127.0.0.1:8000",
        "http://127.0.0.1:8001",
        "https://sub.triton.internal:8443",
    ):
        with pytest.raises(EndpointError):
            parse(url, allowed)
    for word in ("https://a.org/path", "ftp://a.org", "user@a.org", "http://"):
        with pytest.raises(ValueError):
            Allowed.of([word])


@pytest.mark.parametrize("ip", ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254",
                                "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "224.0.0.1", "fe80::1",
                                "100.100.100.200", "::"])  # fmt: skip
def test_metadata_services_are_not_even_called_when_listed(ip):
    with pytest.raises(EndpointError):
        check(ipaddress.ip_address(ip), listed=True)


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.1.2.3", "::1", "fc00::1"])
def test_a_listed_host_may_lie_inside(ip):
    check(ipaddress.ip_address(ip), listed=True)
    with pytest.raises(EndpointError):
        check(ipaddress.ip_address(ip), listed=False)


def test_one_bad_address_of_a_name_refuses_it():
    address = parse("https://models.example.org")
    asked = []

    def lookup(host, port):
        asked.append((host, port))
        return ["8.8.8.8", "10.0.0.1"]

    with pytest.raises(EndpointError) as refused:
        resolve(address, lookup)
    assert refused.value.code == "endpoint_refused"
    assert asked == [("models.example.org", 443)]
    assert resolve(address, lambda *_: ["8.8.4.4", "8.8.8.8"]) == "8.8.4.4"


@pytest.mark.parametrize("answer", [[], ["nonsense"], OSError("no such host")])
def test_a_name_without_an_address(answer):
    def lookup(*_):
        if isinstance(answer, OSError):
            raise answer
        return answer

    with pytest.raises(EndpointError) as refused:
        resolve(parse("https://models.example.org"), lookup)
    assert refused.value.code == "endpoint_unreachable"


@settings(max_examples=60)
@given(st.ip_addresses(v=4))
def test_no_form_of_an_inner_address_gets_through(ip):
    if ip.is_global and not ip.is_multicast:
        return
    n = int(ip)
    forms = [ip, *map(ipaddress.IPv6Address, (n, 0xFFFF << 32 | n, 0x64FF9B << 96 | n))]
    forms.append(ipaddress.IPv6Address(0x2002 << 112 | n << 80))
    for form in forms:
        with pytest.raises(EndpointError):
            check(form, listed=False)


@settings(max_examples=60)
@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text):
    for url in (text, f"https://{text}", f"https://models.example.org/{text}"):
        try:
            found = parse(url)
        except EndpointError:  # and nothing else
            continue
        assert found.scheme == "https"
        assert found.port == 443
