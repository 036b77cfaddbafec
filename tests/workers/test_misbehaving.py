"""However a child ends, the shard and the audit say so in a sentence a person can read."""

from dataclasses import replace
from functools import partial

import pytest

from ml.sandbox.messages import GIB, Job
from ml.sandbox.warm import WarmChild
from ml.zoo.shades import cohort_folder, model_folder
from portal.audits.models import Evidence, Shard
from portal.audits.planning import start_audit
from portal.intake.models import UploadKind
from portal.leases import WorkState
from tests.services import world
from workers import inference, passes, warm


@pytest.fixture
def audit(make_team, tmp_path, settings):
    settings.MAX_ATTEMPTS = 1
    team = make_team()
    model = world.read_in(team, UploadKind.MODEL, model_folder(tmp_path / "m", channels=4))
    cohort = world.read_in(team, UploadKind.COHORT, cohort_folder(tmp_path / "c", n=6))
    yield start_audit(
        actor=team.owner,
        team=team,
        cohort_version=cohort.cohort_version,
        model_version=model.model_version,
    )
    warm.drop()


@pytest.fixture
def hostile(monkeypatch):
    """`hostile(kind)`: the child does that instead of what it is asked for."""
    real = passes.of_shard

    def make(kind):
        monkeypatch.setattr(
            warm, "WarmChild", partial(WarmChild, module="tests.ml.sandbox.hostile")
        )
        monkeypatch.setattr(
            passes,
            "of_shard",
            lambda shard: replace(real(shard), job=lambda place, _: Job(kind, {}, place.out)),
        )

    return make


def run(audit):
    shard = Shard.objects.get(work__audit=audit)
    inference.run_shard(str(shard.pk))
    shard.refresh_from_db()
    audit.refresh_from_db()
    return shard


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("segfault", "It broke (segmentation fault) while it worked on what it was given."),
        ("kill_self", "It was killed from outside, often because memory ran out."),
        ("sleep", "It took longer than 4 seconds."),
        ("eat_in_pieces", "It needed more memory than is allowed (1 GiB)."),
        ("shout", "It printed more than is allowed and was stopped."),
        ("big_table", "Its result cannot be used: Its result is larger than"),
        ("no_table", "Its result cannot be used: The result that it names is not there."),
        ("outside", "Its result cannot be used: It names a result outside its folder."),
        ("no_parquet", "Its result cannot be used: it cannot be read"),
    ],
)
def test_it_ends_as_a_failed_shard_with_a_sentence(audit, hostile, settings, kind, sentence):
    settings.CHILD_MEMORY_BYTES = GIB
    settings.SHARD_WALL_SECONDS = 4 if kind == "sleep" else 60
    hostile(kind)

    shard = run(audit)

    assert shard.state == WorkState.FAILED
    assert sentence in shard.error
    assert sentence in audit.failure
    assert audit.state == "failed"
    assert not Evidence.objects.exists()


def test_evidence_says_under_which_isolation_it_was_computed(audit):
    from ml.sandbox import levels

    assert run(audit).state == WorkState.DONE
    runtime = Evidence.objects.get().runtime["runtime"]

    assert runtime["isolation"] == levels.choose().to_json()


def test_a_level_that_is_insisted_on_and_missing_opens_nothing(audit, settings, monkeypatch):
    monkeypatch.setattr("ml.sandbox.levels._namespaces", lambda: "bubblewrap is not installed.")
    settings.SANDBOX = "namespaces"

    shard = run(audit)

    assert shard.state == WorkState.FAILED
    assert "bubblewrap is not installed. Nothing was opened." in shard.error


def test_without_isolation_the_audit_page_and_the_status_say_so(
    audit, settings, client, monkeypatch
):
    settings.SANDBOX = "limits"
    assert run(audit).state == WorkState.DONE
    client.force_login(audit.created_by)

    page = client.get(f"/t/{audit.team.slug}/audits/{audit.pk}/").content.decode()

    assert "computed without isolation" in page
    assert client.get("/readyz").json()["isolation"] == "limits"
