"""What a child would be started with: built, not run, for machines that this one is not."""

import struct
from pathlib import Path

import pytest

from ml.sandbox import bubble, cgroup, landlock, view
from ml.sandbox.messages import Job, Limits


@pytest.fixture
def places(tmp_path):
    for name in ("code", "in", "out", "in/deep"):
        (tmp_path / name).mkdir()
    return tmp_path


def pairs(words, option):
    """(source, place) of every use of an option."""
    return [(words[at + 1], words[at + 2]) for at, word in enumerate(words) if word == option]


def command(places, **more):
    seen = bubble.View([places / "code"], [places / "in"], [places / "out"], **more)
    return bubble.command("/usr/bin/bwrap", seen, work=places / "out")


def test_every_namespace_is_named(places):
    words = command(places)

    for kind in ("user", "pid", "ipc", "uts", "net"):
        assert f"--unshare-{kind}" in words
    assert "--die-with-parent" in words
    assert words[words.index("--uid") + 1] == "65534"
    assert words[words.index("--cap-drop") + 1] == "ALL"
    assert words[-3:] == ["--chdir", str(places / "out"), "--"]
    assert not [word for word in words if word.startswith(("--share", "--dev-bind", "--setenv"))]


def test_only_the_out_folder_is_bound_to_be_written(places):
    words = command(places)

    assert pairs(words, "--bind") == [(str(places / "out"), str(places / "out"))]
    assert {place for _, place in pairs(words, "--ro-bind")} == {
        str(places / "code"), str(places / "in")
    }  # fmt: skip
    last = max(at for at, word in enumerate(words) if word in ("--bind", "--ro-bind"))
    assert words.index("--remount-ro") > last


def test_what_may_be_read_within_the_out_folder_is_not_written(places):
    (places / "out" / "kept").mkdir()
    seen = bubble.View([], [places / "out" / "kept"], [places / "out"])

    words = bubble.command("bwrap", seen, work=places / "out")

    assert words.index("--bind") < words.index("--ro-bind")


def test_a_link_is_bound_as_what_it_leads_to(places):
    (places / "link").symlink_to(places / "in")
    seen = bubble.View([places / "link"], [], [places / "out"])

    words = bubble.command("bwrap", seen, work=places / "out")

    assert pairs(words, "--ro-bind") == [(str(places / "in"), str(places / "link"))]


def test_a_gpu_has_its_devices_and_its_driver(places):
    dev = places / "dev"
    (dev / "nvidia-caps").mkdir(parents=True)
    for name in ("nvidia0", "nvidiactl", "nvidia-uvm", "nvidia-caps/cap1", "sda", "mem"):
        (dev / name).touch()

    devices = view.gpu_devices(dev)
    words = command(
        places, devices=devices, extra=view.gpu_files(f"relative:{places / 'code'}:/usr")
    )

    assert {Path(place).name for _, place in pairs(words, "--dev-bind")} == {
        "nvidia0", "nvidiactl", "nvidia-uvm", "cap1"
    }  # fmt: skip
    read = {place for _, place in pairs(words, "--ro-bind")}
    assert str(places / "code") in read
    assert "/usr" not in read  # a library path is no way to show all of it
    assert "relative" not in read


def test_without_a_gpu_there_are_no_devices(places):
    assert view.gpu_devices(places) == ()
    assert pairs(command(places), "--dev-bind") == []


def test_what_may_be_read_is_ours_to_say_and_not_a_strangers():
    inputs = {
        "path": "/jobs/1/upload.zip",
        "model": {"path": "/jobs/1/model", "manifest": {"path": "/etc/shadow", "file": "/root"}},
        "cases": [
            {"case_id": "/etc/passwd", "images": ["/jobs/1/a"]},
            {"case_id": "b", "masks": {"/var": "/jobs/1/b"}},
            "no case",
        ],
    }

    job = Job("predict", inputs, Path("/jobs/1/out"), (Path("/jobs/1/more"),))

    assert {str(path) for path in job.readable()} == {
        "/jobs/1/upload.zip", "/jobs/1/model", "/jobs/1/a", "/jobs/1/b", "/jobs/1/more"
    }  # fmt: skip
    assert Job("intake", {}, Path("/out")).readable() == []


def test_of_nested_paths_the_outermost_counts(places):
    paths = [places / "in" / "deep", places / "in", places / "in", places / "gone"]
    assert view.outermost(paths) == (places / "in",)


def test_older_kernels_are_asked_for_what_they_know():
    first, network, scopes = landlock.handled(1)
    assert (first, network, scopes) == (0x1FFF, 0, 0)
    assert landlock.handled(3) == (0x7FFF, 0, 0)
    assert landlock.handled(4) == (0x7FFF, 3, 0)
    assert landlock.handled(7) == (0xFFFF, 3, 3)
    # Never among the rights given back: to run, and to make devices, sockets, pipes and links.
    assert not (landlock.WRITE | landlock.READ) & (
        1 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12
    )
    assert struct.calcsize("=Qi") == 12  # the kernel's structure is packed


def test_a_group_of_version_2_where_one_was_delegated(tmp_path, monkeypatch):
    monkeypatch.setenv(cgroup.NAMED, str(tmp_path))
    for name in ("memory.max", "memory.swap.max", "pids.max", "memory.events"):
        (tmp_path / name).touch()
    seen = {}
    monkeypatch.setattr(cgroup, "_limit", lambda folder, *limits: seen.update({folder: limits}))

    group = cgroup.make(1 << 30, 99)

    assert group is not None
    (folder,) = group.folders
    assert folder.parent == tmp_path
    assert seen == {folder: (1 << 30, 99)}
    assert group.joined(["python"])[-2:] == [str(folder), "python"]
    (folder / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    assert group.out_of_memory()
    (folder / "memory.events").unlink()
    group.remove()
    assert not folder.exists()


def test_limits_of_a_group_are_written_where_the_kernel_has_them(tmp_path):
    for name in ("memory.max", "memory.swap.max", "pids.max"):
        (tmp_path / name).touch()

    cgroup._limit(tmp_path, 4096, 7)

    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert written == {"memory.max": "4096", "memory.swap.max": "0", "pids.max": "7"}


def test_no_group_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv(cgroup.NAMED, str(tmp_path / "gone"))
    assert cgroup.make(1, 1) is None
    monkeypatch.delenv(cgroup.NAMED)
    assert cgroup.make(1, 1, root=tmp_path) is None


def test_a_gpu_has_no_limit_of_address_space():
    from ml.engine.plan import limits_of

    assert limits_of("predict", device="cuda") == Limits(memory_bytes=None, gpu=True)
    assert limits_of("predict", device="cpu").gpu is False
