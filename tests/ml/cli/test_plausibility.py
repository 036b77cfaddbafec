"""Maps against masks of the finding, from folders to the report, on a network that is known."""

import json

import pytest

from ml.cli import shards
from ml.cli.main import main
from ml.sandbox.warm import WarmChild
from tests.ml.checks.quadrants import cohort, model
from tests.ml.cli.test_audit_passes import Here

PROTOCOL = """checks: [explanation-faithfulness, explanation-plausibility]
limits: []
draws: 200
explanation_cases: 12
"""


@pytest.fixture
def audited(tmp_path, monkeypatch):
    """The section of the check, and the whole document, of a cohort and a network."""

    def made(child=Here, *, sign=1.0, protocol=PROTOCOL, **of_cohort):
        monkeypatch.setattr(shards, "WarmChild", child)
        model(tmp_path / "model", sign=sign)
        cohort(tmp_path / "cohort", **of_cohort)
        (tmp_path / "protocol.yaml").write_text(protocol)
        code = main(
            ["audit", "--model", str(tmp_path / "model"), "--cohort", str(tmp_path / "cohort"),
             "--protocol", str(tmp_path / "protocol.yaml"), "--out", str(tmp_path / "out")]
        )  # fmt: skip
        document = json.loads((tmp_path / "out" / "audit.json").read_text())
        sections = {section["id"]: section for section in document["checks"]}
        return code, sections["explanation-plausibility"]

    return made


def values(section):
    return {one["id"]: one["value"] for one in section["measures"]}


def claims(section):
    return {one["id"].removeprefix("explanation-plausibility."): one for one in section["findings"]}


@pytest.mark.parametrize("child", [Here, pytest.param(WarmChild, marks=pytest.mark.slow)])
def test_a_network_of_one_quadrant_looks_where_the_mask_is(child, audited):
    code, section = audited(child, readers=("anna", "ben"))

    found = values(section)
    assert code == 0
    assert found["relevance_mass"] > 0.99
    assert found["pointing_game"] == 1
    assert found["mask_area"] == 0.25
    assert found["attribution_localisation"] > 3.9
    assert found["mass_gain:random"] > 0.6
    assert found["quadrant:both"] == 1
    assert found["relevance_mass:two readers"] > 0.7
    assert section["state"] == "info"
    assert (
        "more than of a random map, the edges of the picture or the centre"
        in (claims(section)["relevance_mass"]["claim"])
    )
    assert "no evidence that the network is" in claims(section)["relevance_mass"]["why"]


def test_a_faithful_map_of_another_quadrant_asks_for_a_shortcut(audited):
    _, section = audited(where="lower right")

    found, said = values(section), claims(section)
    assert found["relevance_mass"] < 0.01
    assert found["pointing_game"] == 0
    assert found["quadrant:faithful only"] == 1
    assert found["quadrant:both"] == found["quadrant:neither"] == 0
    assert said["look-for-shortcut"]["state"] == "caution"
    assert said["look-for-shortcut"]["action"].startswith("Look for a shortcut")
    assert said["look-for-shortcut"]["cases"] == [*said["look-for-shortcut"]["cases"]]
    assert sorted(said["look-for-shortcut"]["cases"]) == [f"q{at:02d}" for at in range(1, 12, 2)]
    assert "not shown to be more than" in said["relevance_mass"]["claim"]
    assert {series["kind"] for series in section["series"]} == {"forest", "map-scatter", "points"}


def test_a_network_that_misses_all_findings_is_not_assessed(audited):
    """Its maps are of cases that it called absent: no mask of a finding is meant for these."""
    _, section = audited(sign=-1.0)

    assert section["state"] == "not assessed"
    assert "called so" in section["reason"]


def test_plausibility_alone_says_nothing_of_faithfulness(audited):
    alone = PROTOCOL.replace("explanation-faithfulness, ", "")
    _, section = audited(protocol=alone)

    assert not any(one.startswith("quadrant") for one in values(section))
    assert values(section)["relevance_mass"] > 0.99


def test_a_cohort_without_masks_is_told_so(audited, tmp_path, monkeypatch):
    from tests.ml.checks import quadrants

    kept = quadrants.cohort

    def without(folder, **more):
        kept(folder, **more)
        text = (folder / "cases.csv").read_text().splitlines()
        (folder / "cases.csv").write_text("\n".join(line.rpartition(",")[0] for line in text))
        for path in (folder / "masks").glob("*.png"):
            path.unlink()

    monkeypatch.setitem(globals(), "cohort", without)
    _, section = audited()

    assert section["state"] == "not assessed"
    assert "column 'mask'" in section["reason"]
