"""What a child leaves is looked at before it is read."""

import os

import pytest

from ml.sandbox.results import ResultError, left, take, use_of


def look(folder, **most):
    return use_of(folder, **({"most_bytes": None, "most_files": None} | most))


def test_files_and_folders_are_what_a_job_leaves(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a").write_bytes(b"12345")

    assert look(tmp_path) == ""
    assert look(tmp_path, most_bytes=5, most_files=2) == ""
    assert look(tmp_path, most_bytes=4).startswith("It wrote more than")
    assert look(tmp_path, most_files=1) == "It made more than 1 files."
    assert look(tmp_path / "gone") == ""


@pytest.mark.parametrize("what", ["symlink", "folder_link", "hard_link", "pipe", "setuid", "deep"])
def test_nothing_else_is(what, tmp_path):
    out, secret = tmp_path / "out", tmp_path / "secret"
    out.mkdir()
    secret.write_text("of another team")
    make = {
        "symlink": lambda: (out / "table").symlink_to(secret),
        "folder_link": lambda: (out / "table").symlink_to(tmp_path),
        "hard_link": lambda: (out / "table").hardlink_to(secret),
        "pipe": lambda: os.mkfifo(out / "table"),
        "setuid": lambda: ((out / "table").touch(), (out / "table").chmod(0o4755)),
        "deep": lambda: ((out / "a").mkdir(), (out / "a" / "table").symlink_to(secret)),
    }
    make[what]()

    assert look(out) == "It left something in its folder that is not a plain file."
    with pytest.raises(ResultError):
        take(out, "table", most_bytes=1000)


def test_a_result_is_taken_whole_or_not_at_all(tmp_path):
    (tmp_path / "table").write_bytes(b"12345")

    assert take(tmp_path, "table", most_bytes=5) == b"12345"
    with pytest.raises(ResultError, match="larger than the 4 bytes"):
        take(tmp_path, "table", most_bytes=4)


@pytest.mark.parametrize("name", ["", ".", "..", "../secret", "/etc/passwd", "a/b", "a\0b", "none"])
def test_a_name_is_no_path(name, tmp_path):
    out = tmp_path / "out"
    (out / "a").mkdir(parents=True)
    (out / "a" / "b").touch()
    (tmp_path / "secret").touch()

    with pytest.raises(ResultError):
        take(out, name, most_bytes=1000)


def test_a_folder_that_became_a_link_is_not_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "table").touch()
    (tmp_path / "out").symlink_to(tmp_path / "real")

    with pytest.raises(ResultError):
        take(tmp_path / "out", "table", most_bytes=10)


@pytest.mark.parametrize(
    "name",
    ["../secret", "files/../../secret", "/etc/passwd", "", ".", "files/", "files//a", "a\0b", None,
     3, "link", "linked/a", "files", "missing", "pipe"],
)  # fmt: skip
def test_a_file_that_was_left_lies_below_the_folder_and_is_plain(name, tmp_path):
    out = tmp_path / "out"
    (out / "files").mkdir(parents=True)
    (out / "files" / "a").write_bytes(b"a")
    (tmp_path / "secret").write_bytes(b"secret")
    (out / "link").symlink_to(tmp_path / "secret")
    (out / "linked").symlink_to(out / "files")
    os.mkfifo(out / "pipe")

    assert left(out, "files/a") == out / "files" / "a"
    with pytest.raises(ResultError):
        left(out, name)
