import stat
import zipfile

import pytest

from ml.intake import folder as folders
from ml.intake.folder import natural_order, open_folder
from ml.intake.refusal import Refused
from tests.ml.intake.build import codes


def make_zip(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def refused_codes(path, tmp_path):
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    with pytest.raises(Refused) as refused, open_folder(path, work):
        pass
    assert list(work.iterdir()) == []  # nothing is left behind
    return codes(refused)


def test_a_zip_reads_like_its_folder_and_leaves_nothing(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("top/cohort.yaml", b"a: 1"), ("top/x/y.txt", b"hello")])

    with open_folder(path, tmp_path, "cohort.yaml") as folder:
        assert folder.sizes == {"cohort.yaml": 4, "x/y.txt": 5}
        assert folder.read("x/y.txt", most=10) == b"hello"

    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_litter_of_zip_tools_is_ignored(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("d/m.yaml", b"1"), ("__MACOSX/d/._m", b"2")])

    with open_folder(path, tmp_path, "m.yaml") as folder:
        assert list(folder.sizes) == ["m.yaml"]


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/etc/x", "a\\b", "C:x", "a//b", "./x", "a\x07b", "x" * 2000]
)
def test_names_that_lead_elsewhere(name, tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name
        archive.writestr(info, b"x")

    assert refused_codes(path, tmp_path) == ["archive_path"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("a", b"1"), ("a", b"2")])

    assert refused_codes(path, tmp_path) == ["archive_path"]


def test_a_link_in_a_zip(tmp_path):
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = make_zip(tmp_path / "a.zip", [(info, b"/etc/passwd")])

    assert refused_codes(path, tmp_path) == ["archive_link"]


def test_a_link_in_a_folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to("/etc")

    assert refused_codes(tmp_path / "in", tmp_path) == ["archive_link"]


def test_an_encrypted_entry(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("a", b"hello")])
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)

    assert refused_codes(path, tmp_path) == ["archive_encrypted"]


def test_a_bomb_by_ratio(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "SMALL", 1 << 20)
    path = make_zip(tmp_path / "a.zip", [("a", bytes(4 << 20))])

    assert refused_codes(path, tmp_path) == ["archive_limit"]


def test_a_bomb_by_size(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "MOST_BYTES", 100)
    path = make_zip(tmp_path / "a.zip", [("a", b"x" * 60), ("b", b"y" * 60)])

    assert refused_codes(path, tmp_path) == ["archive_limit"]


def test_a_bomb_by_count(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "MOST_FILES", 3)
    path = make_zip(tmp_path / "a.zip", [(str(n), b"") for n in range(4)])

    assert refused_codes(path, tmp_path) == ["archive_limit"]


def test_a_list_without_end_is_counted_before_a_library_keeps_it(tmp_path, monkeypatch):
    path = make_zip(tmp_path / "a.zip", [(str(n), b"x") for n in range(5)])
    monkeypatch.setattr(folders, "MOST_FILES", 3)
    monkeypatch.setattr(folders, "MOST_FOLDERS", 1)
    opened = []
    monkeypatch.setattr(zipfile, "ZipFile", lambda *given: opened.append(given))

    assert refused_codes(path, tmp_path) == ["archive_limit"]
    monkeypatch.setattr(folders, "MOST_FOLDERS", 9)
    monkeypatch.setattr(folders, "MOST_LIST_BYTES", 100)
    assert refused_codes(path, tmp_path) == ["archive_limit"]
    assert opened == []


def test_an_archive_in_the_archive(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("inner.zip", b"PK")])

    assert refused_codes(path, tmp_path) == ["archive_limit"]


def test_a_forged_size_is_a_damaged_zip(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("a", b"x" * 1000)])
    data = path.read_bytes()
    path.write_bytes(data.replace((1000).to_bytes(4, "little"), (10).to_bytes(4, "little")))

    assert refused_codes(path, tmp_path) == ["archive_corrupt"]


def test_a_truncated_zip(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("a", b"x" * 1000), ("b", b"y")])
    path.write_bytes(path.read_bytes()[:-30])

    assert refused_codes(path, tmp_path) == ["archive_corrupt"]


def test_entries_that_share_their_bytes(tmp_path):
    """A bomb without nesting: every name of the list leads to the same packed numbers."""
    path = make_zip(tmp_path / "a.zip", [("aa", bytes(1000)), ("ab", b"x")])
    data = bytearray(path.read_bytes())
    first = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", first + 4)
    data[second + 16 : second + 28] = data[first + 16 : first + 28]  # CRC and sizes
    data[second + 42 : second + 46] = data[first + 42 : first + 46]  # where it lies
    path.write_bytes(data)

    assert refused_codes(path, tmp_path) == ["archive_corrupt"]


def test_an_unusual_method(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", b"x")

    assert refused_codes(path, tmp_path) == ["archive_corrupt"]


def test_nothing_there(tmp_path):
    assert refused_codes(tmp_path / "nowhere", tmp_path) == ["not_found"]


def test_only_listed_names_can_be_opened(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_text("x")
    with open_folder(tmp_path / "in", tmp_path) as folder, pytest.raises(KeyError):
        folder.path("../secret")


def test_slices_sort_as_people_count():
    names = ["s10.dcm", "s2.dcm", "a.dcm", "s1.dcm"]

    assert sorted(names, key=natural_order) == ["a.dcm", "s1.dcm", "s2.dcm", "s10.dcm"]


def test_a_text_that_is_called_zip(tmp_path):
    (tmp_path / "a.zip").write_text("case_id\n")

    assert refused_codes(tmp_path / "a.zip", tmp_path) == ["archive_corrupt"]
