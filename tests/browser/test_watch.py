"""The watch and the check of a page notice what they are there for."""

import pytest

from tests.browser.keyboard import unreached
from tests.browser.watch import CHECK

pytestmark = pytest.mark.browser


@pytest.fixture
def broken(page, live_portal):
    """A page to spoil; what the watch has heard is the test's to look at."""
    page.goto(f"{live_portal.url}/sign-in/")
    assert page.watch.complaints == []
    yield page
    page.watch.complaints.clear()


@pytest.mark.parametrize(
    ("act", "heard"),
    [
        ("() => console.error('broken')", "broken"),
        ("() => { setTimeout(() => { throw new Error('thrown') }) }", "thrown"),
        ("() => fetch('/no-such-page/').then(() => null)", "404"),
        ("() => fetch('https://elsewhere.invalid/').catch(() => null)", "Content Security Policy"),
        ("() => { document.head.innerHTML += '<style>p { color: red }</style>' }", "Security"),
    ],
)
def test_the_watch_hears(act, heard, broken):
    broken.evaluate(act)
    broken.wait_for_timeout(300)
    assert heard in " ".join(broken.watch.complaints)


@pytest.mark.parametrize(
    ("act", "seen"),
    [
        ("() => document.documentElement.removeAttribute('lang')", "no language"),
        ("() => document.querySelector('h1').remove()", "0 h1"),
        ("() => document.querySelector('label[for]').remove()", "no label"),
        ("() => document.body.append(document.querySelector('h1').cloneNode(true))", "2 h1"),
        ("() => document.body.append(new Image())", "no alt"),
        ("() => document.body.append(document.createElement('button'))", "no words"),
        ("() => { document.querySelector('main').style.minWidth = '4000px' }", "wider than"),
        (
            "() => document.body.append(document.querySelector('input[id]').cloneNode())",
            "ids twice",
        ),
        ("() => { document.querySelector('label').htmlFor = 'gone' }", "points nowhere"),
        ("() => { document.querySelector('.skip').href = '#gone' }", "link to nowhere"),
    ],
)
def test_the_check_sees(act, seen, broken):
    broken.evaluate(act)
    assert seen in " ".join(broken.evaluate(CHECK))


@pytest.mark.parametrize(
    ("act", "seen"),
    [
        (
            "() => { const it = document.querySelector('button'); it.onfocus = () => it.blur() }",
            "not reached: <button>",
        ),
        (
            "() => { for (const it of document.querySelectorAll('*')) it.style.outline = 'none' }",
            "focus not seen: ",
        ),
    ],
)
def test_the_keyboard_finds_what_it_cannot_reach_or_see(act, seen, broken):
    assert unreached(broken) == []
    broken.reload()
    broken.evaluate(act)
    assert seen in " ".join(unreached(broken))
