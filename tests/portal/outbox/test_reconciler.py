"""What is lost between rows and broker is found again."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from ml.checks.registry import checks_of
from ml.protocol import Protocol
from portal import jobs
from portal.audits.models import Audit, CheckRun, Shard
from portal.leases import WorkState, claim
from portal.outbox import reconciler
from portal.outbox.models import OutboxMessage
from portal.seen import actions
from portal.seen.models import Exploration, Seen, Worsened

ASKED = len(checks_of(Protocol.default(), "classification"))


@pytest.fixture
def broker(monkeypatch):
    """Takes messages down, or refuses them: `broker.away = True`."""

    class Broker:
        away = False

        def __init__(self):
            self.taken = []

        def send(self, job, kwargs, queue):
            if self.away:
                raise ConnectionError("no broker")
            self.taken.append((job, queue, kwargs))

    broker = Broker()
    monkeypatch.setattr(jobs.app, "send_task", broker.send)
    return broker


@pytest.fixture
def audit(make_team, make_audit, make_cohort_version):
    team = make_team()
    return make_audit(team, cohort=make_cohort_version(team, n=120))


def age_outbox():
    OutboxMessage.objects.update(created_at=Now() - timedelta(seconds=5))


def test_a_doorbell_waits_while_the_broker_is_away(
    broker, make_team, make_audit, django_capture_on_commit_callbacks
):
    broker.away = True
    with django_capture_on_commit_callbacks(execute=True):
        make_audit(make_team())
    assert OutboxMessage.objects.count() == 1
    assert broker.taken == []

    broker.away = False
    age_outbox()
    assert reconciler.ring_outbox() == 1
    assert OutboxMessage.objects.count() == 0
    assert broker.taken[0][:2] == (jobs.Job.RUN_SHARD, jobs.Queue.INFERENCE)


def test_a_young_message_is_left_to_the_request_that_wrote_it(broker, audit):
    assert OutboxMessage.objects.count() == 3
    assert reconciler.ring_outbox() == 0


def test_work_of_a_silent_worker_waits_again(broker, audit, settings):
    shard = Shard.objects.first()
    claim(Shard, shard.pk)
    assert reconciler.expire(Shard) == 0
    Shard.objects.filter(pk=shard.pk).update(lease_until=Now() - timedelta(seconds=1))

    assert reconciler.expire(Shard) == 1

    shard.refresh_from_db()
    assert shard.state == WorkState.WAITING
    assert shard.rung_at is None


def test_work_that_used_up_its_attempts_fails_and_its_audit_says_so(broker, audit, settings):
    settings.MAX_ATTEMPTS = 1
    shard = Shard.objects.order_by("position").first()
    Shard.objects.exclude(pk=shard.pk).delete()
    claim(Shard, shard.pk)
    Shard.objects.filter(pk=shard.pk).update(lease_until=Now() - timedelta(seconds=1))

    reconciler.reconcile()

    audit.refresh_from_db()
    assert audit.state == "failed"
    assert "stopped answering" in audit.failure


def test_waiting_work_is_rung_for_again_only_when_its_queue_stands_still(broker, audit):
    Shard.objects.update(rung_at=Now() - timedelta(seconds=60))
    first = Shard.objects.order_by("position").first()
    claim(Shard, first.pk)
    OutboxMessage.objects.all().delete()

    assert reconciler.ring_waiting(Shard, reconciler.audits.ring_shard) == 0
    Shard.objects.filter(pk=first.pk).update(state="waiting", lease_until=None)
    assert reconciler.ring_waiting(Shard, reconciler.audits.ring_shard) == 3
    assert reconciler.ring_waiting(Shard, reconciler.audits.ring_shard) == 0  # just rung


def test_work_of_a_stopped_audit_is_left_alone(broker, audit):
    Audit.objects.filter(pk=audit.pk).update(state="stopped")
    Shard.objects.update(rung_at=None)

    assert reconciler.ring_waiting(Shard, reconciler.audits.ring_shard) == 0


def test_an_audit_whose_last_worker_died_before_looking_further_moves_on(broker, audit):
    Shard.objects.all().delete()
    assert CheckRun.objects.filter(rung_at=None).count() == ASKED
    OutboxMessage.objects.all().delete()

    assert reconciler.advance_all() == 1

    assert CheckRun.objects.filter(rung_at=None).count() == 0
    assert OutboxMessage.objects.filter(job=jobs.Job.RUN_CHECK).count() == ASKED


def test_what_a_model_saw_is_made_although_its_worker_died(
    broker, make_team, make_model_version, make_cohort_version
):
    team = make_team()
    case = make_cohort_version(team).cases.first()
    seen = actions.ask(actor=team.owner, version=make_model_version(team), case=case)
    claim(Seen, seen.pk)
    Seen.objects.update(lease_until=Now() - timedelta(seconds=1))
    OutboxMessage.objects.all().delete()

    done = reconciler.reconcile()

    assert (done["expired"], done["repeated"]) == (1, 1)
    (message,) = OutboxMessage.objects.all()
    assert (message.job, message.kwargs) == (jobs.Job.PREPARE_SEEN, {"seen_id": str(seen.pk)})


def test_what_corruptions_look_like_is_made_although_its_worker_died(broker, make_team, make_audit):
    team = make_team()
    audit = make_audit(team)
    row = actions.ask_worsened(actor=team.owner, audit=audit, wanted=[["gamma", "c0"]])
    claim(Worsened, row.pk)
    Worsened.objects.update(lease_until=Now() - timedelta(seconds=1))
    OutboxMessage.objects.all().delete()

    assert reconciler.reconcile()["expired"] == 1

    wanted = {"worsened_id": str(row.pk)}
    assert OutboxMessage.objects.get(job=jobs.Job.PREPARE_WORSENED).kwargs == wanted


def test_a_region_is_asked_about_although_its_worker_died(
    broker, make_team, make_audit, make_cohort_version
):
    team = make_team()
    audit = make_audit(team, cohort=make_cohort_version(team))
    case = audit.cohort_version.cases.first()
    row = actions.explore(
        actor=team.owner, audit=audit, case=case, name="tag", box=(0.0, 0.0, 0.5, 0.5)
    )
    claim(Exploration, row.pk)
    Exploration.objects.update(lease_until=Now() - timedelta(seconds=1))
    OutboxMessage.objects.all().delete()

    assert reconciler.reconcile()["expired"] == 1

    wanted = {"exploration_id": str(row.pk)}
    assert OutboxMessage.objects.get(job=jobs.Job.EXPLORE_REGION).kwargs == wanted
