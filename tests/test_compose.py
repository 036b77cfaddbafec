"""docker-compose.yml is valid, and names every service that production needs."""

import shutil
import subprocess

import pytest
import yaml


@pytest.fixture
def compose(repo_root):
    return yaml.safe_load((repo_root / "docker-compose.yml").read_text())


def test_has_every_part_of_production(compose):
    services = compose["services"]
    wanted = {"web", "worker-cpu", "worker-gpu", "beat", "postgres", "redis", "objects", "nginx"}
    assert wanted <= set(services)
    devices = services["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices[0]["capabilities"] == ["gpu"]


def test_every_queue_has_a_worker(compose):
    from portal.jobs import Queue

    served = set()
    for service in compose["services"].values():
        words = str(service.get("command", "")).split()
        if "--queues" in words:
            served |= set(words[words.index("--queues") + 1].split(","))
    assert served == set(Queue)


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
