"""Claiming, renewing and letting go of work, with the upload as the row that is worked on."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from portal.blobs import store
from portal.intake.models import Upload
from portal.leases import (
    FINAL,
    WORK,
    LeaseLost,
    WorkState,
    claim,
    give_up_or_wait,
    kept,
    release,
    renew,
)
from portal.lifecycle import IllegalMove


@pytest.fixture
def row(make_team):
    team = make_team()
    blob = store.put_bytes(b"an upload")
    return Upload.objects.create(
        team=team, kind="cohort", file_name="c.zip", blob=blob, created_by=team.owner
    )


def expire(row):
    Upload.objects.filter(pk=row.pk).update(lease_until=Now() - timedelta(seconds=1))


def test_one_claim_at_a_time(row):
    assert claim(Upload, row.pk) == 1
    assert claim(Upload, row.pk) is None


def test_an_expired_lease_goes_to_the_next_and_the_fence_moves_on(row):
    first = claim(Upload, row.pk)
    expire(row)
    second = claim(Upload, row.pk)

    assert (first, second) == (1, 2)
    with pytest.raises(LeaseLost):
        renew(Upload, row.pk, first)
    assert not release(Upload, row.pk, first, WorkState.DONE, progress="from a frozen worker")
    assert release(Upload, row.pk, second, WorkState.DONE)
    row.refresh_from_db()
    assert row.state == WorkState.DONE
    assert row.progress == ""
    assert row.attempts == 2


def test_renewing_moves_the_lease_and_writes_progress(row):
    fence = claim(Upload, row.pk)
    expire(row)

    renew(Upload, row.pk, fence, progress="half way")

    row.refresh_from_db()
    assert row.progress == "half way"
    assert claim(Upload, row.pk) is None


def test_finished_work_is_not_claimed_again(row):
    fence = claim(Upload, row.pk)
    release(Upload, row.pk, fence, WorkState.DONE)

    assert claim(Upload, row.pk) is None


def test_an_illegal_end_is_refused_before_anything_is_written(row):
    fence = claim(Upload, row.pk)

    with pytest.raises(IllegalMove, match="from running to running"):
        release(Upload, row.pk, fence, WorkState.RUNNING)


@pytest.mark.parametrize(
    ("attempts", "state"), [(1, "waiting"), (2, "waiting"), (3, "failed"), (4, "failed")]
)
def test_attempts_run_out(settings, attempts, state):
    settings.MAX_ATTEMPTS = 3
    assert give_up_or_wait(attempts) == state


def test_keeping_a_lease_ends_with_the_body(row, settings):
    fence = claim(Upload, row.pk)
    with kept(Upload, row.pk, fence):
        pass
    assert release(Upload, row.pk, fence, WorkState.DONE)


def test_every_state_has_a_row_in_the_table():
    assert set(WORK.next) == set(WorkState)
    assert all(state in WORK.next for after in WORK.next.values() for state in after)
    assert set(WorkState) > FINAL
