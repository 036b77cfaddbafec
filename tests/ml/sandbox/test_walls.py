"""What a child can do behind its walls, tried from inside at every level this machine has."""

import os
import platform
import signal
import tempfile
from pathlib import Path

import pytest

from ml.sandbox import cgroup, landlock, levels, seccomp, view
from ml.sandbox.messages import GIB, MIB, Job, Limits
from ml.sandbox.parent import PROJECT_ROOT, run

HOSTILE = "tests.ml.sandbox.hostile"
ISOLATED = ("namespaces", "landlock")
SECRETS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "AWS_SECRET_ACCESS_KEY")
NOT_THERE = {"EACCES", "ENOENT", "EPERM"}


def have(level):
    try:
        levels.choose(level)
    except levels.Unavailable as why:
        pytest.skip(str(why))
    return level


@pytest.fixture(params=levels.LEVELS, scope="module")
def level(request):
    return have(request.param)


@pytest.fixture(params=ISOLATED, scope="module")
def isolated(request):
    return have(request.param)


def start(kind, out, level, inputs=None, reads=(), **limits):
    limits = {"wall_seconds": 60, "cpu_seconds": 30, "memory_bytes": 2 * GIB} | limits
    job = Job(kind, inputs or {}, out, tuple(reads))
    return run(job, limits=Limits(isolation=level, **limits), module=HOSTILE)


class Tried:
    """The answers of one child to all that it tried, and the places it was sent to."""

    def __init__(self, base, level, at_home):
        self.level, self.base = level, base
        self.out, self.given, self.other = base / "out", base / "given", base / "other-job"
        for folder in (self.out, self.given, self.other):
            folder.mkdir()
        (self.given / "image").write_text("for this job")
        (self.other / "image").write_text("of another job")
        self.forbidden = [
            "/etc/shadow",
            "/etc/passwd",
            str(at_home),
            "/home",
            "/var",
            str(self.other),
            str(self.other / "image"),
            str(PROJECT_ROOT / "portal" / "settings.py"),
            str(PROJECT_ROOT / "pyproject.toml"),
            str(PROJECT_ROOT / ".git"),
        ]
        # Nobody may write there, even where this process itself is root.
        self.not_writable = [
            str(self.given),
            str(self.given / "image"),
            str(self.other),
            str(base),
            str(PROJECT_ROOT),
            str(PROJECT_ROOT / "ml" / "version.py"),
            "/",
            "/dev",
            "/dev/shm",
            "/usr/lib",
            "/var/tmp",
            "/proc/sys/kernel/core_pattern",
        ]
        inputs = {
            "read": [*self.forbidden, str(self.given / "image")],
            # Where nothing isolates, these would be written.
            "write": self.not_writable if level in ISOLATED else [],
            "parent": os.getpid(),
        }
        patch = pytest.MonkeyPatch()
        for name in SECRETS:
            patch.setenv(name, "hush")
        try:
            outcome = start("probe", self.out, level, inputs, [self.given])
        finally:
            patch.undo()
        assert outcome.state == "done", (outcome.reason, outcome.log)
        self.isolation = outcome.isolation
        self.result = outcome.result


@pytest.fixture(scope="module")
def at_home():
    """A file of the user that runs the tests."""
    with tempfile.NamedTemporaryFile(dir=Path.home(), prefix=".plumbline-test-") as file:
        file.write(b"private")
        file.flush()
        yield Path(file.name)


@pytest.fixture(scope="module")
def tried(level, tmp_path_factory, at_home):
    """Tried at any level."""
    return Tried(tmp_path_factory.mktemp("tried"), level, at_home)


@pytest.fixture(scope="module")
def tried_isolated(isolated, tmp_path_factory, at_home):
    """Tried at the levels that isolate."""
    return Tried(tmp_path_factory.mktemp("tried"), isolated, at_home)


# --- what the filter over system calls holds, at every level -----------------------------------


@pytest.fixture(autouse=True)
def _filter():
    if not seccomp.available():
        pytest.skip("no filter over system calls on this kernel or architecture")


def test_no_socket_of_any_family(tried):
    assert set(tried.result["sockets"].values()) == {"EPERM"}, tried.result["sockets"]
    assert tried.result["socketpair"] == "EPERM"


def test_dangerous_calls_are_refused(tried):
    got = {name: said for name, said in tried.result["calls"].items() if said != "not tried"}
    assert set(got.values()) == {"EPERM"}, {k: v for k, v in got.items() if v != "EPERM"}
    assert len(got) > 30


def test_no_process_is_started_and_no_program(tried):
    for what in ("fork", "spawn", "clone_process", "clone_newuser", "clone_newnet_thread"):
        assert tried.result[what] == "EPERM", what


