"""docker-compose.yml is valid, and names every service that production needs."""

import json
import re
import shutil
import subprocess

import pytest
import yaml

from ml.sandbox import seccomp


@pytest.fixture
def compose(repo_root):
    return yaml.safe_load((repo_root / "docker-compose.yml").read_text())


def test_has_every_part_of_production(compose):
    services = compose["services"]
    wanted = {"web", "worker-cpu", "worker-gpu", "beat", "postgres", "redis", "objects", "nginx"}
    assert wanted <= set(services)


def test_every_gpu_has_one_worker_with_one_process(compose):
    from ml.sandbox.gpu import index_of

    services = compose["services"]
    names = [name for name in services if name.startswith("worker-gpu")]
    assert len(names) > 1
    seen = []
    for name in names:
        service = services[name]
        (device,) = service["deploy"]["resources"]["reservations"]["devices"]
        assert device["capabilities"] == ["gpu"]
        assert "count" not in device, "Docker would pick one that another worker has"
        seen += device["device_ids"]
        words = service["command"].split()
        assert words[words.index("--concurrency") + 1] == "1"
        assert words[words.index("--queues") + 1] == "inference"
        # Of the one GPU that the container sees.
        assert index_of(service["environment"]["INFERENCE_DEVICE"]) == 0
    assert len(set(seen)) == len(names)
    hosts = [services[name]["command"].split()[-1] for name in names]
    profiles = [services[name]["profiles"][0] for name in names]
    assert len(set(hosts)) == len(set(profiles)) == len(names)


def test_every_queue_has_a_worker(compose):
    from portal.jobs import Queue

    served = set()
    for service in compose["services"].values():
        words = str(service.get("command", "")).split()
        if "--queues" in words:
            served |= set(words[words.index("--queues") + 1].split(","))
    assert served == set(Queue)


@pytest.mark.parametrize("name", ["worker-cpu", "worker-gpu", "worker-gpu-1"])
def test_a_worker_can_lock_its_children_in(compose, repo_root, name):
    """As docs/sandbox.md says: namespaces inside the container, and nothing beyond them."""
    service = compose["services"][name]
    options = dict(re.split("[:=]", option, maxsplit=1) for option in service["security_opt"])
    assert options["no-new-privileges"] == "true"
    assert options["systempaths"] == "unconfined"  # else no namespace may have a /proc of its own
    assert options["apparmor"] == "unconfined"
    assert service["cap_drop"] == ["ALL"]
    assert not {"privileged", "cap_add"} & set(service)
    assert service["pids_limit"] > 0
    assert service["mem_limit"]  # where no group can be made within, this is the one there is

    profile = json.loads((repo_root / options["seccomp"]).read_text())
    refused = {call for rule in profile["syscalls"] for call in rule["names"]}
    # Refused to a child as well, by its own filter; and nothing that bubblewrap needs.
    listed = seccomp.calls("x86_64")
    assert {listed[call][1] for call in refused} == {"refuse"}
    needed = {"unshare", "clone", "mount", "umount2", "pivot_root", "setns", "prctl", "seccomp"}
    assert not refused & needed
    assert {"bpf", "keyctl", "ptrace", "io_uring_setup", "kexec_load", "init_module"} <= refused


def test_the_image_brings_bubblewrap(repo_root):
    assert "bubblewrap" in (repo_root / "docker" / "Dockerfile").read_text()


def test_only_the_proxy_listens_and_only_on_loopback(compose):
    ports = {name: s["ports"] for name, s in compose["services"].items() if "ports" in s}
    assert list(ports) == ["nginx"]
    assert all(port.startswith("127.0.0.1:") for port in ports["nginx"])


def test_docker_compose_accepts_it_and_refuses_a_misspelt_key(repo_root, tmp_path):
    tool = shutil.which("docker-compose")
    if tool is None:
        pytest.skip("docker-compose is not installed (Debian package docker-compose)")
    text = (repo_root / "docker-compose.yml").read_text()
    bad = tmp_path / "bad.yml"
    bad.write_text(text.replace("restart:", "restrat:", 1))
    good = [
        tool,
        "--project-directory",
        str(repo_root),
        "-f",
        str(repo_root / "docker-compose.yml"),
    ]
    assert subprocess.run([*good, "config", "-q"], capture_output=True).returncode == 0
    refused = subprocess.run([tool, "-f", str(bad), "config", "-q"], capture_output=True)
    assert refused.returncode != 0
