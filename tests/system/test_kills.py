"""Processes are really killed in the middle of an audit: it is delayed, and nothing changes."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
SHORT = {"LEASE_SECONDS": "3", "LEASE_RENEW_SECONDS": "1", "RECONCILE_SECONDS": "1"}


def drive(victim, home, repo_root):
    run = subprocess.run(
        [sys.executable, "-m", "tests.system.driver", victim],
        cwd=repo_root,
        env={**os.environ, **SHORT, "PLUMBLINE_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    log = home / "logs" / "worker.log"
    tail = log.read_text()[-3000:] if log.exists() else ""
    assert run.returncode == 0, f"{run.stderr[-3000:]}\n{tail}"
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    from tests.conftest import ROOT

    return drive("nobody", tmp_path_factory.mktemp("undisturbed"), ROOT)


def test_undisturbed(undisturbed):
    assert undisturbed["state"] == "sealed"
    assert undisturbed["case_results"] == 300
    assert undisturbed["attempts"] == 6  # one per shard: the others below must show more


@pytest.mark.parametrize("victim", ["child", "worker", "broker"])
def test_a_kill_delays_and_changes_nothing(victim, undisturbed, tmp_path, repo_root):
    disturbed = drive(victim, tmp_path / "home", repo_root)

    same = ("measures", "findings", "case_results", "check_runs", "finding_rows")
    assert {key: disturbed[key] for key in same} == {key: undisturbed[key] for key in same}
    # Killed between storing evidence and closing its shard, the repeat finds its own evidence.
    assert len(disturbed["shards"]) == len(undisturbed["shards"])
    assert set(disturbed["shards"]) <= {"done", "reused"}
    assert disturbed["duplicates"] == 0
    assert disturbed["reports"] == 1
    assert disturbed["children_left"] == 0
    if victim != "broker":  # what the broker loses are doorbells, not attempts
        assert disturbed["attempts"] > undisturbed["attempts"]