def test_no_signal_and_no_limit_reaches_the_parent(tried):
    assert tried.result["signal_parent"] == "EPERM"
    assert tried.result["prlimit_parent"] == "EPERM"


def test_it_leaves_plain_files_only(tried):
    for what in ("symlink", "hard_link", "pipe_file"):
        assert tried.result[what] == "EPERM", what
    assert list(tried.out.iterdir()) == []


def test_it_has_no_privilege_and_gets_none(tried):
    status = tried.result["status"]
    assert int(status["CapEff"], 16) == 0
    assert int(status["CapPrm"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"  # a filter
    if tried.level != "namespaces":  # there, groups of the host have no name
        assert status["Groups"] in ("", *([] if os.geteuid() == 0 else [status["Groups"]]))


def test_no_secret_and_no_descriptor_of_the_parent(tried):
    assert not set(tried.result["environment"]) & set(SECRETS)
    assert sum(kind != "pipe" for kind in tried.result["open_descriptors"]) <= 1  # the listing's


def test_it_works_where_it_should(tried):
    assert tried.result["in_out"] == "done"
    assert tried.result["read"][str(tried.given / "image")] == "done"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x32 is an ABI of x86_64")
def test_calls_by_another_numbering_end_the_child(level, tmp_path):
    outcome = start("old_call", tmp_path, level)

    assert outcome.state == "crashed"
    assert outcome.exit_code == -signal.SIGSYS
    assert "system call" in outcome.reason


# --- what namespaces or Landlock hold -----------------------------------------------------------


def test_no_file_but_its_own_is_read(tried_isolated):
    answers = {path: tried_isolated.result["read"][path] for path in tried_isolated.forbidden}
    assert set(answers.values()) <= NOT_THERE, answers


def test_nothing_is_written_outside_its_folder(tried_isolated):
    answers = tried_isolated.result["write"]
    refused = {*NOT_THERE, "EROFS", "EISDIR"}
    for path, answer in answers.items():
        # In a namespace /tmp is another one, in memory: what is written there is not written here.
        own_tmp = tried_isolated.level == "namespaces" and path.startswith("/tmp/")
        assert answer in refused or own_tmp, (path, answer)
    assert tried_isolated.result["sysctl"] in refused
    base = tried_isolated.base
    assert {str(path.relative_to(base)) for path in base.rglob("*")} == {
        *("out", "given", "given/image", "other-job", "other-job/image")
    }
    assert (tried_isolated.given / "image").read_text() == "for this job"


def test_no_sight_of_other_processes(tried_isolated):
    result = tried_isolated.result
    # In a namespace: bubblewrap's own, and the child.
    assert result["processes"] == (2 if tried_isolated.level == "namespaces" else "EACCES")
    assert result["parent_environ"] in NOT_THERE
    assert result["parent_root"] in NOT_THERE


def test_a_namespace_has_names_and_a_user_of_its_own(tmp_path, at_home):
    tried = Tried(tmp_path, have("namespaces"), at_home)

    assert tried.result["uid"] == 65534
    assert tried.result["host"] == "sandbox"
    assert set(tried.isolation["walls"]) >= {"limits", "seccomp", "namespaces"}


def test_its_memory_disk_has_an_end(tmp_path):
    outcome = start("in_tmp", tmp_path, have("namespaces"), tmp_bytes=8 * MIB)

    assert outcome.result == {"error": "ENOSPC"}


# --- limits, at every level ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["memory_bomb", "eat_in_pieces"])
def test_no_more_memory_than_allowed(level, kind, tmp_path):
    outcome = start(kind, tmp_path, level, memory_bytes=GIB)

    assert outcome.state == "out_of_memory"
    assert outcome.reason == "It needed more memory than is allowed (1 GiB)."


def test_memory_in_use_is_counted_where_address_space_is_not(level, tmp_path):
    if not group_works():
        pytest.skip("no control group can be made here")
    outcome = start("eat_in_pieces", tmp_path, level, memory_bytes=None, resident_bytes=256 * MIB)

    assert outcome.state == "out_of_memory"
    assert outcome.reason == "It needed more memory than is allowed (0.25 GiB)."


def group_works():
    group = cgroup.make(64 * MIB, 20)
    if group is None:
        return False
    group.remove()
    return not any(folder.exists() for folder in group.folders)


def test_no_more_threads_than_allowed(level, tmp_path):
    if not group_works() and (level != "namespaces" or os.geteuid() == 0):
        pytest.skip("threads are counted by a control group, or in a namespace of a plain user")
    outcome = start("threads", tmp_path, level, {"most": 400}, tasks=40)

    assert outcome.state == "done"
    assert 0 < outcome.result["started"] < 40


def test_no_more_open_files_than_allowed(level, tmp_path):
    outcome = start("open_files", tmp_path, level, open_files=50)

    assert outcome.result["error"] == "EMFILE"
    assert outcome.result["opened"] < 50


def test_no_larger_file_than_allowed(level, tmp_path):
    outcome = start("big_file", tmp_path, level, file_bytes=10 * MIB)

    assert outcome.state == "crashed"
    assert (tmp_path / "big").stat().st_size <= 10 * MIB


def test_not_more_in_all_than_allowed(level, tmp_path):
    outcome = start("fill", tmp_path, level, out_bytes=64 * MIB)

    assert outcome.state == "crashed"
    assert outcome.reason == "It wrote more than 0.0625 GiB in all."
    assert outcome.seconds < 50


def test_not_more_files_than_allowed(level, tmp_path):
    outcome = start("many_files", tmp_path, level, out_files=100)

    assert (outcome.state, outcome.reason) == ("crashed", "It made more than 100 files.")


def test_not_more_seconds_of_processor_than_allowed(level, tmp_path):
    outcome = start("loop", tmp_path, level, cpu_seconds=1)

    assert outcome.state == "timed_out"
    assert outcome.exit_code == -signal.SIGXCPU


# --- every way to misbehave ends in a sentence ----------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "state", "words"),
    [
        ("segfault", "crashed", "broke (segmentation fault)"),
        ("kill_self", "crashed", "killed from outside"),
        ("sleep", "timed_out", "longer than"),
        ("shout", "crashed", "printed more than is allowed"),
        ("chatter", "crashed", "printed more than is allowed"),
    ],
)
def test_misbehaviour_ends_in_a_sentence(level, kind, state, words, tmp_path):
    wall = 4 if kind == "sleep" else 90
    outcome = start(kind, tmp_path, level, wall_seconds=wall, cpu_seconds=80)

    assert outcome.state == state
    assert words in outcome.reason
    assert outcome.result == {}
    assert outcome.isolation["level"] == level


# --- choosing ------------------------------------------------------------------------------------


def test_the_strongest_level_is_taken_and_a_named_one_insisted_on(monkeypatch, tmp_path):
    monkeypatch.delenv("SANDBOX", raising=False)
    monkeypatch.setattr(levels, "_namespaces", lambda: "bubblewrap is not installed.")
    have("landlock")
    assert levels.choose().level == "landlock"
    assert levels.choose().missing == ("bubblewrap is not installed.",)
    outcome = start("echo", tmp_path, "namespaces")
    assert outcome.state == "crashed"
    assert "bubblewrap is not installed. Nothing was opened." in outcome.reason

    monkeypatch.setattr(landlock, "abi", lambda: 0)
    weakest = levels.choose()
    assert weakest.level == "limits"
    assert "without isolation" in levels.warning(weakest)

    monkeypatch.setenv("SANDBOX", "landlock")
    assert "no Landlock" in start("echo", tmp_path, "auto").reason


def test_a_misspelt_level_opens_nothing(tmp_path):
    outcome = start("echo", tmp_path, "bublewrap")

    assert outcome.state == "crashed"
    assert "SANDBOX is 'bublewrap'; it can be auto, namespaces" in outcome.reason


def test_a_wall_that_cannot_be_put_up_stops_the_job(level, tmp_path, monkeypatch):
    """The filter is told to be for a machine that this is not."""
    broken = levels.Isolation(level, (*levels.choose(level).walls, "moat"))
    monkeypatch.setattr(levels, "choose", lambda _: broken)

    outcome = start("echo", tmp_path, level)

    assert outcome.state == "crashed"
    assert outcome.reason.startswith("Its isolation could not be set up, so nothing was opened")
    assert "moat" in outcome.reason


def test_a_bubblewrap_that_fails_is_told(tmp_path):
    outcome = start("echo", tmp_path, have("namespaces"), reads=[tmp_path / "missing"])
    assert outcome.state == "done"  # a missing input is the job's to find out

    (tmp_path / "fake").mkdir()
    broken = tmp_path / "fake" / "bwrap"
    broken.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
    )
    broken.chmod(0o755)
    patch = pytest.MonkeyPatch()
    patch.setattr("ml.sandbox.bubble.program", lambda: str(broken))
    try:
        failed = start("echo", tmp_path, "namespaces")
    finally:
        patch.undo()
    assert failed.state == "crashed"
    assert "No permissions to create new namespace" in failed.reason


def test_code_that_is_shown_holds_no_setting_and_no_data():
    shown = view.code("ml.sandbox.child")
    own = [path for path in shown if path.is_relative_to(PROJECT_ROOT)]
    assert {path.name for path in own} <= {"ml", ".venv"}
    assert not set(shown) & view.WIDE
