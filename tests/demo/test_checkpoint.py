"""The checkpoint that is to be refused: fetched and unpacked without running anything of it."""

import io
import tarfile

import pytest

from demo import checkpoint, packages
from demo.packages import Package, PackageError, fetch, sha256_of

ARCHIVE = "tiny_scans-1.0.tar.gz"


@pytest.fixture
def index(tmp_path, monkeypatch):
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def made(folder, tmp_path, name="tiny_scans-1.0/tiny_scans/weights.pt", link=False):
    """A source archive whose setup.py leaves a mark wherever it is run."""
    with tarfile.open(folder / ARCHIVE, "w:gz") as archive:
        setup = f"open({str(tmp_path / 'ran')!r}, 'w')".encode()
        for path, data in (("tiny_scans-1.0/setup.py", setup), (name, b"\x80\x02}q\x00.")):
            info = tarfile.TarInfo(path)
            info.size = len(data)
            if link and path == name:
                info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/passwd", 0
            archive.addfile(info, io.BytesIO(data))
    return Package(
        "tiny-scans", "1.0", ARCHIVE, sha256_of(folder / ARCHIVE), 0.1, (name,)
    )  # fmt: skip


@pytest.fixture
def ours(monkeypatch):
    def use(package):
        monkeypatch.setattr(checkpoint, "CHEXWHATSAPP", package)
        monkeypatch.setattr(checkpoint, "MEMBER", package.members[0])
        digest = packages.hashlib.sha256(b"\x80\x02}q\x00.").hexdigest()
        monkeypatch.setattr(checkpoint, "SHA256", digest)

    return use


def test_a_source_archive_is_fetched_as_it_lies_there(index, tmp_path, ours):
    package = made(index, tmp_path)
    ours(package)

    out = checkpoint.build(tmp_path / "cache", tmp_path / "out", say=lambda _: None)
    again = checkpoint.build(tmp_path / "cache", tmp_path / "out", say=lambda _: None)

    assert again == out
    assert [path.name for path in out.iterdir()] == [checkpoint.FILE]
    assert (out / checkpoint.FILE).read_bytes() == b"\x80\x02}q\x00."
    assert not (tmp_path / "ran").exists()


def test_an_index_without_it_says_what_to_do(index, tmp_path):
    package = Package("tiny-scans", "1.0", ARCHIVE, "0" * 64, 0.1, ())

    with pytest.raises(PackageError, match="could not be fetched"):
        fetch(package, tmp_path / "cache", lambda _: None)


@pytest.mark.parametrize("changes", [{"link": True}, {"name": "tiny_scans-1.0/other.pt"}])
def test_a_member_that_is_no_such_file_is_not_taken(changes, index, tmp_path, ours, monkeypatch):
    ours(made(index, tmp_path, **changes))
    monkeypatch.setattr(checkpoint, "MEMBER", "tiny_scans-1.0/tiny_scans/weights.pt")

    with pytest.raises(PackageError, match="no plain file"):
        checkpoint.build(tmp_path / "cache", tmp_path / "out", say=lambda _: None)


def test_another_checkpoint_is_not_taken(index, tmp_path, ours, monkeypatch):
    ours(made(index, tmp_path))
    monkeypatch.setattr(checkpoint, "SHA256", "0" * 64)

    with pytest.raises(PackageError, match="not the file"):
        checkpoint.build(tmp_path / "cache", tmp_path / "out", say=lambda _: None)
    assert not list((tmp_path / "out").iterdir())
