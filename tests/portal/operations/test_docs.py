import io

import numpy as np
import pytest
from PIL import Image

from portal.accounts.roles import MAY, Act, Role
from portal.operations.docs import LIVES, PAGES, PICTURES


@pytest.mark.parametrize("name", PAGES)
def test_page_is_current(name, repo_root):
    assert (repo_root / "docs" / name).read_text() == PAGES[name](), "run `make docs`"


def test_pictures_are_current_and_each_is_shown(repo_root):
    docs = repo_root / "docs"
    page, pictures = PAGES["corruptions.md"](), PICTURES()

    assert {f"corruptions/{path.name}" for path in (docs / "corruptions").iterdir()} == set(
        pictures
    )
    for name, content in pictures.items():
        assert f"({name})" in page
        stored, made = (
            np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=float)
            for data in ((docs / name).read_bytes(), content)
        )
        # The last digit of a transform, and so a shade here and there, is the processor's.
        assert np.abs(stored - made).mean() < 2, f"{name}: run `make docs`"


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
