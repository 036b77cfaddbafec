"""Several at once: one gets the row, everybody gets a number of his own, a key starts one audit."""

import pytest

from tests.services.conftest import drive

pytestmark = pytest.mark.services
MANY = 8


def test_one_of_many_claims_a_row_and_a_stale_fence_writes_nothing(on_either):
    for round_ in drive("claims", on_either)["rounds"]:
        assert sorted(round_["first"], key=str) == [1] + [None] * (MANY - 1)
        assert sorted(round_["second"], key=str) == [2] + [None] * (MANY - 1)
        assert round_["stale"] == {"renewed": False, "released": False, "progress": "", "fence": 2}


def test_audits_started_together_have_numbers_and_looks_of_their_own(on_either):
    started = drive("numbers", on_either)
    assert sorted(number for number, _ in started) == list(range(1, MANY + 1))
    assert sorted(look for _, look in started) == list(range(1, MANY + 1))


def test_the_same_request_sent_many_times_at_once_starts_one_audit(on_either):
    said = drive("one_key", on_either)
    assert said == {"status": [200] * (MANY - 1) + [201], "audits": 1}


def test_a_lease_outlives_a_cut_connection(on_postgres):
    assert drive("cut_while_held", on_postgres) == {
        "cut": True,
        "state": "done",
        "progress": "half way",
        "attempts": 1,
    }


def test_a_row_waits_for_the_sealing_of_its_parent_and_is_refused(on_postgres):
    """Added by one connection while another seals: neither sees the other's work yet."""
    said = drive("add_while_sealing", on_postgres)
    assert "a sealed cohort version never changes" in said["error"]
    assert said["waited"]
    assert said["cases"] == 4
