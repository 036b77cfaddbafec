"""Each note of intake has a sentence on the page of its case"""

import re
from pathlib import Path

from portal.cohorts.oddities import WORDS, oddities_of


def test_every_note_that_is_documented_has_words(repo_root: Path) -> None:
    page = (repo_root / "docs" / "intake-codes.md").read_text()
    part = page.split("## Notes on images")[1].split("\n## ")[0]

    rows = re.findall(r"^\| (`.*?) \|", part, re.MULTILINE)
    documented = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}

    assert documented == set(WORDS)
    assert all(sentence.endswith(".") for sentence in WORDS.values())


def test_an_image_is_found_by_case_and_position() -> None:
    listed = {
        "cases": [
            {"case_id": "a", "images": [{"notes": ["date_odd"]}, {}]},
            {"case_id": "b", "images": [{"notes": ["burned_in", "of_tomorrow"]}]},
        ]
    }

    assert oddities_of(listed, "a", 0) == [WORDS["date_odd"]]
    assert oddities_of(listed, "a", 1) == []
    assert oddities_of(listed, "b", 0) == [WORDS["burned_in"], "of_tomorrow"]
    assert oddities_of(listed, "b", 1) == oddities_of(listed, "c", 0) == []
