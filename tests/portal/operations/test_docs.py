import pytest

from portal.accounts.roles import MAY, Act, Role
from portal.operations.docs import LIVES, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_page_is_current(name, repo_root):
    assert (repo_root / "docs" / name).read_text() == PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.noun)
def test_every_state_has_a_row_and_can_be_reached(life):
    states = set(type(life.first))
    assert set(life.next) == states
    reached = {life.first}.union(*life.next.values())
    # A model version may be entered as draft by later forms of intake.
    assert states - reached <= {"draft"}


def test_every_role_may_look_and_an_owner_may_everything():
    assert all(Act.VIEW in MAY[role] for role in Role)
    assert MAY[Role.OWNER] == frozenset(Act)
