"""The filter as the kernel's machine would read it, for both architectures on any of them."""

import errno

import pytest

from ml.sandbox import seccomp

PID = 4242
ALLOW = "allow"
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06


def verdict(machine, name, *arguments, number=None, arch=None, gpu=False, network=False):
    """Walk through the program with one call, as seccomp(2) says it is done."""
    if number is None:
        number = seccomp.calls(machine)[name][0]
    words = {0: number, 4: seccomp.ARCHITECTURES[arch or machine]}
    for at in range(6):
        value = arguments[at] if at < len(arguments) else 0
        words[16 + 8 * at] = value & 0xFFFFFFFF
        words[20 + 8 * at] = value >> 32
    steps = seccomp.program(machine, PID, gpu=gpu, network=network)
    held, at = 0, 0
    while True:
        code, yes, no, operand = steps[at]
        assert 0 <= yes < 256
        assert 0 <= no < 256
        at += 1
        if code == RETURN:
            return said(operand)
        if code == LOAD:
            held = words[operand]
            continue
        met = {EQUAL: held == operand, AT_LEAST: held >= operand, ANY_BIT: bool(held & operand)}
        at += yes if met[code] else no


def said(answer):
    if answer == seccomp.ALLOW:
        return ALLOW
    if answer == seccomp.KILL_PROCESS:
        return "kill"
    assert answer & 0xFFFF0000 == seccomp.ERRNO
    return errno.errorcode[answer & 0xFFFF]


@pytest.fixture(params=sorted(seccomp.ARCHITECTURES))
def machine(request):
    return request.param


def test_every_listed_call_gets_what_the_list_says(machine):
    plain = {"allow": ALLOW, "refuse": "EPERM", "gpu-only": "EPERM", "absent": "ENOSYS"}
    calls = seccomp.calls(machine)
    for name, (_, rule) in calls.items():
        if rule in plain:
            assert verdict(machine, name) == plain[rule], name
    assert sum(rule == "allow" for _, rule in calls.values()) > 80
    numbers = [number for number, _ in calls.values()]
    assert len(numbers) == len(set(numbers))


def test_what_is_not_listed_is_refused(machine):
    listed = {number for number, _ in seccomp.calls(machine).values()}
    for number in range(452):
        if number not in listed:
            assert verdict(machine, "", number=number) == "EPERM", number
    assert verdict(machine, "", number=500) == "ENOSYS"  # libraries try the old call then


def test_calls_by_the_rules_of_another_machine_end_the_process(machine):
    other = next(name for name in seccomp.ARCHITECTURES if name != machine)
    assert verdict(machine, "read", arch=other) == "kill"
    if machine == "x86_64":
        assert verdict(machine, "", number=0x40000000) == "kill"


def test_threads_but_no_processes_and_no_namespaces(machine):
    thread = 0x003D0F00  # what the C library asks for
    assert verdict(machine, "clone", thread) == ALLOW
    assert verdict(machine, "clone", 17) == "EPERM"  # fork
    assert verdict(machine, "clone", 0x4111) == "EPERM"  # vfork
    for namespace in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert verdict(machine, "clone", thread | namespace) == "EPERM", hex(namespace)


def test_signals_and_limits_for_itself_only(machine):
    for name in ("kill", "tgkill", "prlimit64"):
        assert verdict(machine, name, PID) == ALLOW
        assert verdict(machine, name, 1) == "EPERM"
        assert verdict(machine, name, PID + 1) == "EPERM"
        assert verdict(machine, name, 2**32 - 1) == "EPERM"  # -1: everybody
    assert verdict(machine, "prlimit64", 0) == ALLOW
    assert verdict(machine, "kill", 0) == "EPERM"


def test_questions_to_terminals_but_no_other_device(machine):
    assert verdict(machine, "ioctl", 1, 0x5401) == ALLOW
    assert verdict(machine, "ioctl", 1, 0x5412) == "ENOTTY"  # typing into a terminal
    assert verdict(machine, "ioctl", 1, 0x5412, gpu=True) == ALLOW
    assert verdict(machine, "memfd_create", gpu=True) == ALLOW


def test_process_settings_and_file_owners_stay(machine):
    assert verdict(machine, "prctl", 15) == ALLOW
    for setting in (1, 4, 22, 24, 38, 47):
        assert verdict(machine, "prctl", setting) == "EPERM"
    assert verdict(machine, "fcntl", 3, 3) == ALLOW
    assert verdict(machine, "fcntl", 3, 8) == "EPERM"


def test_known_numbers_of_both_tables():
    """Spot checks against the kernel's tables, so that the list cannot shift by a row."""
    assert seccomp.calls("x86_64")["openat"][0] == 257
    assert seccomp.calls("x86_64")["socket"][0] == 41
    assert seccomp.calls("x86_64")["io_uring_setup"][0] == 425
    assert seccomp.calls("aarch64")["openat"][0] == 56
    assert seccomp.calls("aarch64")["socket"][0] == 198
    assert seccomp.calls("aarch64")["newfstatat"][0] == 79
    assert "open" not in seccomp.calls("aarch64")


def test_connections_only_where_they_are_asked_for(machine):
    names = ["connect", "sendto", "recvfrom", "sendmmsg", "setsockopt", "getpeername", "shutdown"]
    for name in names:
        assert verdict(machine, name) == "EPERM", name
        assert verdict(machine, name, network=True) == ALLOW, name
    for family in (2, 10):  # IPv4, IPv6
        assert verdict(machine, "socket", family) == "EPERM"
        assert verdict(machine, "socket", family, network=True) == ALLOW
    for family in (1, 16, 17, 40):  # unix, netlink, packet, vsock
        assert verdict(machine, "socket", family, network=True) == "EPERM"
    for name in ("bind", "listen", "accept", "accept4", "socketpair", "ptrace"):
        assert verdict(machine, name, network=True) == "EPERM", name
