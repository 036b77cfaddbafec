"""An ensemble is run once for its answer and its members' answers, and neither table shows it."""

from dataclasses import dataclass

import numpy as np
import pytest

from ml.engine import predict
from ml.engine.ensemble import EnsembleSession
from ml.engine.plan import PREDICT, SAMPLES, PassPlan, job_of_shard, walked_with
from ml.engine.predict import predict_job
from ml.engine.samples import samples_job
from ml.engine.session import ModelError, Session
from ml.evidence.store import rows, table
from ml.intake.model_manifest import ModelManifest
from tests.ml.engine.test_predict import stored_image
from tests.ml.intake.build import MANIFEST, QUIET, merged

DECLARED = merged(
    merged(MANIFEST, {"format": "ensemble", "file": None, "members": ["a", "b", "c"]}),
    {"output": {"kind": "logits"}},
)
ANSWERS = PassPlan(PREDICT, {"batch": 2})
EACH = PassPlan(SAMPLES, {"batch": 2, "kind": "members", "samples": 3})
JOBS = {PREDICT: predict_job, SAMPLES: samples_job}
NAN = 100  # a shade for which one of the members has no answer


@dataclass(frozen=True)
class Member(Session):
    """Logits that grow with the brightness; odd ones for odd shades, where it is told so."""

    slope: float = 1.0
    odd: bool = False
    ran: tuple[list[int], ...] = ()

    def _raw(self, piece):
        self.ran[0].append(len(piece))
        shade = piece.reshape(len(piece), -1).mean(1) * 255
        found = self.slope * np.stack([5 - shade / 25, shade / 25 - 5], axis=1)
        if self.odd:
            found[np.isclose(shade, NAN, atol=0.5)] = np.nan
        return found

    @property
    def runtime_json(self):
        return {"providers": ["a test"], "device": "cpu"}


@pytest.fixture
def ran(monkeypatch):
    """The ensemble, in place of what the file would be; the sizes of the batches it was given."""
    sizes = []
    members = tuple(
        Member(None, 2, slope=slope, odd=slope == 2.0, ran=(sizes,)) for slope in (0.3, 1.0, 2.0)
    )
    manifest = ModelManifest.model_validate(DECLARED)
    session = EnsembleSession(None, 2, members=members, declared=manifest.output)
    monkeypatch.setattr(predict, "_kept", {})
    monkeypatch.setattr(predict, "open_model", lambda *given, **named: session)
    return sizes


@pytest.fixture
def shard(tmp_path):
    """Five cases in batches of two: one is missing, one member has no answer to another."""
    images = {f"c{s}": [stored_image(tmp_path, s)] for s in (10, NAN, 150, 200)}
    images = {**images, "gone": [tmp_path / "nowhere"]}

    def run(planned, beside=None):
        out = tmp_path / f"out-{planned.name}-{beside is None}"
        out.mkdir()
        asked = job_of_shard(
            planned, model_path=tmp_path / "index", manifest=DECLARED, shard=list(images),
            images=images, out_dir=out, beside=beside,
        )  # fmt: skip
        found = JOBS[planned.name](asked.inputs, out, QUIET)
        return found, out

    return run


def plain(found):
    return {name: value for name, value in found.items() if name not in ("seconds", "beside")}


@pytest.mark.parametrize(("first", "other"), [(ANSWERS, EACH), (EACH, ANSWERS)])
def test_whichever_comes_first_leaves_both_tables_as_each_pass_alone_would(
    first, other, ran, shard
):
    alone, beside = shard(first), shard(other)
    apart = len(ran)
    both, out = shard(first, beside=other)

    assert len(ran) - apart == apart / 2 == 9, "members were not run once for each batch"
    assert plain(both) == plain(alone[0])
    assert plain(both["beside"]) == plain(beside[0])
    for found, (said, folder) in ((both, alone), (both["beside"], beside)):
        assert (out / found["table"]).read_bytes() == (folder / said["table"]).read_bytes()


def test_each_table_has_the_errors_of_its_cases(ran, shard):
    both, out = shard(ANSWERS, beside=EACH)

    wrong = {f"c{NAN}": "non_finite_output", "gone": "image_missing"}
    answers = {name: error for name, _, error in rows((out / both["table"]).read_bytes())}
    assert answers == {"c10": "", "c150": "", "c200": ""} | wrong
    each = table((out / both["beside"]["table"]).read_bytes())
    errors = dict(zip(each["case_id"].to_pylist(), each["error"].to_pylist(), strict=True))
    assert errors == {"c10": None, "c150": None, "c200": None} | wrong
    assert both["failed"] == both["beside"]["failed"] == 2
    assert both["reusable"] is both["beside"]["reusable"] is False


def test_another_number_of_members_than_was_planned_is_refused(ran, shard):
    more = PassPlan(SAMPLES, {**EACH.params, "samples": 4})
    with pytest.raises(ModelError, match="ensemble of 4"):
        shard(ANSWERS, beside=more)


def test_only_the_members_of_an_ensemble_are_walked_with_its_answer():
    dropout = PassPlan(SAMPLES, {"batch": 2, "kind": "dropout", "samples": 3, "seed": 1})
    wider = PassPlan(SAMPLES, {**EACH.params, "batch": 8})
    tapped = PassPlan(PREDICT, {"batch": 2, "features": ["early"]})

    assert walked_with(ANSWERS, [ANSWERS, EACH]) == EACH
    assert walked_with(EACH, [ANSWERS, EACH]) == ANSWERS
    assert walked_with(PassPlan("corrupt", {"batch": 2}), [ANSWERS, EACH]) is None
    assert walked_with(ANSWERS, [ANSWERS]) is None
    for one, other in ((ANSWERS, dropout), (ANSWERS, wider), (tapped, EACH)):
        assert walked_with(one, [one, other]) is None
        assert walked_with(other, [one, other]) is None
